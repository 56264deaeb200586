"""What every backend is: prepared, opened, asked with `infer(batch) -> outputs`, closed."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from lib.errors import NotMeasured, ReportError
from lib.experiment import system
from lib.experiment.candidate import PLAIN, Candidate, Way
from lib.experiment.precision import PRECISIONS, Precision
from lib.experiment.profile import Profile
from lib.experiment.spec import ModelSpec
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.text import Text
from lib.timer import Timer

SUM_TOLERANCE = 0.05  # probabilities add up to 1 within this
ROUNDING = 1 / 512  # by which INT8 may round each of them


class _Precisions:
    """Keys of PRECISIONS that a class has a model for, in their order; computed when asked, for rows may be added."""

    def __get__(self, instance: object, owner: type[Runner]) -> tuple[str, ...]:
        return tuple(key for key, row in PRECISIONS.items() if owner.model(row))


class Runner(ABC):
    """One backend at one precision. `with Runner(session, candidate) as runner: outputs = runner.infer(batch)`.

    A class in a file of this folder is a backend of the report; nothing else names it. It says
    name: key in RUNNERS; label: as shown in reports; place: sorts the backends of the report;
    column: field of Precision that names its exported model; needs: module and name of the package it cannot do without;
    libraries: packages whose version changes its answers, all that `lib.experiment.system` knows where a class names none;
    file: what of `artifact` runs; api: the name of the plain call, which may be called by it too;
    batches_itself: whether `infer` splits any number of images itself; tells_gpu_time: whether it has `gpu_ms`;
    times_itself: whether it has a `timer` of its own, so that the cost of this harness is in none of its times;
    rest_s: after a slice of calls, until its threads have stopped waiting busily for more;
    min_batch, max_batch: images a call, no upper limit where None.
    """

    name: ClassVar[str]
    label: ClassVar[Text]
    place: ClassVar[float]
    column: ClassVar[str] = ""
    needs: ClassVar[tuple[str, str] | None] = None
    libraries: ClassVar[tuple[str, ...]] = system.LIBRARIES
    file: ClassVar[str] = ""
    batches_itself: ClassVar[bool] = False
    tells_gpu_time: ClassVar[bool] = False
    times_itself: ClassVar[bool] = False
    rest_s: ClassVar[float] = 0.0
    api: ClassVar[str] = ""
    precisions: ClassVar[Any] = _Precisions()
    min_batch: int = 1
    max_batch: int | None = None
    artifact: Artifact | None = None  # a cached_property where there is a model: exported or built when first asked for

    def __init__(self, session: Session, candidate: Candidate) -> None:
        if candidate.precision not in self.precisions:
            raise ReportError(f"{self.name}: no precision '{candidate.precision}'; it has {', '.join(self.precisions)}")
        if not self.takes(candidate):
            raise ReportError(f"{self.name} {candidate.precision}: it is not called by '{candidate.way.key}'")
        self.session, self.candidate, self.precision = session, candidate, candidate.precision
        if (batch := session.spec.batch) is not None:
            self.min_batch = self.max_batch = batch

    @classmethod
    def model(cls, row: Precision) -> str:
        """Which exported model carries a precision, "" where this backend does not run it."""
        return getattr(row, cls.column) if cls.column else ""

    @classmethod
    def unavailable(cls, precision: str) -> Reason | None:
        """Why this system cannot run it at this precision, or None if it can."""
        if cls.needs and importlib.util.find_spec(cls.needs[0]) is None:
            return Reason("not_installed", {"package": cls.needs[1]})
        return None

    @classmethod
    def suits(cls, profile: Profile) -> bool:
        """Whether it can run a model of this source on any system at all."""
        return True

    @classmethod
    def ways(cls, precision: str) -> list[Way]:
        """How it can be called on this system, the plain way first."""
        return [PLAIN]

    @classmethod
    def takes(cls, candidate: Candidate) -> bool:
        """Whether it can be called in a candidate's way."""
        way = replace(candidate.way, api="") if candidate.way.api == cls.api else candidate.way
        return way == PLAIN or way in cls.ways(candidate.precision)

    @classmethod
    def versions(cls) -> dict[str, str]:
        """What changes its answers beside the versions of Python packages: name -> version or hash."""
        return {}

    @property
    def artifact_sha256(self) -> str:
        """Hash of the model that runs, "" for none."""
        return self.artifact.sha256 if self.artifact else ""

    @property
    def size_bytes(self) -> int:
        """Bytes of the model file (or folder) that runs, 0 for none."""
        return self.artifact.size(self.file) if self.artifact else 0

    def told(self) -> dict[str, Any]:
        """What its records say beside the numbers, as JSON."""
        return {}

    def prepare(self) -> None:
        """All that must be there before it can be opened and is not loading: export, building, checks of what is stored.

        Raises NotMeasured with the reason where this system cannot run it.
        """
        if reason := self.unavailable(self.precision):
            raise NotMeasured(reason, self.candidate.key)
        _ = self.artifact

    @abstractmethod
    def open(self) -> None:
        """Load the model, so that `infer` answers. After `prepare`."""

    def close(self) -> None:  # noqa: B027  nothing to do where nothing is held
        """Let go of what `open` took."""

    def __enter__(self) -> Runner:
        self.prepare()
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @abstractmethod
    def infer(self, batch: np.ndarray) -> np.ndarray:
        """Model inputs as `session.spec` says -> its output, float32 (n, classes). Raises ReportError for another shape or type."""

    def gpu_ms(self) -> float:
        """Milliseconds that the GPU computes the batch of the last `infer`, without copies. See `tells_gpu_time`."""
        raise NotImplementedError

    def timer(self, batch: np.ndarray) -> Timer | None:
        """For a backend that times itself: a Timer of calls with this batch. None where `infer` is to be timed."""
        return None


