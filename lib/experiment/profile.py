"""Typed parameters of a profile: `params/PROFILE.yaml` checked before anything heavy is imported."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from lib.errors import ConfigError, ReportError
from lib.experiment import strict
from lib.experiment.strict import Misfit, Strict

ROOT = Path(__file__).resolve().parents[2]
PARAMS = ROOT / "params"
FILES = (".yaml", ".yml")

T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    if twice := [value for index, value in enumerate(values) if value in values[:index]]:
        raise ValueError(f"holds {twice[0]} twice; name each once")
    return values


Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Batch = Annotated[int, Field(ge=1, le=65536)]
Channels = Annotated[int, Field(ge=1, le=4096)]
Distinct = AfterValidator(_distinct)  # rows of tables are named after these values


class Dataset(Strict):
    """Which images. `folder` (or CIFAR10_DIR) holds the dataset's own layout, `cifar-10-batches-py`; relative to the project."""

    name: Literal["digits", "cifar10"]
    folder: Annotated[str, Field(min_length=1)] | None = None
    accept_unknown: bool = False

    @model_validator(mode="after")
    def read_from_a_folder(self) -> Dataset:
        for key in ("folder", "accept_unknown"):
            if self.name == "digits" and getattr(self, key):
                raise Misfit(f"dataset.{key}", f"the digits come with scikit-learn and are read from no folder; remove {key}")
        return self


class Train(Strict):
    """The classifier and how it is trained (lib/models/vgg.py)."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    conv_filters: Annotated[list[Annotated[list[Channels], Field(min_length=1, max_length=16)]], Field(min_length=1, max_length=5)]
    dense_units: Annotated[int, Field(ge=1, le=65536)]
    epochs: Annotated[int, Field(ge=1, le=1000)]
    batch_size: Annotated[int, Field(ge=2, le=4096)]
    peak_learning_rate: Annotated[float, Field(gt=0, le=10)]
    warmup_fraction: Fraction
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    crop_padding: Annotated[int, Field(ge=0, le=16)]
    horizontal_flip: bool
    validation_images: Count
    minimum_accuracy: Fraction


class Export(Strict):
    """Conversion to ONNX and TFLite, explicit quantization and the samples for the C++ runner."""

    opset: Annotated[int, Field(ge=13, le=17)]
    calibration_images: Count
    samples: Count


class Engines(Strict):
    """The optimization profile (images a batch), builder limits and calibration of TensorRT engines."""

    min_batch: Batch
    opt_batch: Batch
    max_batch: Batch
    workspace_mib: Annotated[int, Field(ge=1, le=2**20)]
    calibration_images: Count
    calibration_batch: Batch

    @model_validator(mode="after")
    def ordered(self) -> Engines:
        if not self.min_batch <= self.opt_batch <= self.max_batch:
            raise ValueError("min_batch <= opt_batch <= max_batch must hold")
        if self.calibration_images < self.calibration_batch:
            raise ValueError("calibration_batch <= calibration_images must hold")
        return self


class Int8(Strict):
    """The calibration study of notebook 04."""

    methods: Annotated[list[Literal["entropy", "minmax", "percentile"]], Field(min_length=1), Distinct]
    image_counts: Annotated[list[Count], Field(min_length=1, max_length=32), Distinct]
    percentile: Annotated[float, Field(gt=50, le=100)]


class Consistency(Strict):
    """Notebook 05: how many of the samples that disagree are shown."""

    worst_samples: Annotated[int, Field(ge=1, le=64)]


class Measuring(Strict):
    """How a latency is measured (lib/measure/rounds.py).

    Every candidate is called for `warmup_s` seconds once, then for `slice_s` in each of the interleaved rounds. Two speeds
    differ where their ratio is beyond 1 + `least_ratio`; a latency has settled where its rounds agree within `tolerance`.
    """

    rounds: Annotated[int, Field(ge=3, le=1000)] = 8
    slice_s: Annotated[float, Field(gt=0, le=60)]
    warmup_s: Annotated[float, Field(ge=0, le=600)]
    least_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.02
    tolerance: Fraction = 0.05


class Batching(Strict):
    """Notebook 06: the batch sizes that are swept."""

    batch_sizes: Annotated[list[Batch], Field(min_length=1, max_length=32), Distinct]


class Precision(Strict):
    """Notebook 07: the batch size at which throughput is compared."""

    batch_size: Batch


class Profile(Strict):
    """Everything a run depends on. `name` is the file's stem."""

    name: str
    dataset: Dataset
    train: Train
    export: Export
    engines: Engines
    int8: Int8
    consistency: Consistency
    measuring: Measuring
    batching: Batching
    precision: Precision

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


def available() -> list[str]:
    """Names of the profiles in params/, sorted."""
    return sorted(path.stem for path in PARAMS.glob("*.yaml"))


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
        return Profile.model_validate({"name": path.stem} | values)
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
    every = [(f"{name}.{key}", value) for name, section in profile if isinstance(section, Strict) for key, value in section]
    written = (yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf) for _, value in every)
    return [(key, text.split("\n...")[0].strip()) for (key, _), text in zip(every, written, strict=True)]
