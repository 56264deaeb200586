"""What every page stands in: what runs have recorded, the frame around a page, and the templates."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from lib import session
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.experiment.system import system_id
from lib.report import cells, failed, notebooks
from lib.report.failed import Failed
from lib.report.notebooks import Notebook
from lib.show import interactive
from lib.show.table import environment
from lib.store import stage_file
from lib.store.run import Run
from lib.text import Language, Text
from lib.words import LEVELS, Finding, Words

WORDS = Words(__file__)
LANGUAGE_NAMES: dict[Language, str] = {"en": "English", "ja": "日本語"}
NO_GPU = WORDS("said.no_gpu")
LIBRARIES = {"tensorflow": "TensorFlow", "tensorflow-cpu": "TensorFlow", "onnxruntime": "ONNX Runtime", "onnxruntime-gpu": "ONNX Runtime"}
LIBRARIES |= {"tensorrt": "TensorRT", "tensorrt-rtx-cu13-libs": "TensorRT for RTX"}


def findings(run: Run) -> list[Finding]:
    """What `lib.pages.NAME.rules` finds in the records of `run`'s page NN_NAME, the worst first; none for a notebook without a page.

    The only way that findings come to a page, to the overview and to what they forbid: no best is named where one is amber.
    """
    rules = f"lib.pages.{run.stage[3:]}.rules"
    try:
        module = importlib.import_module(rules)
    except ModuleNotFoundError as error:
        if error.name not in (rules, rules.removesuffix(".rules")):
            raise
        return []
    return sorted(module.findings(run), key=lambda finding: LEVELS.index(finding.level))


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
        return self.shown or self.failed is not None

    @property
    def shown(self) -> bool:
        """Whether there are records that its notebook shows: its own, or of one that is derived any."""
        return self.run.measured or (self.notebook.derived and bool(self.run.files))

    @cached_property
    def findings(self) -> list[Finding]:
        """What its rules find, the worst first. What keeps them from an end is kept in `broken`."""
        try:
            return findings(self.run) if self.shown else []
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
        own = earlier or not self.run.measured  # one that is derived shows what the others recorded
        return said + ([WORDS("said.broken", error=self.broken)] if self.broken and own else [])

    @property
    def problems(self) -> list[Text]:
        """What stands in the red banner."""
        bad = [finding.text for finding in self.findings if finding.level == "bad"]  # first, for it may leave something `broken`
        return self.failures + bad

    @property
    def doubts(self) -> list[Text]:
        """What stands in the amber banner."""
        return [finding.text for finding in self.findings if finding.level == "warn"]


@dataclass
class Report:
    """Everything the pages of one profile are rendered from, of one system. folder: outputs/PROFILE; run: as the overview sees it:
    the newest page's numbers, then those of its run, then earlier ones."""

    profile: str
    folder: Path
    run: Run
    stages: list[Stage]

    @property
    def command(self) -> str:
        """What makes these pages here: only the system that was measured can measure again, any other renders its records."""
        measured = self.run.folder.name
        name = self.profile if self.profile in config.available() else f"path/to/{self.profile}.yaml"
        return f"make report PROFILE={name}" if measured == system_id() else f"make render PROFILE={self.profile} SYSTEM={measured}"


def gather(profile: str, folder: Path, system: str = "", asked: Mapping[str, Any] | None = None) -> Report:
    """Read what the runs of a profile on one system have left: on `system`, or for "" on the one that ran last.

    profile: its name; folder: of the notebooks; asked: its values, which decide what notebooks there are, None for those that were
    recorded last. Raises ReportError if that is nothing, naming the systems that there are, and for records that are not as they were
    written.
    """
    outputs = session.outputs(profile)
    ran = {results.name: newest for results in sorted((outputs / "results").glob("*")) if (newest := _newest(results))}
    if system and system not in ran:
        raise ReportError(f"{outputs / 'results'}: nothing recorded on '{system}'; there are: {', '.join(ran) or 'none'}")
    if not ran:
        raise ReportError(f"{outputs}: nothing recorded yet; run it first: make report PROFILE={profile}")
    results = outputs / "results" / (system or max(ran, key=lambda name: ran[name]))
    run = Run.open(results).newest()
    found = notebooks.find(folder)
    tried = {notebook.section: True for notebook in found if failed.path(results, notebook.stage).exists()}
    fits = notebooks.fitting(found, asked or (run.info.profile if run.measured else tried))
    stages = [Stage(notebook, _seen(run, notebook), failed.read(results, notebook.stage)) for notebook in fits]
    return Report(profile, outputs, run, stages)


def _seen(run: Run, notebook: Notebook) -> Run:
    """A run as a notebook's page sees it; one that is derived is of no date of its own, whenever it was executed."""
    left = {stage: file for stage, file in run.files.items() if stage != notebook.stage or not notebook.derived}
    return Run(run.folder, notebook.stage, left)


def _newest(results: Path) -> str:
    """When the last try on a system began, "" where there was none; a file that cannot be read counts as the oldest."""
    begun = []
    for path in results.glob("[0-9][0-9]_*.json*"):
        try:
            with path.open(encoding="utf-8") as file:
                values = json.loads(file.readline())
            begun.append(str(values.get("stage", values)["started_at"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            begun.append("0")
    return max(begun, default="")


def when(started_at: str) -> str:
    """An ISO 8601 time in UTC as readers see it, e.g. `2026-11-20 13:40 UTC`."""
    return datetime.fromisoformat(started_at).strftime("%Y-%m-%d %H:%M UTC")


def write(template: str, language: Language, report: Report, run: Run, **values: Any) -> str:
    """A page of `report` in the frame that all share: profile, dataset, system and date of `run`, of the newest page where it has
    measured nothing, and the parameters of `run`. values: for the template (`fill`)."""
    dated = run if run.measured else report.run
    facts = _facts(dated.info) if dated.measured else []
    return fill(template, language, report=report, facts=facts, parameters=config.as_rows(run.profile) if run.measured else [], **values)


def _facts(info: stage_file.Stage) -> list[tuple[Text, Any, str]]:
    """(name, value, hint) of profile, dataset, system and date for a page's head."""
    system = info.system
    machine = WORDS("said.machine", cpu=system["cpu"], cores=system["cores"], gpu=gpu(system))
    return [
        (WORDS("said.profile"), info.profile.get("name", ""), ""),
        (WORDS("said.dataset"), info.dataset, ""),
        (WORDS("said.system"), machine, info.system_id),
        (WORDS("said.date"), when(info.started_at), info.run_id),
    ]


def gpu(system: Mapping[str, Any]) -> Any:
    """The name of a recorded system's first GPU, or that there is none."""
    return system["gpus"][0]["name"] if system["gpus"] else NO_GPU


def libraries(system: Mapping[str, Any]) -> list[str]:
    """The libraries of a recorded system that run models, with their versions, each once."""
    there = system["libraries"]
    return list(dict.fromkeys(f"{said} {there[name]}" for name, said in LIBRARIES.items() if name in there))


def fill(template: str, language: Language, **values: Any) -> str:
    """Fill a template of this folder: a Text is said in `language`, and everything is escaped but Markup."""
    return _environment(language).get_template(template).render(language=language, **values)


@cache
def _environment(language: Language) -> Any:
    from markupsafe import Markup

    made = environment(cells.TEMPLATES, language)
    css, script = (Markup((cells.TEMPLATES / name).read_text(encoding="utf-8")) for name in ("style.css", "script.js"))
    script += Markup(interactive.script())
    made.globals |= {"css": css, "script": script, "words": WORDS.groups["page"], "languages": LANGUAGE_NAMES}
    return made
