"""The index page: the verdict, what is wrong, charts and a table of the candidates, the way to every page, and the environment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lib.data.dataset import RANDOM
from lib.pages.common import NO_LABELS
from lib.report import candidates, headline, shell
from lib.report import verdict as verdicts
from lib.report.notebooks import Notebook
from lib.report.shell import WORDS, Report, Stage
from lib.show import table as show
from lib.show.figure import Row, bars, dots, plot
from lib.show.table import NO_CAPTION, Column, Figure
from lib.store.run import Run
from lib.text import Language, Text, joined
from lib.verdict.judge import Verdict

WIDTH_IN, AROUND_IN = 4.85, 0.55  # of a chart: two stand side by side; its axis
ROWS_IN, ROW_IN, LEAST_ROW_IN = 1.6, 0.34, 0.15  # of all rows together, where a row then has no more than this and no less
WRONG = ("bad", "warn")  # levels of findings that a page's line counts
OPEN = 3  # lines of the red and the amber banner together; the others are folded


def page(report: Report, language: Language, verdict: Verdict | None = None) -> str:
    """The index page of a report in one language, HTML. verdict: None where nothing is recorded."""
    tables = candidates.tables(report.run, verdict, doubtful=any(stage.doubts for stage in report.stages))
    return shell.write(
        "index.html.j2",
        language,
        report,
        report.run,
        name="index.html",
        title=WORDS("page.report"),
        sections=[(key, WORDS(f"page.{key}")) for key in ("headline", "pages", "environment")],
        banners=banners(report, language),
        verdict=verdict and verdicts.shown(verdict, report),
        charts=[show.figure_html(chart, language) for table in tables[:1] for chart in charts(table.rows)],
        tables=[show.table_html(table, language) for table in tables],
        random=report.run.measured and report.run.info.dataset == RANDOM,
        said=WORDS.groups["said"],
        stages=[(stage, marks(report, stage)) for stage in report.stages],
        environment=environment(report.run),
        machine=machine(report.run.info.system) if report.run.measured else "",
        records=None,
    )


def banners(report: Report, language: Language) -> list[dict[str, Any]]:
    """What is red and what is amber, each once with the pages that say it: the first sentence, for the page has all of it. Of both
    together OPEN lines stand open, the red ones first."""
    made, room = [], OPEN
    for kind in ("problems", "doubts"):
        lines: dict[str, dict[Notebook, None]] = {}
        for stage in report.stages:
            for text in getattr(stage, kind):
                lines.setdefault(text.first(language)[0], {})[stage.notebook] = None
        told = list(lines.items())
        made.append({"kind": kind, "open": told[:room], "folded": told[room:], "more": WORDS("said.more", count=len(told[room:]))})
        room = max(0, room - len(told))
    return [banner for banner in made if banner["open"] or banner["folded"]]


def marks(report: Report, stage: Stage) -> list[tuple[str, Text]]:
    """(level, in words) of what a page's line on the index says: how its last try ended, how much is wrong, whether it is of an earlier
    run. Nothing where all is well."""
    if not stage.there:
        return [("", WORDS("marks.not_run"))]
    found = Counter(finding.level for finding in stage.findings)  # first, for it may leave something `broken`
    said = [("bad", WORDS("marks.failed"))] if stage.failures else []
    said += [(level, WORDS(f"marks.{level}{'' if found[level] > 1 else '_one'}", count=found[level])) for level in WRONG if found[level]]
    earlier = stage.run.measured and stage.run.info.run_id != report.run.info.run_id
    return said + ([("", WORDS("marks.earlier", date=shell.when(stage.run.info.started_at)))] if earlier else [])


def charts(rows: list[dict[str, Any]]) -> list[Figure]:
    """A figure each of what was measured of the headline table's rows: accuracy (%), or where there is none agreement with the reference,
    with its 95 % interval; images/s end to end."""
    made = []
    for column, draw, form in ((judged(rows), dots, ".2f"), (headline.THROUGHPUT, bars, 0)):
        shown = [Row(row["candidate"].label, row["candidate"].colour, row[column.key]) for row in rows if headline.measured(row, column)]
        if shown:
            made.append(_chart(shown, column, draw, form))
    return made


def judged(rows: list[dict[str, Any]]) -> Column:
    """What the answers of these rows of the headline table are judged by."""
    told = any(headline.measured(row, headline.ACCURACY) for row in rows)
    unknown = any(row.get(headline.ACCURACY.key) == NO_LABELS for row in rows)
    return headline.AGREEMENT if unknown and not told else headline.ACCURACY


def _chart(rows: list[Row], column: Column, draw: Any, form: Any) -> Figure:
    key = f"figures.{column.key}"
    values = [WORDS(f"{key}_value", label=row.name, value=getattr(row.value, "value", row.value)) for row in rows]
    alt = WORDS("figures.alt", title=WORDS(f"figures.{column.key}"), values=values)
    row_in = max(LEAST_ROW_IN, min(ROW_IN, ROWS_IN / len(rows)))
    size = {"width_in": WIDTH_IN, "height_in": AROUND_IN + row_in * len(rows)}
    return plot(lambda axes, language: draw(axes, rows, form, WORDS(f"{key}_axis"), language), alt, NO_CAPTION, **size)


def machine(system: Mapping[str, Any]) -> Text:
    """What a run was measured on, in one line. system: as its records hold it."""
    facts = {key: system[key] for key in ("cpu", "cores", "os", "python")}
    return WORDS("said.environment", gpus=_gpus(system), libraries=shell.libraries(system), **facts)


def _gpus(system: Mapping[str, Any]) -> Text:
    said = [WORDS("environment.gpu", name=gpu["name"], driver=gpu["driver_version"]) for gpu in system["gpus"]]
    return joined(said) if said else shell.NO_GPU


def environment(run: Run) -> list[tuple[Text | str, Any]]:
    """(name, value) rows of the system that a run was measured on, none where nothing was."""
    if not run.measured:
        return []
    system, words = run.info.system, WORDS.groups["environment"]
    features = ", ".join(system.get("cpu_features", []))
    modes = {(r.candidate.runner_label, str(r.stats["mode"])): None for r in run.everywhere() if r.candidate and "mode" in r.stats}
    return [
        (words["cpu"], system["cpu"]),
        *([(words["cpu_features"], features)] if features else []),
        (words["cores"], system["cores"]),
        (words["memory"], f"{system['memory_gib']} GiB"),
        (words["gpus"], _gpus(system)),
        (words["os"], system["os"]),
        ("Python", system["python"]),
        *system["libraries"].items(),
        *((WORDS("environment.mode", runner=runner), mode) for runner, mode in modes),
        (words["system_id"], run.info.system_id),
    ]
