"""TensorRT engines, from Python."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lib.errors import NotMeasured
from lib.experiment.precision import PRECISIONS
from lib.runners.base import Runner, check_batch
from lib.store.artifacts import Artifact
from lib.text import Text

if TYPE_CHECKING:
    from lib.store.session import Session


class EngineRunner(Runner):
    """What every runner of an engine of lib.trt has. engine: another artifact of `trt.engine` than the session's own."""

    precisions = tuple(PRECISIONS)

    def __init__(self, session: Session, precision: str, engine: Artifact | None = None) -> None:
        super().__init__(session, precision)
        if engine is not None:
            self.artifact = engine
        self.max_batch = session.profile.engines.max_batch

    @cached_property
    def artifact(self) -> Artifact:
        """The engine of this precision, built now unless it is stored."""
        from lib import trt

        return trt.engine(self.session, self.precision)

    @property
    def artifact_sha256(self) -> str:
        """Hash of the engine's artifact."""
        return self.artifact.sha256

    @property
    def size_bytes(self) -> int:
        """Bytes of model.plan."""
        return self.artifact.size("model.plan")


class TensorRT(EngineRunner):
    """An engine of lib.trt on the GPU, host array to host array, through pinned buffers and a stream of its own.

    api: "execute_async_v3" (tensors by name, every version) or "execute_async_v2" (binding calls, 8.x), see `apis`.
    """

    name = "tensorrt"
    label = Text("TensorRT", "TensorRT")

    def __init__(self, session: Session, precision: str, engine: Artifact | None = None, api: str = "") -> None:
        super().__init__(session, precision, engine)
        self.api = api

    @classmethod
    def unavailable(cls, precision: str) -> Text | None:
        """Why this TensorRT cannot build an engine of this precision, or why this system cannot run one."""
        from lib import trt

        return trt.not_buildable(precision) or trt.unavailable()

    @classmethod
    def apis(cls) -> list[str]:
        """The calls that this TensorRT runs an engine with, the one that every version has first."""
        from lib.trt import execution

        return execution.apis()

    def __enter__(self) -> TensorRT:
        from lib import trt
        from lib.models import vgg as model
        from lib.trt import execution

        if reason := self.unavailable(self.precision):
            raise NotMeasured(f"{self.name}: {reason.en}")
        plan = trt.trusted(self.session, self.precision, self.artifact)
        self._run = execution.Execution(plan, self.api or execution.NAMED)
        self._run.__enter__()
        self.max_batch, self._output = self._run.max_batch, model.OUTPUT
        return self

    def __exit__(self, *exc: object) -> None:
        self._run.__exit__(*exc)

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """float32 (n, 32, 32, 3) from 0 to 1, n within the optimization profile -> probabilities, float32 (n, classes)."""
        check_batch(batch, self.max_batch)
        return self._run.infer(batch)[self._output]

    def gpu_ms(self) -> float:
        """Milliseconds on the GPU between two events around the launch, on the batch of the last `infer`. Raises as `infer` does."""
        return self._run.gpu_ms()
