"""The sections of a profile, typed: what each may say, and what it means where it says nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import AfterValidator, Field, model_validator

from lib.experiment.precision import PRECISIONS
from lib.experiment.strict import Misfit, Strict

T = TypeVar("T")
P = TypeVar("P", bound="Collection[str]")
S = TypeVar("S", bound="Measuring | Fast")


def _distinct(values: list[T]) -> list[T]:
    if twice := [value for index, value in enumerate(values) if value in values[:index]]:
        raise ValueError(f"holds {twice[0]} twice; name each once")
    return values


def _precisions(given: P) -> P:
    if unknown := sorted(set(given) - PRECISIONS.keys()):
        raise ValueError(f"'{unknown[0]}' is no precision; there are: {', '.join(PRECISIONS)}")
    return given


Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Batch = Annotated[int, Field(ge=1, le=65536)]
Channels = Annotated[int, Field(ge=1, le=4096)]
Method = Literal["entropy", "minmax", "percentile"]
File = Annotated[str, Field(min_length=1)]
Distinct = AfterValidator(_distinct)  # rows of tables are named after these values


class Dataset(Strict):
    """Which images: a built-in dataset by `name`; the user's own in a `folder` or an `npz`; none at all: random input.

    cifar10: `folder` (or CIFAR10_DIR) holds the dataset's own layout, `cifar-10-batches-py`, relative to the project. The user's own:
    paths relative to the profile; classes: a file with a class name a line, in the order of the outputs (else the sorted names of the
    folders); labels: "none" where nobody knows the right class; skip_broken: leave out what is no image.
    """

    name: Literal["digits", "cifar10"] | None = None
    folder: File | None = None
    npz: File | None = None
    classes: File | None = None
    labels: Literal["folders", "none"] | None = None
    skip_broken: bool | None = None
    accept_unknown: bool | None = None

    @model_validator(mode="after")
    def of_one_kind(self) -> Dataset:
        if self.name == "digits" and self.folder:
            raise Misfit("dataset.folder", "the digits come with scikit-learn and are read from no folder; remove folder")
        if self.accept_unknown and self.name != "cifar10":
            raise Misfit("dataset.accept_unknown", "only name: cifar10 has known copies; remove accept_unknown")
        for key in ("npz", "classes", "labels", "skip_broken"):
            if self.name and getattr(self, key):
                raise Misfit(f"dataset.{key}", f"is for images of your own; remove {key} or name: {self.name}")
        if self.folder and self.npz:
            raise Misfit("dataset.npz", "there is a folder too; name one of them")
        for key in ("classes", "skip_broken"):
            if getattr(self, key) and not (self.folder or (self.npz and key == "classes")):
                raise Misfit(f"dataset.{key}", f"needs dataset.folder; remove {key} or name a folder of images")
        return self


class Model(Strict):
    """The user's own model. file: .onnx, .keras or a SavedModel folder, relative to the profile; output: an output's name where there are
    several; kind: what the output is, found in the graph where it is not said; layout: of the input where its shape does not tell."""

    file: File
    output: File | None = None
    kind: Literal["probabilities", "logits"] | None = None
    layout: Literal["NHWC", "NCHW"] | None = None


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

    opset: Annotated[int, Field(ge=13, le=17)] = 17
    calibration_images: Count = 512
    samples: Count = 100


class Engines(Strict):
    """The optimization profile (images a batch), builder limits and calibration of TensorRT engines."""

    min_batch: Batch = 1
    opt_batch: Batch = 16
    max_batch: Batch = 32
    workspace_mib: Annotated[int, Field(ge=1, le=2**20)] = 1024
    calibration_images: Count = 320
    calibration_batch: Batch = 32

    @model_validator(mode="after")
    def ordered(self) -> Engines:
        if not self.min_batch <= self.opt_batch <= self.max_batch:
            raise ValueError("min_batch <= opt_batch <= max_batch must hold")
        if self.calibration_images < self.calibration_batch:
            raise ValueError("calibration_batch <= calibration_images must hold")
        return self


class Int8(Strict):
    """The calibration study of notebook 04."""

    methods: Annotated[list[Method], Field(min_length=1), Distinct] = Field(default_factory=lambda: list(get_args(Method)))
    image_counts: Annotated[list[Count], Field(min_length=1, max_length=32), Distinct] = Field(default_factory=lambda: [32, 128, 512])
    percentile: Annotated[float, Field(gt=50, le=100)] = 99.99


class Limits(Strict):
    """How far a precision may lie from the reference: the largest difference, relative to how far the reference's outputs spread, and the
    share of images with the same class."""

    max_difference: Annotated[float, Field(ge=0)]
    agreement: Annotated[float, Field(ge=0, le=1)]


class Consistency(Strict):
    """Notebook 05: how many of the samples that disagree are shown, and other limits than a precision's own (`limits: {fp16: …}`)."""

    limits: Annotated[dict[str, Limits], AfterValidator(_precisions)] = Field(default_factory=dict)
    worst_samples: Annotated[int, Field(ge=1, le=64)] = 12


