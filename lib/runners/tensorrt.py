"""TensorRT engines, from Python."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from lib import plans
from lib.experiment.candidate import PLAIN, Candidate, Way
from lib.runners.base import Runner, as_float, check_batch
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.text import Text
from lib.trt import execution


class EngineRunner(Runner):
    """What every runner of an engine of lib.plans has. engine: another artifact of `plans.engine` than the session's own."""

    libraries = ("tensorrt", "tensorrt-rtx-cu13-libs")
    column, file = "trt_onnx", plans.PLAN

    def __init__(self, session: Session, candidate: Candidate, engine: Artifact | None = None) -> None:
        super().__init__(session, candidate)
        if engine is not None:
            self.artifact = engine
        if session.spec.batch is None:
            self.min_batch, self.max_batch = session.profile.engines.min_batch, session.profile.engines.max_batch

    @cached_property
    def artifact(self) -> Artifact:
        """The engine of this precision, built now unless it is stored."""
        return plans.engine(self.session, self.precision)

    def prepare(self) -> None:
        """Build the engine unless it is stored, check its plan, hash and all that it was built for, and read it."""
        super().prepare()
        self._plan = plans.trusted(self.session, self.precision, self.artifact)


class TensorRT(EngineRunner):
    """An engine of lib.trt on the GPU, host array to host array, through pinned buffers and a stream of its own.

    way: api "execute_async_v3" (the plain one: tensors by name, every version) or "execute_async_v2" (binding calls, 8.x).
    """

    name = "tensorrt"
    label = Text("TensorRT", "TensorRT")
    place = 50
    tells_gpu_time, api = True, execution.NAMED

    @classmethod
    def unavailable(cls, precision: str) -> Reason | None:
        """Why this TensorRT cannot build an engine of this precision, or why this system cannot run one."""
        return plans.not_buildable(precision) or plans.unavailable()

    @classmethod
    def ways(cls, precision: str) -> list[Way]:
        """The calls that this TensorRT runs an engine with, beside the plain one."""
        return [PLAIN] if plans.unavailable() else [PLAIN, *(Way(api=api) for api in execution.apis() if api != cls.api)]

    def open(self) -> None:
        """Deserialize the plan that was checked; make context, stream and buffers."""
        self._run = execution.Execution(self._plan, self.candidate.way.api or self.api)
        self._run.__enter__()
        self.min_batch, self.max_batch, self._output = self._run.min_batch, self._run.max_batch, self.session.spec.output

    def close(self) -> None:
        self._run.__exit__(None, None, None)

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """Model inputs, up to the largest batch -> outputs, float32 (n, classes).

        Fewer than the smallest batch are filled up to it, and take as long.
        """
        check_batch(batch, self.session.spec, self.max_batch)
        return as_float(self._run.infer(batch)[self._output])

    def gpu_ms(self) -> float:
        """Milliseconds on the GPU between two events around the launch, on the batch of the last `infer`. Raises as `infer` does."""
        return self._run.gpu_ms()
