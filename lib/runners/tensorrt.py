"""TensorRT engines."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lib.artifacts import Artifact
from lib.errors import NotMeasured
from lib.precision import PRECISIONS
from lib.runners.base import Runner
from lib.text import Text

NO_RUNNER = Text("running engines is not implemented yet", "エンジンの実行は未実装である")


class TensorRT(Runner):
    """An engine of lib.trt. Running one is not implemented yet: `unavailable` says so after what the system itself lacks."""

    name = "tensorrt"
    label = Text("TensorRT", "TensorRT")
    precisions = tuple(PRECISIONS)

    @classmethod
    def unavailable(cls, precision: str) -> Text | None:
        """Why engines cannot be run on this system."""
        from lib import trt

        return trt.unavailable() or NO_RUNNER

    @cached_property
    def artifact(self) -> Artifact:
        """The engine of this precision, built now unless it is stored."""
        from lib import trt

        return trt.engine(self.session, self.precision)

    @property
    def artifact_sha256(self) -> str:
        """Hash of the engine."""
        return self.artifact.sha256

    @property
    def size_bytes(self) -> int:
        """Bytes of model.plan."""
        return self.artifact.size("model.plan")

    def __enter__(self) -> TensorRT:
        reason = self.unavailable(self.precision) or NO_RUNNER
        raise NotMeasured(f"{self.name}: {reason.en}")

    def __exit__(self, *exc: object) -> None:
        pass

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """Raises NotMeasured."""
        raise NotMeasured(f"{self.name}: {NO_RUNNER.en}")
