"""Typed parameters of a profile: `params/PROFILE.yaml` checked before anything heavy is imported."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import PrivateAttr, ValidationError, model_validator

from lib.errors import ConfigError, ReportError
from lib.experiment import strict
from lib.experiment.accept import Accept
from lib.experiment.candidate import ONNX_REFERENCE, SAVED_MODEL_REFERENCE, Candidate
from lib.experiment.preprocess import Preprocess
from lib.experiment.sections import (
    Batching,
    Consistency,
    Dataset,
    Engines,
    Export,
    Fast,
    Int8,
    Measuring,
    Model,
    Precision,
    Train,
    Versions,
)
from lib.experiment.strict import Misfit, Strict

ROOT = Path(__file__).resolve().parents[2]
PARAMS = ROOT / "params"
OUTPUTS = "REPORT_OUTPUTS"  # environment variable: another place for what runs write
MODEL_MISSING = "missing; name a model of your own (model.file: flowers.onnx), or train: one"
FILES = (".yaml", ".yml")
LEDGER = "claims"  # a file of params/ that is no profile (lib/pages/claims)
ONNX = ".onnx"


class Profile(Strict):
    """Everything a run depends on. `name` is the file's stem; its model is either trained here (`train`) or the user's own (`model`)."""

    name: str
    dataset: Dataset = Dataset()
    model: Model | None = None
    train: Train | None = None
    preprocess: Preprocess = Preprocess()
    export: Export = Export()
    engines: Engines = Engines()
    int8: Int8 = Int8()
    consistency: Consistency = Consistency()
    measuring: Measuring = Measuring()
    batching: Batching = Batching()
    precision: Precision = Precision()
    versions: Versions = Versions()
    fast: Fast = Fast()
    accept: Accept = Accept()
    _home: Path = PrivateAttr(default=PARAMS)

    def path(self, text: str) -> Path:
        """A file that the profile names, relative to the folder that the profile lies in."""
        return self._home / os.path.expanduser(text)

    def with_batch(self, batch: int) -> Profile:
        """The same with one batch size everywhere, for a model that takes no other."""
        engines = dict.fromkeys(("min_batch", "opt_batch", "max_batch", "calibration_batch"), batch)
        engines["calibration_images"] = max(batch, self.engines.calibration_images)
        changed = {
            "engines": self.engines.model_copy(update=engines),
            "batching": Batching(batch_sizes=[batch]),
            "precision": Precision(batch_size=batch),
            "versions": self.versions.model_copy(update={"batch_sizes": [batch]}),
            "fast": self.fast.model_copy(update={"batch_sizes": [batch], "large_batches": []}),
        }
        return self.model_copy(update=changed)

    @property
    def reference(self) -> Candidate:
        """What every other candidate is compared with: an ONNX file itself, else the SavedModel."""
        return ONNX_REFERENCE if self.model and self.model.file.lower().endswith(ONNX) else SAVED_MODEL_REFERENCE

    @property
    def seed(self) -> int:
        """Of what is drawn at random."""
        return self.train.seed if self.train else 0

    @model_validator(mode="after")
    def one_model(self) -> Profile:
        if (self.model is None) == (self.train is None):
            raise Misfit("model", "name a model of your own (model.file) or train: one, not both" if self.train else MODEL_MISSING)
        if self.train and not self.dataset.name:
            raise Misfit("dataset.name", "training needs one of the built-in datasets: digits, cifar10")
        if self.train and self.preprocess != Preprocess():
            raise Misfit("preprocess", "the model that is trained here has its own; remove it")
        if self.model and self.dataset.name:
            raise Misfit("dataset.name", "a model of your own needs images of your own: folder or npz")
        return self

    @model_validator(mode="after")
    def engines_take_what_is_compared(self) -> Profile:
        """TensorRT's rows would be missing from a page whose every batch size its engines refuse."""
        takes = self.engines
        limits = f"engines.min_batch {takes.min_batch} to engines.max_batch {takes.max_batch}"
        if not takes.min_batch <= self.precision.batch_size <= takes.max_batch:
            raise Misfit("precision.batch_size", f"TensorRT's engines take {limits} images a batch, not {self.precision.batch_size}")
        if not any(takes.min_batch <= size <= takes.max_batch for size in self.batching.batch_sizes):
            raise Misfit("batching.batch_sizes", f"TensorRT's engines take {limits} images a batch, none of {self.batching.batch_sizes}")
        return self

    @model_validator(mode="after")
    def what_is_asked_is_measured(self) -> Profile:
        """A limit that no page measures would leave every candidate undecided."""
        if self.accept.latency_p99_ms is not None and 1 not in self.batching.batch_sizes:
            raise Misfit(
                "accept.latency_p99_ms", f"is at batch size 1, which batching.batch_sizes {self.batching.batch_sizes} lacks; add 1"
            )
        return self


def available() -> list[str]:
    """Names of the profiles in params/, sorted."""
    return sorted(path.stem for path in PARAMS.glob("*.yaml") if path.stem != LEDGER)


def locate(profile: Any) -> Path:
    """The file of a profile given by name (`quickstart`) or as the path of a YAML file; its stem is the profile's name.

    A relative path is looked for in the current folder, the project's and params/; the file need not be there. Raises
    ConfigError for what is no text and for a name that no folder can have.
    """
    if not isinstance(profile, str):
        said = strict.brief(profile)
        raise ConfigError(f"profile: {said} is no text; write a profile's name in quotes (with papermill: -r profile {said})")
    if not profile:
        raise ConfigError(f"PROFILE is empty; there are: {', '.join(available())}")
    path = os.path.expanduser(profile) if profile.endswith(FILES) else str(PARAMS / f"{profile}.yaml")
    if not re.fullmatch(r"\w(?:.*\S)?", Path(path).stem) or not profile.isprintable():
        raise ConfigError(f"{strict.line(profile)}: a profile's file is named by letters, digits and marks, a letter or digit first")
    places = [os.path.abspath(folder / path) for folder in (Path.cwd(), ROOT, PARAMS)]
    return Path(next(filter(os.path.exists, places), places[0]))


def load(profile: Any) -> Profile:
    """Read and check a profile, given as to `locate`. Raises ConfigError, one line that names file and key, for whatever is wrong."""
    path = locate(profile)
    shown = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    try:
        values = strict.read(path, shown)
    except ConfigError as error:
        missing = f"{shown}: no such profile; there are: {', '.join(available())}"
        raise ConfigError(strict.line(str(error) if os.path.lexists(path) else missing)) from None
    if "name" in values:
        raise ConfigError(f"{shown}: key 'name': not a parameter; a profile is named by its file")
    try:
        made = Profile.model_validate({"name": path.stem} | values)
        made._home = path.parent
        return made
    except ValidationError as error:
        raise ConfigError(strict.line(f"{shown}: {strict.first(error, Profile)}")) from None


def recorded(values: dict[str, Any]) -> Profile:
    """The profile whose `model_dump` was recorded. Raises ReportError, one line, for values that are none."""
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        wrong = strict.first(error, Profile)
        raise ReportError(strict.line(f"recorded profile: {wrong}; it was altered or is of another version")) from None


def as_rows(profile: Profile) -> list[tuple[str, str]]:
    """(key, value as YAML) of every parameter, in the order of the file, for the table in the pages."""
    sections = [(name, section) for name, section in profile if isinstance(section, Strict)]
    every = [(f"{name}.{key}", value) for name, section in sections for key, value in section if value not in (None, {})]
    written = (yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf) for _, value in every)
    return [(key, text.split("\n...")[0].strip()) for (key, _), text in zip(every, written, strict=True)]