class Measuring(Strict):
    """How a latency is measured (lib/measure/rounds.py).

    Every candidate is called for `warmup_s` seconds once, then for `slice_s` in each of the interleaved rounds. Two speeds
    differ where their ratio is beyond 1 + `least_ratio`; a latency has settled where its rounds agree within `tolerance`.
    """

    rounds: Annotated[int, Field(ge=3, le=1000)] = 8
    slice_s: Annotated[float, Field(gt=0, le=60)] = 0.1
    warmup_s: Annotated[float, Field(ge=0, le=600)] = 0.5
    least_ratio: Annotated[float, Field(ge=0, lt=1)] = 0.02
    tolerance: Fraction = 0.05


class Batching(Strict):
    """Notebook 06: the batch sizes that are swept."""

    batch_sizes: Annotated[list[Batch], Field(min_length=1, max_length=32), Distinct] = Field(default_factory=lambda: [1, 2, 4, 8, 16, 32])


def paced(section: S, like: Measuring | Versions | Fast) -> S:
    """A section with the rounds, slices and warming up of another."""
    return section.model_copy(update={name: getattr(like, name) for name in ("rounds", "slice_s", "warmup_s")})


class Versions(Strict):
    """Notebook 08: what is compared between TensorRT's versions, each precision built `builds` times a version.

    Each build is timed as `measuring` says, but for what is here: less of each, for it is the builds that are many.
    """

    rounds: Annotated[int, Field(ge=3, le=1000)] = 6
    slice_s: Annotated[float, Field(gt=0, le=60)] = 0.05
    warmup_s: Annotated[float, Field(ge=0, le=600)] = 0.2
    builds: Annotated[int, Field(ge=1, le=20)] = 3
    batch_sizes: Annotated[list[Batch], Field(min_length=1, max_length=32), Distinct] = Field(default_factory=lambda: [1, 8, 32])
    precisions: Annotated[list[str], Field(min_length=1), Distinct, AfterValidator(_precisions)] = Field(
        default_factory=lambda: ["fp32", "fp16", "int8", "int8_qdq"]
    )

    def timed(self, measuring: Measuring) -> Measuring:
        """How builds are timed."""
        return paced(measuring, self)


class Fast(Strict):
    """Notebook 10: what is measured to see how fast the machine goes, each precision in every way.

    batch_sizes: in all ways, beside rivals; lanes: contexts that run side by side; large_batches: up to where throughput stops growing;
    limit_ms: of the server's 99th percentile; server_s: that it must hold its rate. rounds, slice_s, warmup_s: in place of `measuring`.
    """

    batch_sizes: Annotated[list[Batch], Field(min_length=1, max_length=32), Distinct] = Field(default_factory=lambda: [1, 32])
    lanes: Annotated[list[Annotated[int, Field(ge=2, le=64)]], Field(min_length=1, max_length=8), Distinct] = Field(
        default_factory=lambda: [2, 8]
    )
    precisions: Annotated[list[str], Field(min_length=1), Distinct, AfterValidator(_precisions)] = Field(
        default_factory=lambda: ["fp16", "int8_qdq"]
    )
    large_batches: Annotated[list[Batch], Field(max_length=32), Distinct] = Field(default_factory=lambda: [256, 2048, 8192])
    limit_ms: Annotated[float, Field(gt=0, le=10_000)] = 15.0
    rounds: Annotated[int, Field(ge=3, le=1000)] = 6
    slice_s: Annotated[float, Field(gt=0, le=60)] = 0.1
    warmup_s: Annotated[float, Field(ge=0, le=600)] = 0.2
    server_s: Annotated[float, Field(gt=0, le=3600)] = 10.0


class Precision(Strict):
    """Notebook 07: the batch size at which throughput is compared."""

    batch_size: Batch = 32
