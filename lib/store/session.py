"""What every notebook starts with: the profile, its dataset, its artifacts and records, and the system it runs on."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path

from lib.data import dataset as datasets
from lib.experiment import profile as config
from lib.experiment import system
from lib.store import files, records
from lib.store.artifacts import Store
from lib.store.records import Record
from lib.text import Finding

RUN_ID = "REPORT_RUN_ID"  # environment variable: what the notebooks of one run have in common
OUTPUTS = "REPORT_OUTPUTS"  # environment variable: another place for what runs write


def outputs(profile: str) -> Path:
    """The folder that a profile's runs write into: outputs/PROFILE, or below $REPORT_OUTPUTS."""
    return Path(os.environ.get(OUTPUTS) or config.ROOT / "outputs") / profile


@dataclass
class Session:
    """One notebook's view of the experiment. `stage` is the notebook's name, for example `05_consistency`."""

    profile: config.Profile
    stage: str
    started_at: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))
    run_id: str = field(default_factory=lambda: os.environ.get(RUN_ID) or secrets.token_hex(4))

    @property
    def folder(self) -> Path:
        """outputs/PROFILE."""
        return outputs(self.profile.name)

    @cached_property
    def store(self) -> Store:
        """The profile's artifacts."""
        return Store(self.folder / "artifacts")

    @cached_property
    def images(self) -> datasets.Images:
        """The profile's dataset, read on first use."""
        return datasets.load(self.profile.dataset)

    @property
    def results(self) -> Path:
        """outputs/PROFILE/results/SYSTEM of the system this runs on."""
        return self.folder / "results" / system.system_id()

    def save(self, measured: Iterable[Record], findings: Iterable[Finding] = ()) -> None:
        """Replace this stage's records and findings of this system, and describe the system beside them."""
        label = self.images.label
        own = {"run_id": self.run_id, "system_id": system.system_id(), "stage": self.stage, "dataset": label, "started_at": self.started_at}
        files.write_text(self.results / "system.json", json.dumps(system.describe(), ensure_ascii=False, indent=1))
        records.write(self.results, self.stage, [replace(record, **own) for record in measured], findings)

    def recorded(self, stage: str) -> list[Record]:
        """The records that an earlier stage left for this system, or those of several: `*`, `?` and `[…]` as in file names."""
        return records.read(self.results, stage)


def start(profile: str, stage: str) -> Session:
    """Check the profile and open its outputs. Raises ConfigError, one line, for a profile that cannot be used."""
    return Session(config.load(profile), stage)
