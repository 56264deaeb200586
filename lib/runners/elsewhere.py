"""Engines that the TensorRT of another environment built, held and timed by its worker. No backend of the report by itself: notebook 08
sets versions side by side."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from lib.errors import ReportError, WrongOutput
from lib.experiment.candidate import Candidate
from lib.plans import builds
from lib.plans.remote import Worker, WorkerEnded
from lib.runners.base import as_float, check_batch, wrong_output
from lib.runners.tensorrt import EngineRunner
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.timer import Slice, Timer


class Elsewhere(EngineRunner):
    """A build in its worker. `told_open`: what the worker said when it loaded it (load_ms, device_bytes, …)."""

    times_itself = True

    def __init__(self, session: Session, candidate: Candidate, engine: Artifact, worker: Worker) -> None:
        super().__init__(session, candidate, engine)
        self.worker = worker
        self.told_open: dict[str, Any] = {}

    def prepare(self) -> None:
        """Read the plan and check that it is for this worker."""
        self._plan = builds.plan(self.worker, self.artifact)

    def open(self) -> None:
        """Have the worker load the plan; one that has ended is started again, without what it held."""
        if not self.worker.alive:
            self.worker.start()
        self.told_open, _ = self.worker.ask("open", arrays={"plan": self._plan})
        self._engine, self._start = self.told_open["engine"], self.worker.starts
        self.min_batch, self.max_batch = self.told_open["min_batch"], self.told_open["max_batch"]

    @property
    def there(self) -> bool:
        """Whether the worker still holds what `open` gave it."""
        return self.worker.alive and self.worker.starts == self._start

    def close(self) -> None:
        """Have it let go of the engine, where it still lives."""
        if self.there:
            with suppress(ReportError):  # it ends just now: the engine is gone with it
                self.worker.ask("close", engine=self._engine)

    def infer(self, batch: np.ndarray) -> np.ndarray:
        """Model inputs, up to the largest batch -> outputs, float32 (n, classes)."""
        check_batch(batch, self.session.spec, self.max_batch)
        return as_float(self._ask("infer", batch)["output"])

    def timer(self, batch: np.ndarray) -> Timer:
        """Of calls that the worker times, whose last answer is looked at."""
        check_batch(batch, self.session.spec, self.max_batch)

        def timed(seconds: float) -> Slice:
            found = self._ask("time", batch, seconds=seconds)
            if problem := wrong_output(as_float(found["output"]), len(batch), self.session.spec):
                raise WrongOutput(problem)
            return Slice(found["latencies_ms"], found["gpu_ms"])

        return timed

    def _ask(self, what: str, batch: np.ndarray, **more: Any) -> dict[str, np.ndarray]:
        if self.worker.starts != self._start:
            raise WorkerEnded(f"{self.worker.name}: ended, and was started again without this engine")
        return self.worker.ask(what, arrays={"batch": batch}, engine=self._engine, output=self.session.spec.output, **more)[1]
