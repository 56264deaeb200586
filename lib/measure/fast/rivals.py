"""What people would use instead, as arms of a block: on the plan of our own engine where it takes one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from lib import trt
from lib.errors import ReportError
from lib.experiment.candidate import PLAIN, Candidate, Way
from lib.measure.fast.arms import Arm, Given, Opened, in_batches
from lib.measure.fast.engines import Engine
from lib.plans import lanes as plans
from lib.rivals import trtexec
from lib.rivals.every import RIVALS
from lib.rivals.planned import Given as Plan
from lib.runners import compiled
from lib.runners.base import Runner
from lib.store.artifacts import Artifact
from lib.store.records import Reason

BOUND, TORCH, POLYGRAPHY, TRTEXEC = "onnxrt_bound", "pytorch", "polygraphy", "trtexec"
DEFAULTS = ("tf32", "fp32")  # in which ONNX Runtime computes an FP32 model: as it does by default, and with TF32 off
COMPILED = Way(api="compiled", graph=True)
STARTS = {BOUND: 1.0, TORCH: 10.0, POLYGRAPHY: 0.5, TRTEXEC: 0.5}  # seconds, about
COMPILES_S, PROCESS_S = 30.0, 3.0  # that PyTorch compiles; that a process of trtexec takes beyond a slice, of which it makes LEAST_S


def of_batch(given: Given, precision: str, engines: Sequence[Engine], streams: Sequence[int], first: bool) -> list[Arm]:
    """Those of a small batch. engines: of this batch, floats in, of each version; first: whether this is the first precision, beside
    which FP32 of ONNX Runtime and trtexec are timed."""
    asked = dict.fromkeys([precision, *(DEFAULTS if first else ())])
    made = [_of(given, Candidate(BOUND, one), precision) for one in asked]
    made += [_of(given, Candidate(TORCH, precision, way), precision) for way in (PLAIN, COMPILED)]
    made += [_on_plan(given, Candidate(POLYGRAPHY, precision), _own(engines, trt.version))]
    if first:  # a process a slice: it takes its time
        ways = [Way(api=api, graph=True, lanes=count) for api in ("", trtexec.SPINNING) for count in streams]
        made += [_on_plan(given, Candidate(TRTEXEC, precision, way), _own(engines, _trtexec)) for way in ways]
    return [arm for arm in made if arm is not None]


def of_large_batch(given: Given, precision: str) -> list[Arm]:
    """Those of a large one: PyTorch, which takes any."""
    made = [_of(given, Candidate(TORCH, precision, way), precision) for way in (PLAIN, COMPILED)]
    return [arm for arm in made if arm is not None]


def _of(given: Given, candidate: Candidate, precision: str) -> Arm | None:
    """A rival with a model of its own; None where it has none of this precision. precision: of the block."""
    made = RIVALS[candidate.runner]
    if candidate.precision not in made.precisions:
        return None
    start_s = STARTS[candidate.runner] + (COMPILES_S if candidate.way.api else 0)
    case, reason = {"block": f"{precision} {given.size}"}, made.unavailable(candidate.precision)
    return _arm(given, candidate, case, reason or partial(made, given.session, candidate), start_s=start_s)


def _on_plan(given: Given, candidate: Candidate, engine: Engine | None) -> Arm | None:
    """A rival that runs our plan."""
    made: Any = RIVALS[candidate.runner]
    if engine is None or candidate.precision not in made.precisions:
        return None
    reason, times_s = made.unavailable(candidate.precision), PROCESS_S if candidate.runner == TRTEXEC else 0.0
    if not reason and isinstance(engine.built, Reason):
        reason = engine.built

    def make() -> Runner:
        assert isinstance(engine.built, Artifact)
        read = partial(plans.plan, engine.worker, engine.built)
        plan = Plan(engine.built, read, (given.session.spec.batch or 1, given.size))
        return made(given.session, candidate, plan)

    most = given.size if candidate.runner == TRTEXEC else None  # a process a batch
    times = {"start_s": STARTS[candidate.runner] + times_s, "turn_s": times_s}
    return _arm(given, candidate, engine.case, reason or make, most, identity=engine.sha256, **times)


def _arm(
    given: Given, candidate: Candidate, case: dict[str, Any], make: Callable[[], Runner] | Reason, most: int | None = None, **more: Any
) -> Arm:
    def opened(stack: ExitStack) -> Opened:
        assert not isinstance(make, Reason)
        runner = stack.enter_context(make())
        timed = runner.timer(given.batch(PLAIN))
        assert timed is not None
        return Opened(timed, partial(in_batches, runner.infer, given.size), most, runner.told, runner.artifact_sha256)

    if isinstance(make, Reason):
        return Arm(candidate, case, make)
    return Arm(candidate, case, opened, **more)


def _own(engines: Sequence[Engine], version: Callable[[], str]) -> Engine | None:
    """The engine whose plan is for a TensorRT, the last one where there is none: it then says why it does not run."""
    try:
        wanted = version()
    except ReportError:  # the rival says it when it is opened
        wanted = ""
    fitting = [engine for engine in engines if wanted and compiled.same(wanted, engine.worker.tensorrt)]
    return next(iter([*fitting, *engines[::-1]]), None)


def _trtexec() -> str:
    """The version of the user's trtexec, "" for none."""
    program = os.environ.get(trtexec.PROGRAM)
    return trtexec.options(program).version if program else ""
