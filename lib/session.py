"""What a page measures with: the profile, its dataset and artifacts, and where its records go."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.data import dataset, folder, npz, preprocess
from lib.data.preprocess import Rules
from lib.errors import ConfigError, shown
from lib.experiment import profile as profiles
from lib.experiment import strict, system
from lib.experiment.profile import OUTPUTS
from lib.experiment.spec import ModelSpec
from lib.models import source, train
from lib.store import files, stage_file
from lib.store.artifacts import Artifact, Store
from lib.store.records import Exhibit, Record, chosen
from lib.store.run import Run
from lib.store.stage_file import Stage

if TYPE_CHECKING:
    import numpy as np

RUN_ID = "REPORT_RUN_ID"  # environment variable: what the notebooks of one run have in common


def outputs(profile: str) -> Path:
    """The folder that a profile's runs write into: outputs/PROFILE, or below $REPORT_OUTPUTS."""
    return Path(os.environ.get(OUTPUTS) or profiles.ROOT / "outputs") / profile


def check(profile: profiles.Profile) -> None:
    """Raise ConfigError for what a profile asks and its files do not give: before anything long, and decoding no image.

    One line that begins with the profile's file, or its name.
    """
    try:
        opened = Session(profile, "check")
        dataset.check(profile, opened.spec)
        _ = opened.rules
        _check_calibration(profile)
    except ConfigError as error:
        files = [profile.path(f"{profile.name}{ending}") for ending in profiles.FILES]
        whose = f"{shown(next(filter(Path.exists, files), files[0]))}: "
        known = str(error).startswith((whose, f"profile {profile.name}: "))
        raise ConfigError(strict.line(f"{'' if known else whose}{error}")) from None


def _check_calibration(profile: profiles.Profile) -> None:
    """Raise ConfigError where INT8 is asked for by name and there is nothing to calibrate it on; else its rows say why they are empty."""
    asked, settings = sorted(profile.int8.model_fields_set & {"methods", "image_counts"}), profile.dataset
    if not profile.model or not asked:
        return
    images = dataset.own_images(settings)
    if images is None or not images.calibration_images(settings, profile.path):
        where = {folder: "put some into calibration/, beside test/", npz: "store calibration_images in the .npz"}
        how = where.get(images, "name a folder that has some")
        raise ConfigError(f"key 'int8.{asked[0]}': there are no images to calibrate on; {how}, or remove int8")


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

    def __post_init__(self) -> None:
        """A model of one batch size is measured with that one, whatever the profile says."""
        if self.profile.model and (batch := self.spec.batch) is not None:
            self.profile = self.profile.with_batch(batch)

    @property
    def folder(self) -> Path:
        """outputs/PROFILE."""
        return outputs(self.profile.name)

    @cached_property
    def store(self) -> Store:
        """The profile's artifacts."""
        return Store(self.folder / "artifacts")

    @cached_property
    def spec(self) -> ModelSpec:
        """What the model is, read from its file."""
        return source.spec(self.profile, self.store)

    @cached_property
    def rules(self) -> Rules:
        """How an image becomes the model's input."""
        return source.rules(self.profile, self.spec)

    @property
    def model(self) -> Artifact:
        """The model itself: trained now unless it is stored, or the user's own."""
        return source.artifact(self.profile, self.spec, lambda: self.images, self.store)

    @cached_property
    def images(self) -> dataset.Images:
        """The profile's dataset, read on first use."""
        with files.writable(self.folder):
            return dataset.load(self.profile, self.spec, self.rules, self.folder / "artifacts" / "images")

    @property
    def dataset(self) -> tuple[str, list[str]]:
        """What records say of the images: of which dataset they are, and its classes."""
        return self.images.label, list(self.images.class_names)

    def to_input(self, images: np.ndarray) -> np.ndarray:
        """The model's input, `spec.input_shape(n)` of `spec.dtype`, of uint8 images (n, height, width, channels)."""
        return preprocess.to_input(images, self.rules, self.spec)

    def calibration(self, count: int) -> np.ndarray:
        """uint8 images to calibrate INT8 on, `count` of them or as many as there are: never test images, nor what a training holds out."""
        return dataset.drawn(self._to_calibrate, count, self.profile.seed)

    @property
    def calibration_count(self) -> int:
        """How many images there are for `calibration`."""
        return len(self._to_calibrate)

    @property
    def _to_calibrate(self) -> np.ndarray:
        settings = self.profile.train
        return train.split(settings, self.images)[0] if settings else self.images.x_train

    @property
    def calibration_source(self) -> dict[str, Any]:
        """What decides which images `calibration` draws, for the keys of what is calibrated."""
        train = self.profile.train
        return {"seed": self.profile.seed, "held_out": train.validation_images if train else 0, "dataset": self.images.sha256}

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

    def save(self, folder: Path | None = None) -> Run:
        """Replace what this page recorded on this system, sealed, and open it. folder: where that is not `results`."""
        folder = folder or self.results
        seconds = round(time.perf_counter() - self._started, 1)
        here, profile = (system.system_id(), system.describe()), self.profile.model_dump()
        stage = Stage(self.stage, self.run_id, *here, profile, *self.dataset, self.started_at, seconds)
        stage_file.write(folder / f"{self.stage}.jsonl", stage, self.records, self.exhibits)
        return Run.open(folder, self.stage)
