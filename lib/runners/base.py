"""What every runner is: a context manager with `infer(batch) -> outputs`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lib.errors import ReportError
from lib.text import Text

if TYPE_CHECKING:
    from lib.experiment.profile import Measuring
    from lib.store.records import Record
    from lib.store.session import Session


class Runner(ABC):
    """One backend at one precision. `with Runner(session, "fp32") as run: probabilities = run.infer(batch)`.

    name: key in RUNNERS; label: as shown in reports; precisions: keys of PRECISIONS it can be asked for;
    max_batch: the largest batch it takes, None for no limit.
    batches_itself: whether `infer` takes any number of images and splits them into batches of at most max_batch.
    """

    name: ClassVar[str]
    label: ClassVar[Text]
    precisions: ClassVar[tuple[str, ...]]
    max_batch: int | None = None
    batches_itself: ClassVar[bool] = False

    def __init__(self, session: Session, precision: str) -> None:
        if precision not in self.precisions:
            raise ReportError(f"{self.name}: no precision '{precision}'; it has {', '.join(self.precisions)}")
        self.session, self.precision = session, precision

    @classmethod
    def unavailable(cls, precision: str) -> Text | None:
        """Why this system cannot run it at this precision, or None if it can."""
        return None

    @classmethod
    def versions(cls) -> dict[str, str]:
        """What changes its answers beside the versions of Python packages: name -> version or hash."""
        return {}

    @property
    @abstractmethod
    def artifact_sha256(self) -> str:
        """Hash of the model file that runs."""

    @property
    @abstractmethod
    def size_bytes(self) -> int:
        """Bytes of the model file that runs."""

    @abstractmethod
    def __enter__(self) -> Runner: ...

    @abstractmethod
    def __exit__(self, *exc: object) -> None: ...

    @abstractmethod
    def infer(self, batch: np.ndarray) -> np.ndarray:
        """float32 (n, 32, 32, 3) from 0 to 1 -> float32 (n, classes). Raises ReportError for another shape or type."""

    def gpu_ms(self) -> float | None:
        """Milliseconds that the GPU computes the batch of the last `infer`, without copies; None where that is not told."""
        return None

    def own_records(self, batch: np.ndarray, settings: Measuring) -> list[Record] | None:
        """Latency and throughput of this batch (records) by a runner that measures itself, None where `infer` is to be timed."""
        return None


def check_batch(batch: np.ndarray, max_batch: int | None = None) -> None:
    """Raise ReportError unless `batch` is finite float32 (n, 32, 32, 3) with 1 <= n <= max_batch."""
    if not isinstance(batch, np.ndarray) or batch.dtype != np.float32:
        raise ReportError(f"input must be a float32 array, got {getattr(batch, 'dtype', type(batch).__name__)}")
    if batch.ndim != 4 or batch.shape[1:] != (32, 32, 3) or not len(batch):
        raise ReportError(f"input must have shape (n, 32, 32, 3) with n >= 1, got {batch.shape}")
    if max_batch is not None and len(batch) > max_batch:
        raise ReportError(f"batch of {len(batch)} is over the largest this engine was built for, {max_batch}")
    flat = batch.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        square = np.dot(flat, flat)  # takes microseconds, so that what is timed stays fast; finite only if all of them are
    if not np.isfinite(square) and not np.isfinite(flat).all():
        raise ReportError(f"input holds NaN or infinity, first in image {int((~np.isfinite(batch)).any((1, 2, 3)).argmax())}")
