"""Arms: what is timed against each other, opened when its block is, with a timer and a way to ask it about all test images."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lib.errors import WrongOutput
from lib.experiment.candidate import Candidate, Way
from lib.experiment.precision import PRECISIONS
from lib.experiment.spec import ModelSpec
from lib.measure.fast.engines import Engine
from lib.plans import lanes as plans
from lib.plans.lanes import Held
from lib.runners.base import Runner, as_float, wrong_output
from lib.runners.cpp import Cpp
from lib.runners.tensorrt import TensorRT
from lib.serving.lanes import Lane, drain, threaded
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.timer import Slice, Timer, rested
from lib.trt import turns

CHUNK_BYTES = 1 << 27  # of model inputs that are asked about at a time
CPU_IMAGES = 1000  # that a processor is asked about, at most
FEW = 8  # images, of which no class may differ between two lanes


@dataclass
class Opened:
    """An arm that is open, until its stack is closed. answers: of model inputs (n, …), float32 (n, classes) or int32 classes (n,);
    most: images that it can be asked about, None for any number; told: what its records say beside the numbers; device_bytes: of GPU
    memory that it took, where that is known."""

    timer: Timer
    answers: Callable[[np.ndarray], np.ndarray]
    most: int | None = None
    told: Callable[[], dict[str, Any]] = dict
    sha256: str = ""
    device_bytes: int | None = None


class Arm(NamedTuple):
    """One candidate in a block. case: as records name it; open: until the stack is closed, or why it cannot be; identity: what decides on
    what is measured, beside the profile; start_s, turn_s: about how long it takes to open it, and a slice beyond its own time; slices: that
    a round takes, two where one lane tells the GPU's time too."""

    candidate: Candidate
    case: dict[str, Any]
    open: Callable[[ExitStack], Opened] | Reason
    identity: str = ""
    start_s: float = 0.3
    turn_s: float = 0.0
    slices: float = 2.0


