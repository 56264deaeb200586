"""The page that compares two runs: one file in both languages, what else differs before any number."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib import session
from lib.errors import shown
from lib.experiment.system import slug
from lib.pages import common
from lib.report import both, shell, systems
from lib.report.versus import numbers, sides
from lib.report.versus.findings import counted, findings, summary
from lib.report.versus.numbers import QUALITY, Compared
from lib.report.versus.sides import Differs, W
from lib.show import table as show
from lib.show.columns import columns
from lib.show.table import Column, Table
from lib.store import files
from lib.store.run import Run
from lib.text import LANGUAGES, Language
from lib.words import COMMON

MANY = 8  # rows of what else differs that stand open


def compare(given_a: str, given_b: str, to: str = "", limit: float | None = None) -> tuple[str, int]:
    """Write the page that compares two runs; returns what to print, and the exit code: 0 where nothing is worse in B beyond its interval,
    3 where something is or failed, 4 where no comparison was decided.

    given_a, given_b: as `sides.find` takes them, A the run of before; to: the file to write, or a folder, "" for html/compare/ beside B's
    pages; limit: ratio of speeds that counts as a difference, None for the larger `measuring.least_ratio` of both. Raises ReportError.
    """
    a, b = sides.find(given_a), sides.find(given_b)
    sides.different(a, b)
    limit = numbers.least(a, b) if limit is None else limit
    found, differs = numbers.compared(a, b, limit), sides.differences(a, b)
    path = _path(a, b, to)
    files.write_text(path, page(a, b, found, limit))
    if not to:
        systems.write(path.parents[1])
    code = numbers.exit_code(found, numbers.broken(a, b))
    why = [f"{one.level}: {one.text.en}" for one in summary(a, b, found) if code == numbers.NOTHING_DECIDED]
    return "\n".join([sides.lead(differs).en, *why, f"{counted(found).en}: open {shown(path)}"]), code


def page(a: Run, b: Run, found: Sequence[Compared], limit: float) -> str:
    """The page, HTML. found: of `numbers.compared`."""
    return both.page(W("page.title"), {language: _body(a, b, found, limit, language) for language in LANGUAGES})


def _body(a: Run, b: Run, found: Sequence[Compared], limit: float, language: Language) -> str:
    differs = sides.differences(a, b)
    judged = sum(bool(one.said) for one in found)
    tables = {"quality": _quality(found), "time": _times(found), "size": _sizes(found)}
    return shell.fill(
        "compare.html.j2",
        language,
        w=W.groups["page"],
        sides=[(name, W("said.side", system=run.folder.name, date=shell.when(run.info.started_at))) for name, run in (("A", a), ("B", b))],
        lead=sides.lead(differs),
        differs=show.table_html(_differs(differs), language) if differs else "",
        findings=show.findings_html(findings(a, b, found), language),
        counted=counted(found),
        tables=[(key, W.groups["page"][key], show.table_html(table, language)) for key, table in tables.items()],
        method=W("said.method", margin=100 * common.LOSS_MARGIN, limit=100 * limit, count=judged),
        command="make compare A=… B=…",
    )


def _path(a: Run, b: Run, to: str) -> Path:
    if to.endswith(".html"):
        return Path(os.path.abspath(to))
    name = "--".join(slug(f"{run.folder.name}-{run.info.run_id}") for run in (a, b)) + ".html"
    if to:
        return Path(os.path.abspath(to)) / name
    results = b.folder.absolute().parent
    outputs = results.parent if results.name == "results" else session.outputs(b.profile.name)
    return outputs / "html" / systems.COMPARE / name


def _differs(differs: Sequence[Differs]) -> Table:
    rows = [{"kind": W(f"kinds.{one.kind}"), "what": one.what, "a": one.a, "b": one.b} for one in differs]
    return Table(rows, columns(W, "kind what a b"), W("captions.differs"), folded=len(rows) > MANY)


def _quality(found: Sequence[Compared]) -> Table:
    rows = [
        {
            "candidate": one.candidate.label,
            "metric": COMMON(f"columns.{one.metric}"),
            "a": 100 * (one.a.value or 0),
            "b": 100 * (one.b.value or 0),
            "difference": common.percent(one.apart) if one.apart else None,
        }
        | _judged(one)
        for metric in QUALITY
        for one in _of(found, metric)
    ]
    form = columns(W, "candidate metric") + _sides("%", 2) + columns(W, "difference said how")
    return Table(rows, form, W("captions.quality"), nothing=W("captions.none"))


def _times(found: Sequence[Compared]) -> Table:
    rows = [
        {
            "candidate": one.label,
            "scope": W(f"scopes.{one.a.scope}"),
            "batch_size": one.batch_size,
            "a": one.a.value,
            "b": one.b.value,
            "ratio": one.apart,
        }
        | _judged(one)
        for metric in numbers.TIMES
        for one in _of(found, metric)
    ]
    batch = Column("batch_size", COMMON("columns.batch_size"), digits=0)
    form = [*columns(W, "candidate scope"), batch, *_sides("ms", 3), *columns(W, "ratio said how")]
    return Table(rows, form, W("captions.time"), nothing=W("captions.none"))


def _sizes(found: Sequence[Compared]) -> Table:
    rows = [
        {
            "candidate": one.candidate.label,
            "a": (one.a.value or 0) / 1e6,
            "b": (one.b.value or 0) / 1e6,
            "size_ratio": one.apart,
        }
        for one in _of(found, "file_size")
    ]
    return Table(
        rows, [*columns(W, "candidate"), *_sides("MB", 2), *columns(W, "size_ratio")], W("captions.size"), nothing=W("captions.none")
    )


def _of(found: Sequence[Compared], metric: str) -> list[Compared]:
    """Those of a metric in the order of the report."""
    return sorted((one for one in found if one.metric == metric), key=lambda one: (one.candidate.place, one.a.scope, one.batch_size or 0))


def _sides(unit: str, digits: int) -> list[Column]:
    return [Column(key, W(f"columns.{key}"), unit, digits) for key in ("a", "b")]


def _judged(one: Compared) -> dict[str, Any]:
    return {"said": W(f"judged.{one.said or 'none'}"), "how": W(f"how.{one.how}")}
