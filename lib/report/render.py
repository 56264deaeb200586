"""Renders the pages of a profile, in both languages, from its executed notebooks and records. Executes and measures nothing."""

from __future__ import annotations

from pathlib import Path

from lib.experiment import profile as config
from lib.report import cells, index, notebooks, shell
from lib.report.shell import Report, Stage
from lib.report.words import LANGUAGE_NAMES, WORDS
from lib.store import files
from lib.text import LANGUAGES, Language


def render(profile: config.Profile, folder: Path = notebooks.FOLDER, system: str = "") -> Path:
    """Write outputs/PROFILE/html/{en,ja}/*.html and html/index.html, and return the latter.

    system: whose run, a folder of results/; "" for the one that ran last. Raises ReportError, one line, where nothing has
    been executed yet, records cannot be read or the pages not be written.
    """
    report = shell.gather(profile, folder, system)
    html = report.folder / "html"
    for language in LANGUAGES:
        for number, stage in enumerate(report.stages):
            if stage.executed is not None:
                files.write_text(html / language / stage.notebook.page, page(report, number, language))
        files.write_text(html / language / "index.html", index.page(report, language))
    choices = [{"code": code, "name": LANGUAGE_NAMES[code], "title": WORDS["report"].in_(code)} for code in LANGUAGES]
    files.write_text(html / "index.html", shell.fill("choose.html.j2", {"title": WORDS["report"].en, "choices": choices}))
    return html / "index.html"


def page(report: Report, number: int, language: Language) -> str:
    """The page of one executed notebook, HTML that asks nothing of any other file but its neighbours."""
    stage = report.stages[number]
    found = cells.parts(stage.executed, language)
    problems = [{"page": "", "text": text} for text in found.problems]
    if failed := stage.note.get("failed"):
        problems.insert(0, {"page": "", "text": WORDS["failed"].in_(language).format(**failed)})
    there = [other for other in report.stages if other.executed is not None]
    at = there.index(stage)
    values = shell.common(report, language, stage.notebook.page, found.sections) | {
        "title": found.title or stage.notebook.title.in_(language),
        "number": stage.notebook.number,
        "count": report.stages[-1].notebook.number,
        "facts": shell.facts(report, stage.note or report.newest, language),
        "lede": shell.safe(found.lede),
        "problems": problems,
        "findings": shell.safe(found.findings),
        "content": shell.safe(found.content),
        "parameters": stage.note.get("parameters", []),
        "previous": _turn(there[at - 1], language) if at else {"page": "index.html", "title": WORDS["overview"].in_(language)},
        "next": _turn(there[at + 1], language) if at + 1 < len(there) else None,
        "records": _records(report, stage),
    }
    return shell.fill("page.html.j2", values)


def _turn(stage: Stage, language: Language) -> dict[str, str]:
    return {"page": stage.notebook.page, "title": stage.notebook.title.in_(language)}


def _records(report: Report, stage: Stage) -> dict[str, str] | None:
    """File name and SHA-256 of the stage's records, None where it left none."""
    path = report.folder / "results" / stage.note.get("system_id", "") / f"{stage.notebook.stage}.jsonl"
    if not path.is_file() or not path.stat().st_size:
        return None
    return {"name": path.relative_to(report.folder).as_posix(), "sha256": files.sha256(path)}
