"""One run of a pipeline or of a scenario over lanes, with the host memory that it took: in this process, or in a worker that is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lib.errors import ReportError
from lib.serving import memory
from lib.serving.answers import Asked
from lib.serving.lanes import Lane
from lib.serving.loadgen import OFFLINE, SERVER, SINGLE_STREAM, Outcome
from lib.serving.pipeline import Allocate, Decode, Pipeline, Ran
from lib.serving.scenarios import offline, single_stream
from lib.serving.server import Serving, server

KINDS = {"single_stream": SINGLE_STREAM, "offline": OFFLINE, "server": SERVER}  # what a scenario is called here -> by LoadGen


class Piped(NamedTuple):
    """A run of a pipeline. images: that went through it, all passes; ring_bytes: of its ring; peak_bytes: host memory that it took at the
    most beyond what was held before it, the ring included also where the system does not count pinned memory."""

    ran: Ran
    images: int
    ring_bytes: int
    peak_bytes: int

    @property
    def images_s(self) -> float:
        """Images a second, from the first image to the last answer."""
        return self.images / self.ran.seconds


class Scene(NamedTuple):
    """A run of a scenario. peak_bytes: host memory that it took at the most beyond what was held before it."""

    outcome: Outcome
    peak_bytes: int


def pipeline(
    lanes: Sequence[Lane],
    images: np.ndarray | Decode,
    batch: int,
    *,
    count: int | None = None,
    shape: tuple[int, ...] = (),
    dtype: Any = np.float32,
    readers: int = 1,
    classes: bool = True,
    times: int = 1,
    allocate: Allocate = np.empty,
) -> Piped:
    """Run images through lanes (Pipeline.run), in a ring of its own. images: model inputs (n, …), or what decodes `count` of them, each of
    `shape` and `dtype`; classes: whether answers are classes, which a model that gives them answers itself, or its outputs.

    Raises ReportError for whatever goes wrong in it.
    """
    decode = images
    if isinstance(images, np.ndarray):
        given = images
        count, shape, dtype = len(given), given.shape[1:], given.dtype

        def decode(start: int, stop: int) -> np.ndarray:
            return given[start:stop]

    with memory.Watch() as watch:
        made = Pipeline(lanes, batch, shape, dtype, readers=readers, allocate=allocate)
        seen = watch.grown
        ran = made.run(decode, count or 0, _classes if classes else _outputs, times)  # type: ignore[arg-type]
    return Piped(ran, times * len(ran.answers), made.ring_bytes, watch.peak + max(0, made.ring_bytes - seen))


def scenario(
    kind: str,
    lanes: Sequence[Lane],
    asked: Asked,
    seconds: float,
    *,
    batch: int = 0,
    rate: float = 0.0,
    serving: Serving = Serving(),  # noqa: B008
) -> Scene:
    """One run of a scenario of KINDS. batch: of offline; rate, serving: of server. Raises as those do, ReportError for another kind."""
    runs: dict[str, Callable[[], Outcome]] = {
        "single_stream": lambda: single_stream(lanes[0], asked, seconds),
        "offline": lambda: offline(lanes, asked, seconds, batch),
        "server": lambda: server(lanes, asked, rate, seconds, serving),
    }
    if kind not in runs:
        raise ReportError(f"no scenario '{kind}'; there are {', '.join(runs)}")
    with memory.Watch() as watch:
        outcome = runs[kind]()
    return Scene(outcome, watch.peak)


def _classes(outputs: np.ndarray) -> np.ndarray:
    return outputs if outputs.ndim == 1 else outputs.argmax(axis=1)


def _outputs(outputs: np.ndarray) -> np.ndarray:
    return outputs
