"""What the READMEs show of recorded runs: verdict, picture and table. No number of theirs is typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.report import candidates, headline, shell
from lib.report import verdict as verdicts
from lib.report.shell import WORDS, Report
from lib.show.table import BEST, Column, Table, number
from lib.stats import Interval
from lib.store import files
from lib.text import Language, Text
from lib.verdict.judge import BACKEND
from lib.words import COMMON

READMES: dict[Language, str] = {"en": "README.md", "ja": "README.ja.md"}
GPU, CPU = "gpu", "cpu"  # what stands between markers of that name: a run in which TensorRT was timed, and one in which it was not
TOLD = (headline.ACCURACY, headline.AGREEMENT, headline.THROUGHPUT, headline.LATENCY)  # one of these that is shown makes a row
OPEN = 3  # problems, and doubts, that are said


def update(report: Report, root: Path = config.ROOT) -> list[Path]:
    """Put what a report says between the markers of its `block` in both READMEs below `root`; returns them.

    Raises ReportError where nothing is recorded, and where a README has no such markers.
    """
    before, after = f"<!-- {block(report)} -->", f"<!-- /{block(report)} -->"
    for language, name in READMES.items():
        path, written = root / name, shown(report, language)
        text = path.read_text(encoding="utf-8")
        text, count = re.subn(f"({before}\n).*?({after})", lambda m, said=written: m[1] + said + m[2], text, flags=re.DOTALL)
        if not count:
            raise ReportError(f"{path}: no line {before}; put one before the table and {after} after it")
        files.write_text(path, text)
    return [root / name for name in READMES.values()]


def find(folder: Path, system: str) -> Path:
    """results/SYSTEM below outputs/PROFILE: the one named, else the only one. Raises ReportError for none or several."""
    found = sorted({path.parent for path in (folder / "results").glob("*/*.jsonl")})
    chosen = [path for path in found if system in ("", path.name)]
    if len(chosen) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise ReportError(f"{folder / 'results'}: name one system with --system; there are: {there}")
    return chosen[0]


def block(report: Report) -> str:
    """GPU where TensorRT was timed, else CPU: the only ones that a README has, each of the run that was written there last."""
    rows = headline.table(report.run).rows
    return GPU if any(row["candidate"].runner == BACKEND and headline.measured(row, headline.LATENCY) for row in rows) else CPU


def picture(report: Report, language: Language) -> str:
    """Where the picture of a report's overview lies, as READMEs name it; only the block GPU has one."""
    return f"outputs/{report.profile}/report.{language}.png"


def shown(report: Report, language: Language) -> str:
    """The block of a report as Markdown: its verdict, its picture if it has one, the candidates of which it shows accuracy or speed, and
    what they were measured on with what is wrong. Raises ReportError where nothing is recorded."""
    verdict = verdicts.of(report)
    if verdict is None:
        raise ReportError(f"{report.folder}: nothing is recorded that a README could show")
    parts = [f"**{verdict.told.in_(language)}**\n"]
    if block(report) == GPU:
        parts.append(f"![{WORDS('readme.picture').in_(language)}]({picture(report, language)})\n")
    for table in candidates.tables(report.run, verdict, doubtful=any(stage.doubts for stage in report.stages))[:1]:
        parts.append(_markdown(table, language))
    return "\n".join([*parts, f"{_measured_on(report, language)}\n"])


def _markdown(table: Table, language: Language) -> str:
    told = [column for column in table.columns if column in TOLD]
    head = [f"{c.label.in_(language)}{f' ({c.unit})' if c.unit else ''}" for c in table.columns]
    lines = [head, ["---:" if c.digits is not None else "---" for c in table.columns]]
    for row in table.rows:
        if any(headline.measured(row, column) for column in told):
            lines.append([_cell(row.get(column.key), column, column.key in row.get(BEST, ()), language) for column in table.columns])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object, column: Column, best: bool, language: Language) -> str:
    if isinstance(value, Text):
        from markupsafe import Markup

        said = value.in_(language)
        return said.striptags() if isinstance(said, Markup) else said
    if value is None:
        return "–" if column.digits is not None else ""
    if not isinstance(value, (int, float, Interval)):
        return COMMON("table.not_measured").in_(language)
    ends = f" [{number(value.low, column)}, {number(value.high, column)}]" if isinstance(value, Interval) else ""
    return f"**{number(value, column)}**{ends}" if best else f"{number(value, column)}{ends}"


def _measured_on(report: Report, language: Language) -> str:
    run, info = report.run, report.run.info
    system = info.system
    facts = {"dataset": info.dataset, "cpu": system["cpu"], "cores": system["cores"], "date": info.started_at[:10]}
    facts |= {"gpu": shell.gpu(system), "batch": headline.batch_size(run), "libraries": shell.libraries(system)}
    facts |= {"profile": report.profile, "system": run.folder.name, "pages": [stage[:2] for stage in sorted(run.files)]}
    return "\n".join([WORDS("readme.measured_on", **facts).in_(language), *_wrong(report, language)])


def _wrong(report: Report, language: Language) -> Iterator[str]:
    """What is red and what is amber, the first sentences of the first."""
    for kind in ("problems", "doubts"):
        told = list(dict.fromkeys(text.first(language)[0] for stage in report.stages for text in getattr(stage, kind)))
        more = [WORDS("said.more", count=len(told) - OPEN).in_(language)] if len(told) > OPEN else []
        if told:
            yield WORDS("readme.wrong", kind=WORDS(f"page.{kind}"), told={"en": " ", "ja": ""}[language].join([*told[:OPEN], *more])).in_(
                language
            )
