"""The index page: the headline table, what is wrong, the environment, charts and the way to every page."""

from __future__ import annotations

from typing import Any

from lib.report import headline, shell
from lib.report import index_figure as figures
from lib.report.shell import Report, Stage
from lib.report.words import WORDS, words
from lib.show import table as show
from lib.store import records
from lib.text import Finding, Language, Text

FINDINGS = 3  # that the index shows of a page, unless more are bad


def page(report: Report, language: Language) -> str:
    """The index page of a report in one language, HTML."""
    said = words(language)
    done = [stage.notebook.stage for stage in report.stages if stage.executed is not None and "failed" not in stage.note]
    found = {
        s.notebook.stage: records.read_findings(report.results, s.notebook.stage) if s.notebook.stage in done else [] for s in report.stages
    }
    # What a failed notebook left from an earlier run is no result of this one.
    rows = headline.rows([r for stage in done for r in records.read(report.results, stage)], report.profile.precision.batch_size)
    sections = [{"id": key, "title": said[key]} for key in ("headline", "pages", "environment", "parameters")]
    values = shell.common(report, language, "index.html", sections) | {
        "title": said["report"],
        "facts": shell.facts(report, report.newest, language),
        "problems": [problem for stage in report.stages for problem in _problems(stage, found[stage.notebook.stage], language)],
        "counted": any(found.values()),
        "notes": _unmeasured(rows, language) + _notes(report, language),
        "headline": shell.safe(_headline(report, rows, language)),
        "charts": shell.safe(_charts(rows, language)),
        "pages": [_card(report, stage, found[stage.notebook.stage], language) for stage in report.stages],
        "environment": environment(shell.described(report), report.newest["system_id"], language),
        "parameters": report.newest["parameters"],
        "records": None,
    }
    return shell.fill("index.html.j2", values)


def environment(system: dict[str, Any], system_id: str, language: Language) -> list[tuple[str, str]]:
    """(name, value) rows of a system as lib/experiment/system.py describes it."""
    said = words(language)
    gpus = ", ".join(f"{gpu['name']} ({gpu['driver_version']})" for gpu in system["gpus"])
    return [
        (said["cpu"], system["cpu"]),
        (said["cores"], str(system["cores"])),
        (said["memory"], f"{system['memory_gib']} GiB"),
        (said["gpus"], gpus or said["no_gpu"]),
        (said["os"], system["os"]),
        ("Python", system["python"]),
        *system["libraries"].items(),
        (said["system_id"], system_id),
    ]


def _headline(report: Report, rows: list[dict[str, Any]], language: Language) -> str:
    if not rows:
        return f"<p>{WORDS['nothing'].in_(language)}</p>"
    caption = Text(*(text.format(batch=report.profile.precision.batch_size) for text in WORDS["headline_caption"]))
    return show.table_html(rows, headline.COLUMNS, caption, language)


def _charts(rows: list[dict[str, Any]], language: Language) -> str:
    """Accuracy and throughput of what was measured, each with its alt text."""
    made = ""
    for key, draw in figures.CHARTS.items():
        shown = [row for row in rows if headline.measured(row, key)]
        if shown:
            drawing, alt = draw(shown, language)
            made += show.figure_html(drawing, alt, "")
    return made


def _problems(stage: Stage, found: list[Finding], language: Language) -> list[dict[str, str]]:
    """The failure of a notebook and the bad ones of its findings, each with the page to read."""
    texts = [finding.text.in_(language) for finding in found if finding.level == "bad"]
    if failed := stage.note.get("failed"):
        texts.insert(0, WORDS["failed"].in_(language).format(**failed))
    return [{"page": stage.notebook.page, "where": stage.notebook.stage, "text": text} for text in texts if stage.executed is not None]


def _unmeasured(rows: list[dict[str, Any]], language: Language) -> list[str]:
    """How many rows of the headline table carry a reason instead of a number."""
    count = sum(not headline.measured(row, "accuracy") for row in rows)
    return [WORDS["not_all"].in_(language).format(count=count, total=len(rows))] if count else []


def _notes(report: Report, language: Language) -> list[str]:
    """What is not there yet."""
    missing = [stage.notebook.stage for stage in report.stages if stage.executed is None]
    notes = [WORDS["missing"].in_(language).format(stages=", ".join(missing))] if missing else []
    if headline.STAGE in missing:
        notes.append(WORDS["fallback"].in_(language).format(stage=headline.STAGE))
    return notes


def _card(report: Report, stage: Stage, found: list[Finding], language: Language) -> dict[str, Any]:
    """What the index says of one page."""
    notebook, note = stage.notebook, stage.note
    state = "missing" if stage.executed is None else "failed" if note.get("failed") else "done"
    order = ("bad", "good", "note")
    found = sorted(found, key=lambda f: order.index(f.level))
    said = found[: max(FINDINGS, sum(f.level == "bad" for f in found))]
    left = len(found) - len(said)
    return {
        "page": notebook.page,
        "number": notebook.number,
        "title": notebook.title.in_(language),
        "there": stage.executed is not None,
        "question": notebook.question.in_(language),
        "state": state,
        "status": _status(report, note, state, language),
        "findings": [{"level": f.level, "label": show.LEVELS[f.level].in_(language), "text": f.text.in_(language)} for f in said],
        "more": WORDS["more"].in_(language).format(count=left) if left else "",
    }


def _status(report: Report, note: dict[str, Any], state: str, language: Language) -> str:
    if state == "missing" or not note:
        return WORDS["not_run"].in_(language)
    if state == "failed":
        return WORDS["failed"].in_(language).format(**note["failed"])
    key = "status" if note["run_id"] == report.newest["run_id"] else "earlier"
    return WORDS[key].in_(language).format(date=shell.when(note), seconds=f"{note['seconds']:.0f}")
