"""A runner that computes nothing: what the measuring itself costs (after MLPerf inference's backend_null.py)."""

from __future__ import annotations

import numpy as np

from lib.experiment.candidate import HARNESS
from lib.runners.base import Runner, check_batch
from lib.text import Text


class Null(Runner):
    """Checks its input like every runner and gives each class the same probability."""

    name = HARNESS
    label = Text("nothing (cost of the harness)", "何もしない（測定自体のコスト）")
    place = 100
    libraries = ()
    precisions = ("fp32",)

    def open(self) -> None:
        self._classes = self.session.spec.classes

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """model inputs -> float32 (n, classes), every value 1 / classes."""
        check_batch(batch, self.session.spec)
        return np.full((len(batch), self._classes), 1 / self._classes, np.float32)
