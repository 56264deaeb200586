"""Polygraphy's TrtRunner on this project's plan, called as its examples call it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib import trt
from lib.experiment import system
from lib.rivals.calls import looked_at, told
from lib.rivals.planned import OnPlan
from lib.runners.base import as_float, check_batch
from lib.store.records import Reason
from lib.text import Text
from lib.timer import Timer


class Polygraphy(OnPlan):
    """`TrtRunner(EngineFromBytes(plan)).infer({input: array})`: TensorRT of this environment, pageable host arrays in and out.

    Source: Polygraphy, examples/api/00_inference_with_tensorrt.
    """

    name = "polygraphy"
    label = Text("Polygraphy TrtRunner", "PolygraphyのTrtRunner")
    place = 51
    needs, libraries = ("polygraphy", "Polygraphy"), ("polygraphy", "tensorrt")

    @classmethod
    def unavailable(cls, precision: str) -> Reason | None:
        """Polygraphy or TensorRT is not installed, or there is no GPU; else None."""
        if reason := super().unavailable(precision):
            return reason
        if trt.flavour() != "tensorrt":  # it imports the module of that name
            return Reason("not_installed", {"package": "TensorRT"})
        return None if system.gpus() else Reason("no_gpu")

    def open(self) -> None:
        """Deserialize the plan and make a context, on its optimization profile."""
        with told(self.label.en):
            from polygraphy.backend.trt import EngineFromBytes, TrtRunner

            self._run = TrtRunner(EngineFromBytes(self._plan), optimization_profile=self.given.profile or None)
            self._run.activate()
        self._infer_ms: dict[str, float] = {}

    def close(self) -> None:
        with told(self.label.en):
            self._run.deactivate()

    def told(self) -> dict[str, Any]:
        """infer_ms: batch size -> what Polygraphy itself says of its last call, `last_inference_time`."""
        return {"infer_ms": self._infer_ms} if self._infer_ms else {}

    def infer(self, batch: np.ndarray) -> np.ndarray:
        check_batch(batch, self.session.spec, self.max_batch)
        with told(self.label.en):
            return as_float(self._call(batch)).copy()  # it answers in a buffer that the next call writes into

    def timer(self, batch: np.ndarray) -> Timer:
        """Of calls of `infer` of Polygraphy, its check of the inputs included, as it is without being told otherwise."""
        spec, last = self.session.spec, list[np.ndarray]()
        check_batch(batch, spec, self.max_batch)

        def call() -> None:
            last[:] = [self._call(batch)]

        def output() -> np.ndarray:
            self._infer_ms[str(len(batch))] = 1e3 * self._run.last_inference_time()
            return last.pop()

        return looked_at(self.label.en, call, output, len(batch), spec, last.clear)

    def _call(self, batch: np.ndarray) -> np.ndarray:
        return self._run.infer({self.session.spec.input: batch})[self.session.spec.output]
