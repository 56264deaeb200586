"""What every page stands in: what runs have recorded, the frame around a page, and the templates."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from lib.errors import ReportError
from lib.experiment.system import system_id
from lib.report import cells, failed, notebooks, told
from lib.report.failed import Failed
from lib.report.notebooks import Notebook
from lib.store import session, stage_file
from lib.store.run import Run
from lib.text import Language, Text
from lib.words import LIST_MARK, Finding, Words

WORDS = Words(__file__)
LANGUAGE_NAMES: dict[Language, str] = {"en": "English", "ja": "日本語"}


@dataclass
class Stage:
    """A notebook and what runs left of it. run: as its page sees it; failed: how the last try to measure it ended, if it failed;
    broken: what is wrong with showing its records again, if anything is."""

    notebook: Notebook
    run: Run
    failed: Failed | None
    broken: str = ""

    @property
    def there(self) -> bool:
        """Whether it has a page."""
        return self.run.measured or self.failed is not None

    @cached_property
    def findings(self) -> list[Finding]:
        """What its rules find, the worst first. What keeps them from an end is kept in `broken`."""
        try:
            return told.findings(self.run) if self.run.measured else []
        except Exception as error:
            self.broken = self.broken or " ".join(f"{self.notebook.stage}: {type(error).__name__}: {error}".split())
            return []

    @property
    def failures(self) -> list[Text]:
        """That its last try failed, or that it cannot be shown again, in words."""
        said, earlier = [], self.run.measured and not (self.failed and self.failed.run_id == self.run.info.run_id)
        if self.failed:
            shown = WORDS("said.earlier_records", date=when(self.run.info.started_at)) if earlier and not self.broken else Text("", "")
            values = {"cell": self.failed.cell, "line": self.failed.line, "error": self.failed.error}
            said.append(WORDS("said.failed", **values, earlier=shown))
        return said + ([WORDS("said.broken", error=self.broken)] if self.broken and earlier else [])


@dataclass
class Report:
    """Everything the pages of one profile are rendered from, of one system. folder: outputs/PROFILE; run: as the overview sees it:
    the newest page's numbers, then those of its run, then earlier ones."""

    profile: str
    folder: Path
    run: Run
    stages: list[Stage] = field(default_factory=list)

    @property
    def newest(self) -> stage_file.Stage | None:
        """Who measured the newest page, when, on what; None where nothing is recorded."""
        return self.run.info if self.run.measured else None


def gather(profile: str, folder: Path, system: str = "") -> Report:
    """Read what the runs of a profile on one system have left: on `system`, or for "" on the one that ran last.

    profile: its name; folder: of the notebooks. Raises ReportError if that is nothing, naming the systems that there are, and
    for records that are not as they were written.
    """
    outputs, found = session.outputs(profile), notebooks.find(folder)
    ran = {results.name: newest for results in sorted((outputs / "results").glob("*")) if (newest := _newest(results))}
    if system and system not in ran:
        raise ReportError(f"{outputs / 'results'}: nothing recorded on '{system}'; there are: {', '.join(ran) or 'none'}")
    if not ran:
        raise ReportError(f"{outputs}: nothing recorded yet; run it first: make report PROFILE={profile}")
    results = outputs / "results" / (system or max(ran, key=lambda name: ran[name]))
    run = Run.open(results).newest()
    stages = [Stage(notebook, run.of(notebook.stage), failed.read(results, notebook.stage)) for notebook in found]
    return Report(profile, outputs, run, stages)


def _newest(results: Path) -> str:
    """When the last try on a system began, "" where there was none; a file that cannot be read counts as the oldest."""
    begun = []
    for path in results.glob("[0-9][0-9]_*.json*"):
        try:
            first = path.read_text(encoding="utf-8") if path.name.endswith(".failed.json") else path.open(encoding="utf-8").readline()
            values = json.loads(first)
            begun.append(str(values.get("stage", values)["started_at"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            begun.append("0")
    return max(begun, default="")


def common(report: Report, language: Language, name: str, sections: list[dict[str, str]]) -> dict[str, Any]:
    """What the shell of every page needs."""
    pages = [
        {"page": s.notebook.page, "number": s.notebook.number, "title": s.notebook.title.in_(language), "there": s.there}
        for s in report.stages
    ]
    return {
        "language": language,
        "languages": LANGUAGE_NAMES.items(),
        "words": words(language),
        "page": name,
        "pages": pages,
        "sections": sections,
        "command": _command(report),
        "script": safe((cells.TEMPLATES / "script.js").read_text(encoding="utf-8")),
    }


def words(language: Language) -> dict[str, str]:
    """The words of the templates in one language, by key."""
    return {key: text.in_(language) for key, text in WORDS.groups["page"].items()}


def _command(report: Report) -> str:
    """What makes this page here: only the system that was measured can measure again, any other renders its records."""
    measured = report.run.folder.name
    return f"make report PROFILE={report.profile}" if measured == system_id() else f"make render PROFILE={report.profile} SYSTEM={measured}"


def facts(info: stage_file.Stage | None, language: Language) -> list[tuple[str, str, str]]:
    """(name, value, hint) of profile, dataset, system and date for a page's head; none where nothing is recorded."""
    if info is None:
        return []
    system = info.system
    cores = WORDS("said.cores", cores=system["cores"]).in_(language)
    device = system["gpus"][0]["name"] if system["gpus"] else WORDS("said.no_gpu").in_(language)
    return [
        (WORDS("said.profile").in_(language), str(info.profile.get("name", "")), ""),
        (WORDS("said.dataset").in_(language), info.dataset, ""),
        (WORDS("said.system").in_(language), LIST_MARK[language].join([system["cpu"], cores, device]), info.system_id),
        (WORDS("said.date").in_(language), when(info.started_at), info.run_id),
    ]


def when(started_at: str) -> str:
    """An ISO 8601 time in UTC as readers see it, e.g. `2026-11-20 13:40 UTC`."""
    return datetime.fromisoformat(started_at).strftime("%Y-%m-%d %H:%M UTC")


def fill(template: str, values: dict[str, Any]) -> str:
    """Fill a template of this folder; every value is escaped but for what `safe` made."""
    css = safe((cells.TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return _environment().get_template(template).render(css=css, **values)


@cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(cells.TEMPLATES)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)


def safe(html: str) -> Any:
    """Mark HTML that lib made, so that `fill` does not escape it."""
    from markupsafe import Markup

    return Markup(html)
