"""A runner that computes nothing: what the measuring itself costs (after MLPerf inference's backend_null.py)."""

from __future__ import annotations

import numpy as np

from lib.runners.base import Runner, check_batch
from lib.text import Text


class Null(Runner):
    """Checks its input like every runner and gives each class the same probability."""

    name = "null"
    label = Text("nothing (cost of the harness)", "何もしない（測定自体のコスト）")
    precisions = ("fp32",)

    @property
    def artifact_sha256(self) -> str:
        """Empty: there is no model."""
        return ""

    @property
    def size_bytes(self) -> int:
        """0: there is no model."""
        return 0

    def __enter__(self) -> Null:
        self._classes = len(self.session.images.class_names)
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """float32 (n, 32, 32, 3) -> float32 (n, classes), every value 1 / classes."""
        check_batch(batch, self.max_batch)
        return np.full((len(batch), self._classes), 1 / self._classes, np.float32)
