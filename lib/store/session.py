"""What a page measures with: the profile, its dataset and artifacts, and where its records go."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path

from lib.data import dataset
from lib.experiment import profile as profiles
from lib.experiment import system
from lib.store import stage_file
from lib.store.artifacts import Store
from lib.store.records import Exhibit, Record, chosen
from lib.store.run import Run
from lib.store.stage_file import Stage

RUN_ID = "REPORT_RUN_ID"  # environment variable: what the notebooks of one run have in common
OUTPUTS = "REPORT_OUTPUTS"  # environment variable: another place for what runs write


def outputs(profile: str) -> Path:
    """The folder that a profile's runs write into: outputs/PROFILE, or below $REPORT_OUTPUTS."""
    return Path(os.environ.get(OUTPUTS) or profiles.ROOT / "outputs") / profile


@dataclass
class Session:
    """One page while it measures. `stage` is its notebook's name, for example `05_consistency`."""

    profile: profiles.Profile
    stage: str
    run_id: str = field(default_factory=lambda: os.environ.get(RUN_ID) or secrets.token_hex(4))
    records: list[Record] = field(default_factory=list)
    exhibits: dict[str, Exhibit] = field(default_factory=dict)
    started_at: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))
    _started: float = field(default_factory=time.perf_counter)

    @property
    def folder(self) -> Path:
        """outputs/PROFILE."""
        return outputs(self.profile.name)

    @cached_property
    def store(self) -> Store:
        """The profile's artifacts."""
        return Store(self.folder / "artifacts")

    @cached_property
    def images(self) -> dataset.Images:
        """The profile's dataset, read on first use."""
        return dataset.load(self.profile.dataset)

    @property
    def results(self) -> Path:
        """outputs/PROFILE/results/SYSTEM of the system this runs on."""
        return self.folder / "results" / system.system_id()

    def record(self, *found: Record) -> None:
        """Keep records for `save`."""
        self.records += found

    def exhibit(self, name: str, exhibit: Exhibit) -> None:
        """Keep an exhibit for `save`."""
        self.exhibits[name] = exhibit

    def earlier(self, metric: str, **where: object) -> list[Record]:
        """What earlier pages of this very run have recorded of a metric (of no case, unless `where` names one): no number is measured
        twice in a run."""
        files = Run.open(self.results, besides=self.stage).files.values()
        own = [file for file in files if file.stage.run_id == self.run_id]
        return [record for file in own for record in chosen(file.records, metric, {"case": {}} | where)]

    def save(self) -> Run:
        """Replace what this page recorded on this system, sealed, and open it."""
        seconds = round(time.perf_counter() - self._started, 1)
        here, profile = (system.system_id(), system.describe()), self.profile.model_dump()
        dataset = self.images.label, list(self.images.class_names)
        stage = Stage(self.stage, self.run_id, *here, profile, *dataset, self.started_at, seconds)
        stage_file.write(self.results / f"{self.stage}.jsonl", stage, self.records, self.exhibits)
        return Run.open(self.results, self.stage)
