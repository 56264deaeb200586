"""Typed parameters of a profile: `params/PROFILE.yaml` checked before anything heavy is imported."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lib.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
PARAMS = ROOT / "params"

Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of a profile. Unknown keys and values of another type are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Dataset(Section):
    """Which images. `folder` (or CIFAR10_DIR) holds the dataset's own layout, `cifar-10-batches-py`."""

    name: Literal["digits", "cifar10"]
    folder: str | None = None
    accept_unknown: bool = False


class Train(Section):
    """The classifier and how it is trained (lib/models/vgg.py)."""

    seed: Annotated[int, Field(ge=0, lt=2**31)]
    conv_filters: Annotated[list[Annotated[list[Count], Field(min_length=1)]], Field(min_length=1, max_length=5)]
    dense_units: Count
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


class Export(Section):
    """Conversion to ONNX and TFLite, explicit quantization and the samples for the C++ runner."""

    opset: Annotated[int, Field(ge=13, le=17)]
    calibration_images: Count
    samples: Count


class Engines(Section):
    """The optimization profile (images a batch), builder limits and calibration of TensorRT engines."""

    min_batch: Count
    opt_batch: Count
    max_batch: Count
    workspace_mib: Annotated[int, Field(ge=1, le=2**20)]
    calibration_images: Count
    calibration_batch: Count

    @model_validator(mode="after")
    def ordered(self) -> Engines:
        if not self.min_batch <= self.opt_batch <= self.max_batch:
            raise ValueError("min_batch <= opt_batch <= max_batch must hold")
        if self.calibration_images < self.calibration_batch:
            raise ValueError("calibration_batch <= calibration_images must hold")
        return self


class Int8(Section):
    """The calibration study of notebook 04."""

    methods: Annotated[list[Literal["entropy", "minmax", "percentile"]], Field(min_length=1)]
    image_counts: Annotated[list[Count], Field(min_length=1)]
    percentile: Annotated[float, Field(gt=50, le=100)]


class Consistency(Section):
    """Notebook 05: how many of the samples that disagree are shown."""

    worst_samples: Annotated[int, Field(ge=1, le=64)]


class Measuring(Section):
    """How a latency is measured (lib/measure/timing.py). Times in seconds."""

    warmup_s: Annotated[float, Field(ge=0, le=600)]
    window_s: Annotated[float, Field(gt=0, le=600)]
    stable_windows: Annotated[int, Field(ge=2, le=20)]
    tolerance: Fraction
    limit_s: Annotated[float, Field(gt=0, le=3600)]


class Batching(Section):
    """Notebook 06: the batch sizes that are swept."""

    batch_sizes: Annotated[list[Annotated[int, Field(ge=1, le=65536)]], Field(min_length=1)]


class Precision(Section):
    """Notebook 07: the batch size at which throughput is compared."""

    batch_size: Annotated[int, Field(ge=1, le=65536)]


class Profile(Section):
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


def available() -> list[str]:
    """Names of the profiles in params/, sorted."""
    return sorted(path.stem for path in PARAMS.glob("*.yaml"))


def load(profile: str) -> Profile:
    """Read and check a profile, given by name (`quickstart`) or as the path of a YAML file.

    Raises ConfigError (exit code 2), one line that names file and key, for a missing or unreadable file,
    an unknown key, a missing key, a wrong type or a value out of range.
    """
    if not profile:
        raise ConfigError(f"PROFILE is empty; there are: {', '.join(available())}")
    path = Path(profile) if profile.endswith((".yaml", ".yml")) else PARAMS / f"{profile}.yaml"
    shown = _shown(path)
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", path.stem):
        raise ConfigError(f"{shown}: a profile's file is named by letters, digits, '.', '_' and '-'; its outputs are named after it")
    values = _read(path, shown)
    if "name" in values:
        raise ConfigError(f"{shown}: key 'name': not a parameter; a profile is named by its file")
    try:
        return Profile(name=path.stem, **values)
    except ValidationError as error:
        raise ConfigError(f"{shown}: {_first(error)}") from None


def as_rows(profile: Profile) -> list[tuple[str, str]]:
    """(key, value) of every parameter, in the order of the file, for the table in the pages."""
    rows = []
    for name, section in profile:
        if isinstance(section, Section):
            rows += [(f"{name}.{key}", yaml.safe_dump(value, default_flow_style=True).split("\n...")[0].strip()) for key, value in section]
    return rows


def _shown(path: Path) -> str:
    """The path as a person knows it: relative to the project where it lies inside."""
    return str(path.resolve().relative_to(ROOT)) if path.resolve().is_relative_to(ROOT) else str(path)


def _read(path: Path, shown: str) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except FileNotFoundError:
        raise ConfigError(f"{shown}: no such profile; there are: {', '.join(available())}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = " ".join(str(getattr(error, "problem", error)).split())
        raise ConfigError(f"{shown}:{line} not YAML: {problem}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{shown}: cannot be read: {error}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{shown}: must hold sections such as 'dataset:' and 'train:'")
    return values


class _UniqueKeys(yaml.SafeLoader):
    """Plain YAML in which a key that stands twice is a mistake, not the later one's victory."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key '{key.value}' stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _first(error: ValidationError) -> str:
    """The first complaint of pydantic as "key 'a.b': what is wrong (got …)"."""
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"key '{key}': unknown"
    if problem["type"] == "missing":
        return f"key '{key}': missing"
    what = problem["msg"].removeprefix("Value error, ")
    got = "" if isinstance(problem["input"], (dict, Section)) else f" (got {problem['input']!r})"
    return f"key '{key}': {what[0].lower()}{what[1:]}{got}"
