"""tests/stand_in_worker.py with what notebook 10 asks of it beyond that: engines that answer classes, and lanes that are wrong or fail.

FAULT: "wrong_lane", the last of several lanes answers other images than it was given; "no_lanes", several lanes cannot be opened;
"no_memory", batches over MOST cannot be opened, "no_build", or built; "nan", one lane with a graph answers no numbers when it is asked
about all images.
LOG: a file that takes what the workers were asked, a line each: lanes_pipeline:10.6.0.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import stand_in_worker
from stand_in_worker import StandIn

from lib.trt.versions import EngineError

FAULT, LOG = os.environ.get("FAST_FAULT", ""), os.environ.get("FAST_LOG", "")
MOST = 16


def command(version: str) -> list[str]:
    """As stand_in_worker.command."""
    started = stand_in_worker.command(version)
    return [started[0], str(Path(__file__).resolve()), *started[2:]]


class Fast(StandIn):
    """See the module."""

    def __getattribute__(self, name: str) -> Any:
        if LOG and not name.startswith("_") and name in ("build", "lanes_time", "lanes_pipeline", "lanes_scenario", "layer_times"):
            with open(LOG, "a") as log:
                log.write(f"{name}:{self.version}\n")
        return super().__getattribute__(name)

    def build(self, onnx: np.ndarray, precision: str, settings: dict[str, int], **more: Any) -> Any:
        if FAULT == "no_build" and max(one[2] for one in more.get("profiles") or [[1, 1, 1]]) > MOST:
            raise EngineError("TensorRT builds no engine: out of memory")
        return super().build(onnx, precision, settings, **more)

    def infer(self, engine: int, batch: np.ndarray, output: str) -> Any:
        network = stand_in_worker._network(self._open[engine]["onnx"])
        if network.get_outputs()[0].type == "tensor(int32)":
            return {}, {"output": network.run([output], {network.get_inputs()[0].name: batch})[0]}
        return super().infer(engine, batch, output)

    def lanes_open(self, plan: np.ndarray, lanes: int, batch: int, **more: Any) -> Any:
        if (FAULT == "no_lanes" and lanes > 1) or (FAULT == "no_memory" and batch > MOST):
            raise EngineError("allocating GPU memory: CUDA says: out of memory")
        return super().lanes_open(plan, lanes, batch, **more)

    def lanes_time(self, number: int, seconds: float, **more: Any) -> Any:
        told, found = super().lanes_time(number, seconds, **more)
        if FAULT == "wrong_lane" and len(found["outputs"]) > 1:
            found["outputs"][-1] = np.roll(found["outputs"][-1], 1, axis=-1)
        return told, found

    def lanes_answers(self, number: int, images: Any) -> Any:
        told, found = super().lanes_answers(number, images)
        held = self._open[number]
        if (
            FAULT == "nan"
            and held["graph"]
            and held["lanes"] == 1
            and found["output"].dtype.kind == "f"
            and len(found["output"]) > held["batch"]
        ):
            found["output"][-1] = np.nan
        return told, found


if __name__ == "__main__":
    stand_in_worker.StandIn = Fast  # type: ignore[misc]
    stand_in_worker.main()
