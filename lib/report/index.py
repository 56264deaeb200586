"""The index page: what is wrong, the headline table, charts, the way to every page, and the environment."""

from __future__ import annotations

from typing import Any

from lib.data.dataset import RANDOM
from lib.pages.against import unlabelled
from lib.pages.common import NO_LABELS
from lib.report import headline, shell
from lib.report import verdict as verdicts
from lib.report.shell import WORDS, Report, Stage
from lib.show import table as show
from lib.show.figure import Row, bars, dots, height_in, plot
from lib.show.table import NO_CAPTION, Column, Figure
from lib.store.run import Run
from lib.text import Language, Text
from lib.verdict.judge import Verdict

WIDTH_IN = 5.4  # of a chart, narrow: the labels stay readable on a phone
FINDINGS = 3  # that the index shows of a page, unless more are bad or doubtful


def page(report: Report, language: Language, verdict: Verdict | None = None) -> str:
    """The index page of a report in one language, HTML. verdict: None where nothing is recorded."""
    shown = headline.table(report.run, doubtful=any(stage.doubts for stage in report.stages))
    return shell.write(
        "index.html.j2",
        language,
        report,
        report.run,
        name="index.html",
        title=WORDS("page.report"),
        sections=[(key, WORDS(f"page.{key}")) for key in ("headline", "pages", "environment", "parameters")],
        problems=[(text, stage.notebook) for stage in report.stages for text in stage.problems],
        doubts=[(text, stage.notebook) for stage in report.stages for text in stage.doubts],
        verdict=verdict and verdicts.shown(verdict, report),
        notes=_notes(report, shown.rows),
        headline=show.table_html(shown, language) if shown.rows else "",
        nothing=WORDS("said.nothing"),
        charts=[show.figure_html(chart, language) for chart in charts(shown.rows)],
        cards=[_card(report, stage, language) for stage in report.stages],
        environment=environment(report.run),
        records=None,
    )


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
    unknown = any(row[headline.ACCURACY.key] == NO_LABELS for row in rows)
    return headline.AGREEMENT if unknown and not told else headline.ACCURACY


def _chart(rows: list[Row], column: Column, draw: Any, form: Any) -> Figure:
    key = f"figures.{column.key}"
    values = [WORDS(f"{key}_value", label=row.name, value=getattr(row.value, "value", row.value)) for row in rows]
    alt = WORDS("figures.alt", title=WORDS(f"figures.{column.key}"), values=values)
    size = {"width_in": WIDTH_IN, "height_in": height_in(rows)}
    return plot(lambda axes, language: draw(axes, rows, form, WORDS(f"{key}_axis"), language), alt, NO_CAPTION, **size)


def environment(run: Run) -> list[tuple[Text | str, Any]]:
    """(name, value) rows of the system that a run was measured on, none where nothing was."""
    if not run.measured:
        return []
    system, words = run.info.system, WORDS.groups["environment"]
    gpus = ", ".join(f"{gpu['name']} ({gpu['driver_version']})" for gpu in system["gpus"])
    features = ", ".join(system.get("cpu_features", []))
    modes = {(r.candidate.runner_label, str(r.stats["mode"])): None for r in run.everywhere() if r.candidate and "mode" in r.stats}
    return [
        (words["cpu"], system["cpu"]),
        *([(words["cpu_features"], features)] if features else []),
        (words["cores"], system["cores"]),
        (words["memory"], f"{system['memory_gib']} GiB"),
        (words["gpus"], gpus or shell.NO_GPU),
        (words["os"], system["os"]),
        ("Python", system["python"]),
        *system["libraries"].items(),
        *((WORDS("environment.mode", runner=runner), mode) for runner, mode in modes),
        (words["system_id"], run.info.system_id),
    ]


def _notes(report: Report, rows: list[dict[str, Any]]) -> list[Text]:
    """What is not there: rows without an accuracy, or nobody who knows it; images; notebooks that have not run."""
    missing = [stage.notebook.stage for stage in report.stages if not stage.there]
    notes = [WORDS("said.random")] if report.run.measured and report.run.info.dataset == RANDOM else []
    if judged(rows) == headline.AGREEMENT:
        notes += [finding.text for finding in unlabelled(report.run)]
    elif lost := sum(not headline.measured(row, headline.ACCURACY) for row in rows):
        notes.append(WORDS("said.not_all", count=lost, total=len(rows)))
    return notes + ([WORDS("said.missing", stages=missing)] if missing else [])


def _card(report: Report, stage: Stage, language: Language) -> dict[str, Any]:
    """What the index says of one page."""
    most = max(FINDINGS, sum(finding.level in ("bad", "warn") for finding in stage.findings))
    left = len(stage.findings) - most
    return {
        "stage": stage,
        "state": "missing" if not stage.there else "failed" if stage.failures else "done",
        "status": _status(report, stage),
        "findings": show.findings_html(stage.findings[:most], language) if stage.findings else "",
        "more": WORDS("said.more", count=left) if left > 0 else "",
    }


def _status(report: Report, stage: Stage) -> Text:
    if stage.failures:
        return stage.failures[0]
    if not stage.run.measured:
        return WORDS("said.not_run")
    info = stage.run.info
    key = "status" if info.run_id == report.run.info.run_id else "earlier_run"
    return WORDS(f"said.{key}", date=shell.when(info.started_at), seconds=info.seconds)