def check_batch(batch: np.ndarray, spec: ModelSpec, max_batch: int | None = None) -> None:
    """Raise ReportError unless `batch` is finite, of `spec.dtype` and of the spec's shape with 1 <= n <= max_batch images."""
    if not isinstance(batch, np.ndarray) or batch.dtype != np.dtype(spec.dtype):
        raise ReportError(f"input must be a {spec.dtype} array, got {getattr(batch, 'dtype', type(batch).__name__)}")
    if batch.ndim != 4 or batch.shape[1:] != spec.row_shape or not len(batch):
        shape = ", ".join(map(str, spec.row_shape))
        raise ReportError(f"input must have shape (n, {shape}) with n >= 1, got {batch.shape}")
    if max_batch is not None and len(batch) > max_batch:
        raise ReportError(f"batch of {len(batch)} is over the largest this engine was built for, {max_batch}")
    if batch.dtype.kind != "f":
        return
    flat = batch.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        square = np.dot(flat, flat)  # takes microseconds, so that what is timed stays fast; finite only if all of them are
    if not np.isfinite(square) and not np.isfinite(flat).all():
        raise ReportError(f"input holds NaN or infinity, first in image {int((~np.isfinite(batch)).any((1, 2, 3)).argmax())}")


def as_float(output: np.ndarray) -> np.ndarray:
    """A model's output as float32 (n, classes): of half precision widened, of trailing dimensions of one freed."""
    return output.reshape(len(output), -1).astype(np.float32, copy=False)


def wrong_output(output: Any, batch_size: int, spec: ModelSpec) -> str | None:
    """What is wrong with outputs that should be finite float32 (batch_size, classes), rows of probabilities adding up to 1; or None.

    In signs that need no translation. Looked at with all answers and after every timing, because what fails is fast.
    """
    shape, classes = getattr(output, "shape", None), spec.classes
    if shape != (batch_size, classes) or output.dtype != np.float32:
        return f"{getattr(output, 'dtype', type(output).__name__)} {shape} ≠ float32 ({batch_size}, {classes})"
    if not np.isfinite(output).all():
        return "NaN, ∞"
    if spec.logits:
        return None
    sums = output.sum(axis=1, dtype=np.float64)
    worst = float(sums[np.abs(sums - 1).argmax()])
    return None if abs(worst - 1) <= max(SUM_TOLERANCE, classes * ROUNDING) else f"Σp = {worst:.3g} ≠ 1"
