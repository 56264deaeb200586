"""What every page stands in: what a run has left, the frame around a page, and the templates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.experiment.system import system_id
from lib.report import cells, notebooks
from lib.report.notebooks import Notebook
from lib.report.words import LANGUAGE_NAMES, words
from lib.store import records, session
from lib.text import Language


@dataclass(frozen=True)
class Stage:
    """A notebook and what a run left of it: its executed copy and that copy's note (run.py), or None and {}."""

    notebook: Notebook
    executed: Any
    note: dict[str, Any]


@dataclass(frozen=True)
class Report:
    """Everything the pages of one profile are rendered from. newest: the note of the run that began last."""

    profile: config.Profile
    folder: Path
    stages: list[Stage]
    newest: dict[str, Any]

    @property
    def results(self) -> Path:
        """results/SYSTEM of the newest run."""
        return self.folder / "results" / self.newest["system_id"]

    @property
    def dataset(self) -> str:
        """What the records call the dataset; the profile's name for it while there are none."""
        return next((record.dataset for record in records.read(self.results) if record.dataset), self.profile.dataset.name)


def gather(profile: config.Profile, folder: Path, system: str = "") -> Report:
    """Read what the runs of a profile on one system have left: on `system`, or for "" on the one that ran last.

    Raises ReportError if that is nothing, naming the systems that there are.
    """
    outputs, found = session.outputs(profile.name), notebooks.find(folder)
    ran = {path.parent.name for path in (outputs / "results").glob(f"*/{notebooks.EXECUTED}")}
    if system and system not in ran:
        only = " (it has records, but no executed notebooks)" if (outputs / "results" / system).is_dir() else ""
        raise ReportError(f"{outputs / 'results'}: nothing executed on '{system}'{only}; there are: {', '.join(sorted(ran)) or 'none'}")
    runs = [stages for name in sorted(ran) if system in ("", name) and (stages := _stages(outputs / "results" / name, found))]
    if not runs:
        raise ReportError(f"{outputs}: nothing executed yet; run it first: python -m lib run --profile {profile.name}")
    newest = [max((stage.note for stage in stages if stage.note), key=lambda note: note["started_at"]) for stages in runs]
    last = max(range(len(runs)), key=lambda i: newest[i]["started_at"])
    return Report(profile, outputs, runs[last], newest[last])


def _stages(results: Path, found: list[Notebook]) -> list[Stage]:
    """Every notebook with what one system's runs left of it, [] if they left nothing."""
    stages = []
    for notebook in found:
        path = results / notebooks.EXECUTED / notebook.path.name
        executed = notebooks.read(path) if path.exists() else None
        stages.append(Stage(notebook, executed, notebooks.meta(executed) if executed is not None else {}))
    return stages if any(stage.note for stage in stages) else []


def common(report: Report, language: Language, name: str, sections: list[dict[str, str]]) -> dict[str, Any]:
    """What the shell of every page needs."""
    pages = [
        {"page": s.notebook.page, "number": s.notebook.number, "title": s.notebook.title.in_(language), "there": s.executed is not None}
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


def _command(report: Report) -> str:
    """What makes this page here: only the system that was measured can measure again, any other renders its records."""
    profile, measured = report.profile.name, report.newest["system_id"]
    return f"make report PROFILE={profile}" if measured == system_id() else f"make render PROFILE={profile} SYSTEM={measured}"


def facts(report: Report, note: dict[str, Any], language: Language) -> list[tuple[str, str, str]]:
    """(name, value, hint) of profile, dataset, system and date for a page's head."""
    said = words(language)
    system = note["system"]
    cores = said["n_cores"].format(cores=system["cores"])
    device = system["gpus"][0]["name"] if system["gpus"] else said["no_gpu_short"]
    return [
        (said["profile"], note["profile"], ""),
        (said["dataset"], report.dataset, ""),
        (said["system"], f"{system['cpu']}, {cores}, {device}", note["system_id"]),
        (said["date"], when(note), note["run_id"]),
    ]


def when(note: dict[str, Any]) -> str:
    """When a notebook began, e.g. `2026-11-20 13:40 UTC`."""
    return datetime.fromisoformat(note["started_at"]).strftime("%Y-%m-%d %H:%M UTC")


def described(report: Report) -> dict[str, Any]:
    """The system that the newest run was measured on: system.json beside its records, else the run's own note."""
    path = report.results / "system.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else report.newest["system"]


def fill(template: str, values: dict[str, Any]) -> str:
    """Fill a template of this folder; every value is escaped but for what `safe` made."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(cells.TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    css = safe((cells.TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return environment.get_template(template).render(css=css, **values)


def safe(html: str) -> Any:
    """Mark HTML that lib made, so that `fill` does not escape it."""
    from markupsafe import Markup

    return Markup(html)
