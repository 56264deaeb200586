"""Times candidates at batch sizes, all in the same interleaved rounds, with every backend open at once."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np

from lib import onnx_session, progress
from lib.deadline import OutOfTime
from lib.errors import NotMeasured, ReportError, WrongOutput
from lib.experiment.candidate import Candidate
from lib.experiment.sections import Measuring
from lib.measure import rounds, state
from lib.runners import RUNNERS
from lib.runners.base import Runner, wrong_output
from lib.session import Session
from lib.store.records import Reason, Record
from lib.timer import Slice, Timer, rested, timer


class Arm(NamedTuple):
    """What is timed against each other: a candidate at a batch size; case as in Record."""

    candidate: Candidate
    batch_size: int
    case: tuple[tuple[str, Any], ...] = ()


def timings(session: Session, candidates: Iterable[Candidate], batch_sizes: Iterable[int], seconds: float = math.inf) -> None:
    """Record the latency of each candidate at each batch size, and what else the processor did meanwhile.

    What this system cannot run, what an engine does not take, what failed and what answered wrongly is recorded with its
    reason; the others go on. Scope `end_to_end`; `gpu_compute` beside it where a backend tells the GPU's own time.
    seconds: as to `rounds.run`.
    """
    sizes, candidates = list(batch_sizes), list(candidates)
    with ExitStack() as stack:
        each = progress.each(candidates, len(candidates), "opening candidates")  # engines that are missing are built, which takes its time
        opened = {candidate: entered(RUNNERS[candidate.runner], session, candidate, stack) for candidate in each}
        timed(session, {Arm(candidate, size): opened[candidate] for candidate in candidates for size in sizes}, seconds)


def entered(make: Callable[[Session, Candidate], Runner], session: Session, candidate: Candidate, stack: ExitStack) -> Runner | Reason:
    """The open runner, closed with `stack`, or why there is none."""
    return RUNNERS[candidate.runner].unavailable(candidate.precision) or opened(lambda: make(session, candidate), stack)


def opened(make: Callable[[], Runner], stack: ExitStack) -> Runner | Reason:
    """`entered` of what this system is known to have."""
    try:
        return stack.enter_context(make())
    except ReportError as error:
        return why(error)


def timed(session: Session, arms: Mapping[Arm, Runner | Reason], seconds: float = math.inf) -> None:
    """`timings` of runners that are open (or the reasons why they are not)."""
    session.record(*measured(session, arms, seconds))


def measured(
    session: Session, arms: Mapping[Arm, Runner | Reason], seconds: float = math.inf, settings: Measuring | None = None, **case: Any
) -> list[Record]:
    """The records of `timed`; settings: other than the profile's; case: of the one that says what else the machine did."""
    batches = {size: inputs(session, size) for size in {arm.batch_size for arm in arms}}
    reasons: dict[Arm, Reason] = {}
    timers: dict[Arm, Timer] = {}
    for arm, runner in arms.items():
        reason = runner if isinstance(runner, Reason) else _outside(runner, arm.batch_size)
        if reason:
            reasons[arm] = reason
        else:
            timers[arm] = _timer(runner, batches[arm.batch_size])
    gc.collect()  # once: among all that TensorFlow holds it takes longer than many a measurement
    with state.watch() as seen:
        seed = f"{session.run_id}/{session.stage}"
        series, failed = rounds.run(timers, settings or session.profile.measuring, seed, ended=seen.mark, seconds=seconds)
    reasons |= {arm: why(error) for arm, error in failed.items()}
    made = list[Record]()
    for arm, runner in arms.items():
        common = {"candidate": arm.candidate, "batch_size": arm.batch_size, "case": dict(arm.case)}
        if arm in reasons:
            made.append(Record("latency", "ms", None, scope="end_to_end", reason=reasons[arm], **common))
        else:
            made += _records(series[arm], runner, common)
    return [*made, disturbance(seen, **case)] if timers else made


def disturbance(seen: state.Seen, **case: Any) -> Record:
    """What else the machine did while it was watched, in the whole and, of the GPU, in each round."""
    unknown = Reason("cannot_tell_load") if seen.other_cpu is None else None
    told = {"gpu": seen.gpu} | ({"rounds": seen.gpu_rounds} if seen.gpu_rounds else {})
    return Record("other_cpu", "share", seen.other_cpu, case=case, stats=told, reason=unknown)


def inputs(session: Session, size: int) -> np.ndarray:
    """`size` model inputs from the front of the test images, which repeat if there are fewer."""
    images = session.images.x_test
    return session.to_input(images[np.arange(size) % len(images)])


def why(error: ReportError) -> Reason:
    """The reason that stands in place of a number where measuring ended with an error; the end of the run's minutes is none, and raised."""
    if isinstance(error, OutOfTime):
        raise error
    if isinstance(error, NotMeasured) and error.reason is not None:
        return error.reason
    kind = "cannot" if isinstance(error, NotMeasured) else "wrong_output" if isinstance(error, WrongOutput) else "failed"
    return Reason(kind, {"message": str(error)})


def _outside(runner: Runner, size: int) -> Reason | None:
    """Why an engine does not take batches of this size, or None."""
    if runner.max_batch is not None and size > runner.max_batch:
        return Reason("too_large", {"largest": runner.max_batch})
    return Reason("too_small", {"smallest": runner.min_batch}) if size < runner.min_batch else None


def _timer(runner: Runner, batch: np.ndarray) -> Timer:
    """A runner's own timer, or one around `infer`; outputs are looked at after each slice, because what fails is fast."""
    if (own := runner.timer(batch)) is not None:
        return own
    last: list[np.ndarray] = []

    def call() -> None:
        last[:] = [runner.infer(batch)]

    timed = rested(timer(call, runner.gpu_ms if runner.tells_gpu_time else None), runner.rest_s)

    def checked(seconds: float) -> Slice:
        found = timed(seconds)
        if problem := wrong_output(last[0], len(batch), runner.session.spec):
            raise WrongOutput(problem)
        return found

    return checked


def _records(series: rounds.Series, runner: Runner, common: dict[str, Any]) -> list[Record]:
    told = {"end_to_end": (series.latencies_ms, series.rounds_ms)}
    if series.gpu_rounds_ms is not None:
        told["gpu_compute"] = (series.gpu_latencies_ms, series.gpu_rounds_ms)
    made = []
    for scope, (latencies_ms, rounds_ms) in told.items():
        stats = rounds.percentiles(latencies_ms)
        stats |= {"n": len(latencies_ms), "threads": onnx_session.threads()} | runner.told()
        stats |= {"times_itself": True} if runner.times_itself else {}
        more = {"samples": list(rounds_ms), "artifact_sha256": runner.artifact_sha256}
        made.append(Record("latency", "ms", stats["p50"], **common, scope=scope, stats=stats, **more))
    return made
