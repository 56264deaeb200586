"""Versions of TensorRT beside each other: every engine built several times by each worker, its answers, and all in the same rounds."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any, NamedTuple

from lib import deadline, plans, progress
from lib.errors import ReportError
from lib.experiment.candidate import PLAIN, Candidate, Way
from lib.experiment.precision import PRECISIONS
from lib.experiment.sections import Measuring
from lib.measure import predictions, sweep
from lib.measure.kept import kept
from lib.plans import builds
from lib.plans.builds import SHARED_SCALES, STRONGLY_TYPED, TIMING_CACHE, Recipe
from lib.plans.remote import Worker
from lib.runners import RUNNERS
from lib.runners.base import Runner
from lib.runners.cpp import Cpp
from lib.runners.elsewhere import Elsewhere
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason, Record

PYTHON, CPP, RIVAL = "tensorrt", "cpp", "onnxrt_cuda"
GRAPH = Way(graph=True)
PROGRAM_S = 2.0  # that a C++ program takes to start
LOADS = 3  # times that each engine is loaded
BESIDE = 3  # builds of a variant, at most: the usual engines carry the comparison


class Engine(NamedTuple):
    """A build of a worker: its artifact, or why there is none."""

    worker: Worker
    recipe: Recipe
    built: Artifact | Reason

    @property
    def case(self) -> dict[str, Any]:
        """As records name it."""
        return {"tensorrt": self.worker.tensorrt} | self.recipe.case

    @property
    def name(self) -> str:
        """For lines of progress."""
        variant = f" {self.recipe.variant}" if self.recipe.variant else ""
        return f"TensorRT {self.worker.tensorrt} {self.recipe.precision}{variant} build {self.recipe.build}"

    def runner(self, session: Session, name: str, way: Way = PLAIN) -> Runner:
        """What calls it from Python (in its worker) or from C++. Only where it is built."""
        assert isinstance(self.built, Artifact)
        candidate = Candidate(name, self.recipe.precision, way)
        if name == PYTHON:
            return Elsewhere(session, candidate, self.built, self.worker)
        return Cpp.of(self.worker.tensorrt)(session, candidate, self.built, partial(builds.plan, self.worker, self.built))


def recipes(session: Session, team: list[Worker]) -> Iterable[tuple[Worker, Recipe]]:
    """All that is to be built: the first builds of everything before the second, version by version, so that a stop leaves whole rows."""
    asked = session.profile.versions
    for number in range(1, asked.builds + 1):
        for precision in asked.precisions:
            for worker in team:
                for variant in _variants(worker, team[0], precision):
                    if not variant or number <= BESIDE:
                        yield worker, Recipe(precision, variant, number)


def _variants(worker: Worker, first: Worker, precision: str) -> list[str]:
    found, row = [""], PRECISIONS[precision]
    if row.calibrator and worker is not first:
        found.append(SHARED_SCALES)
    if row.trt_typed_onnx and worker.about["strongly_typed"] and not worker.about["typed"]:
        found.append(STRONGLY_TYPED)
    return [*found, TIMING_CACHE]


def built(session: Session, team: list[Worker]) -> list[Engine]:
    """Every engine, built now unless it is stored; what fails is a reason and the others go on."""
    made, wanted = list[Engine](), list(recipes(session, team))
    for place, (worker, recipe) in enumerate(wanted, 1):
        deadline.check()
        one = Engine(worker, recipe, Reason("failed"))
        before = time.perf_counter()
        try:
            if not worker.alive:
                worker.start()
            made.append(one._replace(built=builds.build(session, worker, recipe, team[0])))
        except ReportError as error:
            made.append(one._replace(built=sweep.why(error)))
        progress.say(f"{one.name}: {place} of {len(wanted)}, {progress.duration(time.perf_counter() - before)}")
    return made


def loaded(session: Session, engine: Engine) -> list[Record]:
    """load_time (ms) and device_memory (bytes: weights, context and buffers), medians of LOADS times, measured once a run.

    Medians, for the first engine that a process opens brings libraries with it, and which one that is depends on where a run was stopped.
    """
    common: dict[str, Any] = {"candidate": Candidate(PYTHON, engine.recipe.precision), "case": engine.case}
    units = {"load_time": "ms", "device_memory": "bytes"}

    def measure() -> list[Record]:
        deadline.check()
        told = []
        for _ in range(LOADS):
            with engine.runner(session, PYTHON) as runner:
                told.append(runner.told_open)  # type: ignore[attr-defined]
        times, sizes = ([one[key] for one in told] for key in ("load_ms", "device_bytes"))
        return [
            Record("load_time", "ms", median(times), samples=times, **common),
            Record("device_memory", "bytes", median(sizes), samples=sizes, **common),
        ]

    if isinstance(engine.built, Reason):
        return [Record(metric, unit, None, reason=engine.built, **common) for metric, unit in units.items()]
    try:
        return kept(session, f"loading {engine.name}", {"plan": plan_sha256(engine)}, measure)
    except ReportError as error:
        return [Record(metric, unit, None, reason=sweep.why(error), **common) for metric, unit in units.items()]


def answers(session: Session, engine: Engine, name: str) -> Artifact | Reason:
    """Its answers to all test images, from Python or C++, computed now unless they are stored; for predictions.read."""
    if isinstance(engine.built, Reason):
        return engine.built
    try:
        if name == CPP and (reason := _no_program(engine)):
            return reason
        runner = engine.runner(session, name)
        return predictions.by(session, runner, {"model": plan_sha256(engine), "tensorrt": engine.worker.tensorrt})
    except ReportError as error:
        return sweep.why(error)


def _no_program(engine: Engine) -> Reason | None:
    """Why there is no C++ runner for its TensorRT, or None."""
    return Cpp.of(engine.worker.tensorrt).unavailable(engine.recipe.precision)


def plan_sha256(engine: Engine) -> str:
    """The hash of a built engine's plan."""
    assert isinstance(engine.built, Artifact)
    return plans.plan_sha256(engine.built)


