"""The index page: what is wrong, the headline table, charts, the way to every page, and the environment."""

from __future__ import annotations

from typing import Any

from lib.experiment import profile as config
from lib.report import headline, index_figure, shell
from lib.report.shell import WORDS, Report, Stage
from lib.show import table as show
from lib.store.run import Run
from lib.text import Language
from lib.words import COMMON

FINDINGS = 3  # that the index shows of a page, unless more are bad or doubtful


def page(report: Report, language: Language) -> str:
    """The index page of a report in one language, HTML."""
    said = shell.words(language)
    told = {level: _told(report, level, language) for level in ("bad", "warn")}
    shown = headline.table(report.run, doubtful=bool(told["warn"]))
    nothing = f"<p>{WORDS('said.nothing').in_(language)}</p>"
    sections = [{"id": key, "title": said[key]} for key in ("headline", "pages", "environment", "parameters")]
    values = shell.common(report, language, "index.html", sections) | {
        "title": said["report"],
        "facts": shell.facts(report.newest, language),
        "problems": told["bad"],
        "doubts": told["warn"],
        "counted": any(stage.findings for stage in report.stages),
        "notes": _notes(report, shown.rows, language),
        "headline": shell.safe(show.table_html(shown, language) if shown.rows else nothing),
        "charts": shell.safe("".join(show.figure_html(chart, language) for chart in index_figure.charts(shown.rows))),
        "pages": [_card(report, stage, language) for stage in report.stages],
        "environment": environment(report.run, language),
        "parameters": config.as_rows(report.run.profile) if report.newest else [],
        "records": None,
    }
    return shell.fill("index.html.j2", values)


def environment(run: Run, language: Language) -> list[tuple[str, str]]:
    """(name, value) rows of the system that a run was measured on, none where nothing was."""
    if not run.measured:
        return []
    system, said = run.info.system, {key: text.in_(language) for key, text in WORDS.groups["environment"].items()}
    gpus = ", ".join(f"{gpu['name']} ({gpu['driver_version']})" for gpu in system["gpus"])
    features = ", ".join(system.get("cpu_features", []))
    modes = {(r.candidate.runner_label, str(r.stats["mode"])): None for r in run.everywhere() if r.candidate and "mode" in r.stats}
    return [
        (said["cpu"], system["cpu"]),
        *([(said["cpu_features"], features)] if features else []),
        (said["cores"], str(system["cores"])),
        (said["memory"], f"{system['memory_gib']} GiB"),
        (said["gpus"], gpus or WORDS("said.no_gpu").in_(language)),
        (said["os"], system["os"]),
        ("Python", system["python"]),
        *system["libraries"].items(),
        *((WORDS("environment.mode", runner=runner).in_(language), mode) for runner, mode in modes),
        (said["system_id"], run.info.system_id),
    ]


def _told(report: Report, level: str, language: Language) -> list[dict[str, str]]:
    """The findings of a level of all pages, each with the page to read; what failed counts as bad."""
    lines = []
    for stage in report.stages:
        texts = [finding.text for finding in stage.findings if finding.level == level]
        texts = stage.failures + texts if level == "bad" else texts
        lines += [{"page": stage.notebook.page, "where": stage.notebook.stage, "text": text.in_(language)} for text in texts]
    return lines


def _notes(report: Report, rows: list[dict[str, Any]], language: Language) -> list[str]:
    """What is not there: rows without an accuracy, notebooks that have not run."""
    lost = sum(not headline.measured(row, headline.ACCURACY) for row in rows)
    missing = [stage.notebook.stage for stage in report.stages if not stage.there]
    notes = [WORDS("said.not_all", count=lost, total=len(rows))] if lost else []
    notes += [WORDS("said.missing", stages=missing)] if missing else []
    return [note.in_(language) for note in notes]


def _card(report: Report, stage: Stage, language: Language) -> dict[str, Any]:
    """What the index says of one page."""
    notebook, found = stage.notebook, stage.findings
    said = found[: max(FINDINGS, sum(finding.level in ("bad", "warn") for finding in found))]
    left = len(found) - len(said)
    return {
        "page": notebook.page,
        "number": notebook.number,
        "title": notebook.title.in_(language),
        "there": stage.there,
        "question": notebook.question.in_(language),
        "state": "missing" if not stage.there else "failed" if stage.failures else "done",
        "status": _status(report, stage, language),
        "findings": [{"level": f.level, "label": COMMON(f"levels.{f.level}").in_(language), "text": f.text.in_(language)} for f in said],
        "more": WORDS("said.more", count=left).in_(language) if left else "",
    }


def _status(report: Report, stage: Stage, language: Language) -> str:
    if stage.failures:
        return stage.failures[0].in_(language)
    if not stage.run.measured or report.newest is None:
        return WORDS("said.not_run").in_(language)
    info = stage.run.info
    key = "status" if info.run_id == report.newest.run_id else "earlier_run"
    return WORDS(f"said.{key}", date=shell.when(info.started_at), seconds=info.seconds).in_(language)
