"""What a worker (lib/trt/worker.py) can be asked about lanes: to be held, timed and asked for answers, a pipeline, scenarios."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import astuple
from itertools import count
from typing import Any

import numpy as np

from lib import cuda
from lib.serving import runs
from lib.serving.answers import Asked
from lib.serving.lanes import Lane
from lib.serving.pipeline import Ran
from lib.serving.server import Serving
from lib.timer import uncollected
from lib.trt import lane
from lib.trt.wire import Given, Message

Answer = tuple[Message, Given]
Images = np.ndarray | int  # model inputs (n, …), or the number of those that are kept


class Ringed:
    """A lane as lib/serving/lanes.py has it, for a pipeline whose ring of buffers is pinned memory."""

    def __init__(self, of: lane.Lane) -> None:
        self.max_batch, self.submit, self.result = of.max_batch, of.submit_pinned, of.result


class LaneCommands:
    """Methods of a worker, each with keyword arguments from the message and arrays as they came; gives JSON and arrays."""

    def __init__(self) -> None:
        self._lanes: dict[int, lane.Lanes] = {}
        self._batches: dict[int, np.ndarray] = {}  # that lanes were timed with last
        self._kept: dict[int, np.ndarray] = {}
        self._numbers = count(1)  # of engines, lanes and images, never used twice

    def keep(self, images: np.ndarray) -> Answer:
        """Hold images, under a number, by which the methods below take them in place of an array."""
        number = next(self._numbers)
        self._kept[number] = images
        return {"kept": number}, {}

    def forget(self, kept: int) -> Answer:
        """Let go of images."""
        del self._kept[kept]
        return {}, {}

    def lanes_open(
        self, plan: np.ndarray, lanes: int, batch: int, graph: bool = True, sizes: Sequence[int] = (), output: str = ""
    ) -> Answer:
        """Load a plan (bytes) for lanes (lib/trt/lane.py) and hold them, under a number. device_bytes, layers: as `open` tells."""
        free, started = cuda.free_bytes(), time.perf_counter()
        opened = lane.Lanes(plan.tobytes(), lanes, batch, graph, sizes=sizes, output=output).__enter__()
        load_ms = 1e3 * (time.perf_counter() - started)
        number = next(self._numbers)
        self._lanes[number] = opened
        told = {"number": number, "load_ms": load_ms, "device_bytes": max(0, free - cuda.free_bytes()), "output": opened.output}
        return told | {"layers": [astuple(layer) for layer in opened.lanes[0].layers()]}, {}

    def lanes_time(self, number: int, seconds: float, batch: np.ndarray | None = None, fill: bool = False) -> Answer:
        """A slice with all lanes busy (Lanes.timed): latencies_ms, gpu_ms of one lane, enqueue_ms, and `outputs` (lanes, n, …) of their
        last batches. batch: model inputs (n, …); the last one again where none is given."""
        held = self._lanes[number]
        given = self._batches[number] = self._batches[number] if batch is None else batch
        with uncollected():
            one = held.timed(seconds, given, fill)
            outputs = held.outputs(len(given))
            found = {"latencies_ms": one.latencies_ms, "enqueue_ms": held.enqueue_ms(seconds), "outputs": outputs}
        return {}, found if one.gpu_ms is None else found | {"gpu_ms": one.gpu_ms}

    def lanes_answers(self, number: int, images: Images) -> Answer:
        """The output of images, through all lanes."""
        return {}, {"output": self._lanes[number].answers(self._images(images))}

    def lanes_pipeline(self, number: int, images: Images, batch: int = 0, readers: int = 1, classes: bool = True, times: int = 1) -> Answer:
        """Run images, so many times all of them, through a pipeline over the lanes, with a ring of pinned buffers (lib/serving/runs.py).

        batch: 0 for the lanes' own, the only one that is not copied once more. answers: of all images, classes or outputs; the
        other fields of Ran: as the run tells them; images: that went through; ring_bytes, peak_bytes.
        """
        made, given = self._in_ring(number), self._images(images)
        how: dict[str, Any] = {"readers": readers, "classes": classes, "times": times, "allocate": self._pinned}
        piped = runs.pipeline(made, given, batch or made[0].max_batch, **how)
        answers, *rest = piped.ran
        told = dict(zip(Ran._fields[1:], rest, strict=True))
        return told | {"images": piped.images, "ring_bytes": piped.ring_bytes, "peak_bytes": piped.peak_bytes}, {"answers": answers}

    def lanes_scenario(
        self, number: int, kind: str, images: Images, expected: np.ndarray, atol: float, seconds: float, **more: Any
    ) -> Answer:
        """One run of a scenario of MLPerf's over the lanes (runs.KINDS), its answers checked against `expected`: what LoadGen told of it,
        and peak_bytes. more: `batch`, of offline, 0 for the lanes' own; `rate`, of server, and the fields of Serving."""
        made, asked = self._served(number), Asked(self._images(images), expected, atol)
        batch, rate = more.pop("batch", 0) or made[0].max_batch, more.pop("rate", 0.0)
        scene = runs.scenario(kind, made, asked, seconds, batch=batch, rate=rate, serving=Serving(**more))
        return scene.outcome._asdict() | {"peak_bytes": scene.peak_bytes}, {}

    def lanes_close(self, number: int) -> Answer:
        """Let go of lanes."""
        self._batches.pop(number, None)
        self._lanes.pop(number).__exit__()
        return {}, {}

    def end(self) -> None:
        """Let go of all of them, and of images."""
        for held in self._lanes.values():
            held.__exit__()
        for of in (self._lanes, self._batches, self._kept):
            of.clear()  # type: ignore[attr-defined]

    def _images(self, images: Images) -> np.ndarray:
        return self._kept[images] if isinstance(images, int) else images

    def _served(self, number: int) -> Sequence[Lane]:
        return self._lanes[number].lanes

    def _in_ring(self, number: int) -> Sequence[Lane]:
        return [Ringed(one) for one in self._lanes[number].lanes]

    def _pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        return cuda.pinned(shape, dtype)