@dataclass
class Block:
    """All engines of a precision, open beside each other, called in every way: what goes through the same rounds.

    Nothing is opened before it is asked for, so that a block whose rounds were measured before the run was stopped costs nothing.
    """

    session: Session
    precision: str
    engines: list[Engine]
    stack: ExitStack
    _open: dict[tuple[str, Any, Way], Runner | Reason] = field(default_factory=dict)

    def name(self, size: int) -> str:
        """As records name it."""
        return f"{self.precision} {size}"

    def timed(self, size: int) -> list[Record]:
        """The latency of every engine in every way at a batch size, measured once a run; a variant is called from Python alone."""
        plans = sorted(plan_sha256(engine) for engine in self.engines if not isinstance(engine.built, Reason))
        about = {"plans": plans, "measuring": self._how.model_dump()}
        return kept(self.session, f"{self.precision} at batch {size}", about, lambda: self._measured(size))

    def _measured(self, size: int) -> list[Record]:
        deadline.check(self._needed_s(size))
        arms = {sweep.Arm(c, size, tuple(sorted(case.items()))): self._runner(c, engine) for c, case, engine in self._wanted(size)}
        return sweep.measured(self.session, arms, settings=self._how, block=self.name(size))

    @property
    def _how(self) -> Measuring:
        return self.session.profile.versions.timed(self.session.profile.measuring)

    def _wanted(self, size: int) -> Iterable[tuple[Candidate, dict[str, Any], Engine | None]]:
        largest = max(self.session.profile.versions.batch_sizes)
        for engine in self.engines:
            if engine.recipe.variant == TIMING_CACHE and size != largest:
                continue
            ways = [(PYTHON, PLAIN)] if engine.recipe.variant else [(PYTHON, PLAIN), (CPP, PLAIN), (CPP, GRAPH)]
            for name, way in ways:
                yield Candidate(name, self.precision, way), engine.case, engine
        if self.precision in RUNNERS[RIVAL].precisions:
            yield Candidate(RIVAL, self.precision), {"block": self.name(size)}, None

    def _runner(self, candidate: Candidate, engine: Engine | None) -> Runner | Reason:
        key = candidate.runner, engine and tuple(sorted(engine.case.items())), candidate.way
        there = self._open.get(key)
        if there is None or (isinstance(there, Elsewhere) and not there.there):  # a worker that ended takes no later batch size with it
            there = self._open[key] = self._entered(candidate, engine)
        return there

    def _entered(self, candidate: Candidate, engine: Engine | None) -> Runner | Reason:
        if engine is None:
            return sweep.entered(RUNNERS[candidate.runner], self.session, candidate, self.stack)
        if isinstance(engine.built, Reason):
            return engine.built
        if candidate.runner == CPP and (reason := _no_program(engine)):
            return reason
        runner = sweep.opened(lambda: engine.runner(self.session, candidate.runner, candidate.way), self.stack)
        return self._begun(runner) if isinstance(runner, Cpp) else runner

    def _begun(self, runner: Cpp) -> Runner | Reason:
        """Its program, started: programs start beside each other, once for all batch sizes."""
        try:
            runner.begin(sweep.inputs(self.session, max(self.session.profile.versions.batch_sizes)))
        except ReportError as error:
            return sweep.why(error)
        return runner

    def _needed_s(self, size: int) -> float:
        """About how long its rounds take: both scopes of every arm, the warm-up, and the start of the C++ programs."""
        settings, arms = self._how, [candidate for candidate, _, _ in self._wanted(size)]
        programs = sum(candidate.runner == CPP for candidate in arms)
        return PROGRAM_S * programs + len(arms) * (settings.warmup_s + 2.2 * settings.slice_s * (settings.rounds + 1))
