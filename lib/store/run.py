"""What runs have recorded on one system, read-only: the only source of tables, figures, findings and sentences."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from lib.errors import ReportError
from lib.experiment import profile
from lib.experiment.candidate import Candidate, ordered
from lib.experiment.strict import said
from lib.store import stage_file
from lib.store.records import Exhibit, Record, chosen
from lib.store.stage_file import Stage, StageFile

E = TypeVar("E", bound=Exhibit)


@dataclass(frozen=True)
class Run:
    """results/SYSTEM as one page sees it. stage: of that page, e.g. `06_batching`; files: stage -> what it recorded."""

    folder: Path
    stage: str
    files: dict[str, StageFile]

    @classmethod
    def open(cls, folder: Path, stage: str = "", besides: str = "") -> Run:
        """Everything below results/SYSTEM (but for the stage `besides`, which is about to be replaced), checked.

        Raises ReportError naming file and line of what was altered.
        """
        paths = [path for path in sorted(folder.glob("[0-9][0-9]_*.jsonl")) if path.stem != besides]
        return cls(folder, stage, {path.stem: stage_file.read(path) for path in paths})

    def of(self, stage: str) -> Run:
        """The same, as the page of another stage sees it."""
        return Run(self.folder, stage, self.files)

    def newest(self) -> Run:
        """The same, as the page sees it that was measured last; no page's where nothing is recorded."""
        return self.of(max(self.files, key=lambda stage: self.files[stage].stage.started_at, default=""))

    @property
    def measured(self) -> bool:
        """Whether this page's stage has recorded anything."""
        return self.stage in self.files

    @property
    def info(self) -> Stage:
        """Who measured this page, when, on what. Raises ReportError where nothing is recorded."""
        if not self.measured:
            raise ReportError(f"{self.folder}: nothing recorded of {self.stage}; run that notebook first")
        return self.files[self.stage].stage

    @cached_property
    def profile(self) -> profile.Profile:
        """The parameters that this page was measured with."""
        return profile.recorded(self.info.profile)

    def records(self, metric: str | None = None, **where: Any) -> list[Record]:
        """This page's records of a metric (None: all), whose fields are as given: `run.records("latency", batch_size=32)`."""
        return chosen(self._of(self.files[self.stage], metric), None, where) if self.measured else []

    def everywhere(self, metric: str | None = None, **where: Any) -> list[Record]:
        """Those of every page: this page's first, then those of its run, then of earlier runs, each in the order of the pages."""
        own = self.files[self.stage].stage.run_id if self.measured else ""
        order = sorted(self.files.values(), key=lambda f: (f.stage.stage != self.stage, f.stage.run_id != own, f.stage.stage))
        return [record for file in order for record in chosen(self._of(file, metric), None, where)]

    def _of(self, file: StageFile, metric: str | None) -> list[Record]:
        return file.records if metric is None else self._by_metric.get((file.path, metric), [])

    @cached_property
    def _by_metric(self) -> dict[tuple[Path, str], list[Record]]:
        """What pages ask for hundreds of times, so that all records are not gone through each time."""
        found: dict[tuple[Path, str], list[Record]] = {}
        for file in self.files.values():
            for record in file.records:
                found.setdefault((file.path, record.metric), []).append(record)
        return found

    def find(self, metric: str, candidate: Candidate | None = None, **where: Any) -> Record | None:
        """The record of a number, this page's own or else the page's that measured it: a run holds each number once.

        One of no case unless `where` names one: an engine that was calibrated in some other way is not the candidate.
        """
        return next(iter(self.everywhere(metric, **{"case": {}, "candidate": candidate} | where)), None)

    def candidates(self, metric: str | None = None, **where: Any) -> list[Candidate]:
        """The candidates of this page's records (`records`), each once, in the order of the report."""
        return ordered(record.candidate for record in self.records(metric, **where) if record.candidate)

    def exhibit(self, name: str, model: type[E], stage: str = "") -> E | None:
        """An exhibit of this page (or of another stage), None where it was not recorded. Raises ReportError, naming file and key,
        for one that is not as its type says."""
        file = self.files.get(stage or self.stage)
        if file is None or name not in file.exhibits:
            return None
        try:
            return model.model_validate_json(json.dumps(file.exhibits[name]))
        except ValidationError as error:
            raise ReportError(f"{file.path}: exhibit {name}.{said(error)}; run notebook {file.stage.stage} again") from None
