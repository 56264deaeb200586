"""What every dataset is once it is read: images of the model's size, their classes and where they came from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lib.data import cifar10


@dataclass(frozen=True)
class Images:
    """A dataset in memory or in memory-mapped files.

    label: what records call it; x_*: uint8 (N, height, width, channels) of the model's size, RGB or gray, 0 to 255; y_*: int64 (N,),
    None where nobody knows the right class. Of the user's own images x_train are those that calibrate; there may be none. digest: hash of
    what they came from; left_out: broken files, each with its reason; files: of each test image, in its order, where they were files.
    """

    label: str
    class_names: tuple[str, ...]
    x_train: np.ndarray
    y_train: np.ndarray | None
    x_test: np.ndarray
    y_test: np.ndarray | None
    digest: str = ""
    left_out: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 over every pixel and label, or over the files that they came from (`digest`)."""
        return self.digest or cifar10.fingerprint(
            part for part in (self.x_train, self.y_train, self.x_test, self.y_test) if part is not None
        )