@dataclass
class Given:
    """What all arms of a block are called with: `size` model inputs."""

    session: Session
    size: int
    _made: dict[bool, np.ndarray] = field(default_factory=dict)

    def batch(self, way: Way) -> np.ndarray:
        """From the front of the test images, which repeat where there are fewer, as a way takes them. One array for all that take it."""
        if way.byte_input not in self._made:
            images = self.session.images.x_test
            self._made[way.byte_input] = taken(self.session, images[np.arange(self.size) % len(images)], way)
        return self._made[way.byte_input]

    def chunk(self, multiple: int) -> int:
        """Images to be asked about at a time: a multiple, of about CHUNK_BYTES."""
        return multiple * max(1, CHUNK_BYTES // (self.session.spec.row_bytes * multiple))


def taken(session: Session, images: np.ndarray, way: Way) -> np.ndarray:
    """uint8 images (n, height, width, channels) as an engine of this way takes them: as they are, or as model inputs."""
    return np.ascontiguousarray(images) if way.byte_input else session.to_input(images)


def in_worker(given: Given, engine: Engine, way: Way) -> Arm:
    """Lanes of an engine in its worker (lib/trt/lane.py)."""
    candidate = Candidate(TensorRT.name, engine.precision, way)

    def opened(stack: ExitStack) -> Opened:
        assert isinstance(engine.built, Artifact)
        output = given.session.spec.output
        held = stack.enter_context(Held(engine.worker, engine.built, way.lanes, given.size, graph=way.graph, output=output))
        batch = given.batch(way)
        check = partial(same, given.session.spec, candidate, held.answers(batch))

        def told() -> dict[str, Any]:
            return {"enqueue_ms": statistics.median(held.enqueue_ms)} if held.enqueue_ms else {}

        return Opened(held.timer(batch, check), held.answers, None, told, engine.built.sha256, int(held.told["device_bytes"]))

    return Arm(candidate, engine.case, engine.built if isinstance(engine.built, Reason) else opened, engine.sha256)


def in_cpp(given: Given, engine: Engine, way: Way) -> Arm:
    """The same engine in the C++ program, which starts while other arms are opened."""
    made, candidate = Cpp.of(engine.worker.tensorrt), Candidate(Cpp.name, engine.precision, way)

    def opened(stack: ExitStack) -> Opened:
        assert isinstance(engine.built, Artifact)
        runner = made(given.session, candidate, engine.built, partial(plans.plan, engine.worker, engine.built))
        runner.min_batch, runner.max_batch = given.session.spec.batch or 1, given.size
        stack.enter_context(runner)
        batch = given.batch(way)
        runner.begin(batch)

        def told() -> dict[str, Any]:
            return {name: times[str(given.size)] for name, times in runner.told().items()}

        return Opened(runner.timer(batch), runner.infer, None, told, engine.built.sha256)

    how = engine.built if isinstance(engine.built, Reason) else made.unavailable(engine.precision) or opened
    return Arm(candidate, engine.case, how, engine.sha256, start_s=0.4)  # beside each other


def in_threads(given: Given, candidate: Candidate, case: dict[str, Any], make: Callable[[], Runner]) -> Arm:
    """A runner of the processor on lanes that are threads. make: it, for its plain candidate."""

    def opened(stack: ExitStack) -> Opened:
        runner = stack.enter_context(make())
        held, batch = stack.enter_context(threaded(runner.infer, candidate.way.lanes, given.size)), given.batch(candidate.way)
        check = partial(same, given.session.spec, candidate, runner.infer(batch))
        ask = partial(in_batches, runner.infer, given.size) if len(held) == 1 else partial(over_lanes, held, given.size)
        return Opened(rested(busy(held, batch, check), runner.rest_s), ask, CPU_IMAGES, runner.told, runner.artifact_sha256)

    return Arm(candidate, case, opened, slices=1.0)


def same(spec: ModelSpec, candidate: Candidate, expected: np.ndarray, output: np.ndarray) -> None:
    """Raise WrongOutput unless a lane's output of a batch is what its engine answered the same images off the clock.

    expected, output: the model's outputs (n, …), or classes (n,). Lanes may have kernels of their own (8.x): outputs may lie apart as far
    as is expected of their precision, and of FEW images and more so large a share of classes may differ.
    """
    row = PRECISIONS[candidate.precision]
    if candidate.way.classes:
        if output.shape != expected.shape or output.dtype.kind != "i" or not ((output >= 0) & (output < spec.classes)).all():
            raise WrongOutput(f"{output.dtype} {output.shape} ≠ int32 ({len(expected)},), 0 … {spec.classes - 1}")
        apart, most = int((output != expected).sum()), math.ceil((1 - row.min_agreement) * len(expected)) if len(expected) >= FEW else 0
        if apart > most:
            raise WrongOutput(f"{apart} > {most} (/ {len(expected)})")
        return
    found, wanted = as_float(output), as_float(expected)
    if problem := wrong_output(found, len(wanted), spec):
        raise WrongOutput(problem)
    limit = row.max_abs_difference * max(float(wanted.max() - wanted.min()), 1e-3)
    if not (worst := float(np.abs(found - wanted).max())) <= limit:
        raise WrongOutput(f"|Δ| = {worst:.3g} > {limit:.3g}")


def in_batches(infer: Callable[[np.ndarray], np.ndarray], size: int, inputs: np.ndarray) -> np.ndarray:
    """What `infer` answers on inputs (n, …), in batches of exactly `size`: the last is filled up, its second answers are dropped."""
    parts = []
    for start in range(0, len(inputs), size):
        part = inputs[start : start + size]
        parts.append(infer(part[np.arange(size) % len(part)])[: len(part)].copy())
    return np.concatenate(parts)


def over_lanes(held: Sequence[Lane], size: int, inputs: np.ndarray) -> np.ndarray:
    """The same over lanes, in turn."""
    parts = []
    for start in range(0, len(inputs), size * len(held)):
        rows = [inputs[at : at + size] for at in range(start, min(start + size * len(held), len(inputs)), size)]
        running = list(zip(held, rows, strict=False))
        for lane, part in running:
            lane.submit(part[np.arange(size) % len(part)])
        parts += [lane.result()[: len(part)].copy() for lane, part in running]
    return np.concatenate(parts)


def busy(held: Sequence[Lane], batch: np.ndarray, check: Callable[[np.ndarray], None]) -> Timer:
    """Of slices with all lanes busy in turn: the times between the ends of one batch and the next, as lib/trt/lane.py has it."""

    last: list[np.ndarray] = [batch] * len(held)

    def wait(place: int, lane: Lane) -> None:
        last[place] = lane.result()

    each = [(partial(wait, place, lane), partial(lane.submit, batch)) for place, lane in enumerate(held)]

    def timed(seconds: float) -> Slice:
        try:
            ends = turns.in_turn(each, seconds, time.perf_counter_ns)
        finally:
            drain(held)
        for output in last:
            check(output)
        return Slice(np.diff(np.array(ends)) / 1e6)

    return timed
