"""Lanes that are fed as in production (lib/serving): a whole set of images through a pipeline, and MLPerf's scenarios.

Those of an engine are fed within their worker, those of the processor here; `Fed` is all that the rest knows of either.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lib.data import decode, preprocess
from lib.errors import WrongOutput
from lib.experiment.candidate import Candidate, Way
from lib.experiment.precision import PRECISIONS
from lib.measure.fast.arms import CHUNK_BYTES, CPU_IMAGES, over_lanes, taken
from lib.measure.fast.engines import Engine
from lib.plans.lanes import Held
from lib.runners.base import Runner, as_float
from lib.serving import loadgen, runs
from lib.serving.answers import Asked
from lib.serving.lanes import Direct, threaded
from lib.serving.runs import Piped, Scene
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason

MOST_BYTES = 4 * CHUNK_BYTES  # of images that are fed at a time: what a worker is given once, and keeps
READERS, MOST_FILES = 16, 2000  # threads that decode files, and files of a repeat, at most
LARGE_BYTES, COPIERS = 1 << 20, 2  # from here on a batch is copied by so many threads: one alone copies hardly as fast as a GPU computes


class Fed(NamedTuple):
    """Lanes, open. count: images that are fed, from the front of the test images; pipe: all of them through a pipeline, so many times;
    scene: one run of a scenario of runs.KINDS, for so many seconds, with `batch` or `rate` and `serving`; ask: what model inputs are
    answered (n, …); expected: the classes of those that are fed, int (count,)."""

    count: int
    pipe: Callable[[int], Piped]
    scene: Callable[..., Scene]
    ask: Callable[[np.ndarray], np.ndarray]
    expected: np.ndarray


class Feed(NamedTuple):
    """Lanes to be fed. case, identity: as of an Arm; open: until a stack is closed, or why they cannot be; loadgen: whether LoadGen is
    installed where they run; apart: whether what the model takes of memory there is not the host's."""

    session: Session
    candidate: Candidate
    size: int
    case: dict[str, Any]
    open: Callable[[ExitStack], Fed] | Reason
    identity: str = ""
    loadgen: bool = False
    apart: bool = False

    @property
    def common(self) -> dict[str, Any]:
        """What its records have in common."""
        return {"candidate": self.candidate, "batch_size": self.size, "case": self.case}


def in_worker(session: Session, engine: Engine, candidate: Candidate, size: int, sizes: tuple[int, ...] = ()) -> Feed:
    """Lanes of an engine with graphs, for batches of `size`; sizes: smaller ones that have a graph of their own."""
    way = candidate.way

    def opened(stack: ExitStack) -> Fed:
        assert isinstance(engine.built, Artifact)
        output = session.spec.output
        held = stack.enter_context(Held(engine.worker, engine.built, way.lanes, size, graph=way.graph, sizes=sizes, output=output))
        images = taken(session, _images(session, size, way), way)
        answers = held.answers(images)
        asked = Asked(images, answers if way.classes else as_float(answers), _atol(candidate, answers))

        def pipe(times: int) -> Piped:
            readers = COPIERS if size * images[0].nbytes >= LARGE_BYTES else 1
            return held.pipeline(images, readers=readers, classes=True, times=times)

        def scene(kind: str, seconds: float, **more: Any) -> Scene:
            return held.scenario(kind, asked, seconds, **more)

        return Fed(len(images), pipe, scene, held.answers, _classes(answers))

    how = engine.built if isinstance(engine.built, Reason) else opened
    return Feed(session, candidate, size, engine.case, how, engine.sha256, bool(engine.worker.about.get("loadgen")), apart=True)


def in_threads(session: Session, candidate: Candidate, size: int, make: Callable[[], Runner]) -> Feed:
    """Lanes of the processor, a thread each. make: the runner of the plain candidate."""

    def opened(stack: ExitStack) -> Fed:
        runner = stack.enter_context(make())
        held = stack.enter_context(threaded(runner.infer, candidate.way.lanes, size))
        images, rows = _images(session, size, candidate.way, CPU_IMAGES), session.spec.row_shape
        inputs = session.to_input(images)
        answers = over_lanes(held, size, inputs)
        asked = Asked(inputs, answers, _atol(candidate, answers))

        def pipe(times: int) -> Piped:
            how: dict[str, Any] = {"count": len(images), "shape": rows, "dtype": session.spec.dtype, "times": times}
            return runs.pipeline(held, lambda start, stop: session.to_input(images[start:stop]), size, **how)

        return Fed(
            len(images),
            pipe,
            lambda kind, seconds, **more: runs.scenario(kind, held, asked, seconds, **more),
            runner.infer,
            _classes(answers),
        )

    return Feed(session, candidate, size, {"block": f"{candidate.precision} {size}"}, opened, loadgen=loadgen.installed())


def from_files(feed: Feed, fed: Fed, readers: int) -> Piped:
    """The first MOST_FILES of the same images from their files, decoded and fitted by threads here and given to the lanes by the batch."""
    session, way = feed.session, feed.candidate.way
    files, spec = session.images.files[: min(fed.count, MOST_FILES)], session.spec

    def decoded(start: int, stop: int) -> np.ndarray:
        fitted = [preprocess.fit(decode.image(path), session.rules, spec.channels) for path in files[start:stop]]
        return taken(session, np.stack(fitted), way)

    shape, dtype = (spec.image_shape, "uint8") if way.byte_input else (spec.row_shape, spec.dtype)
    lane = Direct(partial(_filled, fed.ask, feed.size), feed.size)
    return runs.pipeline([lane], decoded, feed.size, count=len(files), shape=shape, dtype=dtype, readers=min(readers, READERS))


def judged(feed: Feed, fed: Fed, piped: Piped) -> None:
    """Raise WrongOutput where a pipeline's classes are not those that its lanes gave the same images, but for what rounding may change."""
    classes = piped.ran.answers
    expected = fed.expected[: len(classes)]
    most = math.ceil((1 - PRECISIONS[feed.candidate.precision].min_agreement) * len(expected))
    if (apart := int((classes != expected).sum()) + piped.ran.changed) > most:
        raise WrongOutput(f"{apart} > {most} (/ {len(expected)})")


def _images(session: Session, size: int, way: Way, most: int | None = None) -> np.ndarray:
    """The test images, at least a batch of them, repeating, and at most MOST_BYTES as they are fed, or so many."""
    images, spec = session.images.x_test[:most], session.spec
    row = math.prod(spec.row_shape) if way.byte_input else spec.row_bytes
    count = max(size, min(len(images), MOST_BYTES // row))
    return images[np.arange(count) % len(images)]


def _atol(candidate: Candidate, answers: np.ndarray) -> float:
    """How far lanes may lie from each other: as far as is expected of the precision; classes not at all."""
    if candidate.way.classes:
        return 0.5
    return PRECISIONS[candidate.precision].max_abs_difference * max(float(answers.max() - answers.min()), 1e-3)


def _classes(answers: np.ndarray) -> np.ndarray:
    return answers if answers.ndim == 1 else as_float(answers).argmax(axis=1)


def _filled(ask: Callable[[np.ndarray], np.ndarray], size: int, inputs: np.ndarray) -> np.ndarray:
    """Answers to fewer than `size`, for lanes that take no other batch."""
    return ask(inputs[np.arange(size) % len(inputs)])[: len(inputs)]
