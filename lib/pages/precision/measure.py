"""What notebook 07 measures: accuracy, size and load time of every candidate; speed where notebook 06 has not done so."""

from __future__ import annotations

import random
import time
from statistics import median

from lib import progress, runners
from lib.errors import ReportError
from lib.experiment.candidate import REFERENCE, Candidate
from lib.measure import accuracy, sweep
from lib.pages import common
from lib.runners import RUNNERS
from lib.runners.base import Runner
from lib.store.records import Reason, Record
from lib.store.session import Session

LOADS = 5  # times each candidate is opened


def measure(session: Session) -> None:
    """Record what each candidate costs and brings; what fails is a reason in its place."""
    every = runners.candidates()
    accuracy.accuracies(session, every)
    ready = {candidate: _prepared(session, candidate) for candidate in every}
    known = {record.candidate for record in session.earlier("file_size")}
    session.record(*(common.file_size(runner, candidate) for candidate, runner in ready.items() if candidate not in known))
    _load_times(session, ready)
    size = session.profile.precision.batch_size
    if not session.earlier("latency", candidate=REFERENCE, batch_size=size, scope="end_to_end"):
        sweep.timings(session, every, [size])


def _prepared(session: Session, candidate: Candidate) -> Runner | Reason:
    """A runner whose model is there and checked, so that opening it is loading and nothing else; or why there is none."""
    if reason := RUNNERS[candidate.runner].unavailable(candidate.precision):
        return reason
    try:
        runner = RUNNERS[candidate.runner](session, candidate)
        runner.prepare()
        return runner
    except ReportError as error:
        return sweep.why(error)


def _load_times(session: Session, ready: dict[Candidate, Runner | Reason]) -> None:
    """Record seconds from opening the model file to its first answer: median of LOADS, stats min, max and n.

    A first round that does not count imports the libraries and brings the files into the page cache. Each round opens all
    candidates in another order.
    """
    runnable = {candidate: runner for candidate, runner in ready.items() if isinstance(runner, Runner)}
    took: dict[Candidate, list[float]] = {candidate: [] for candidate in runnable}
    failed = {candidate: reason for candidate, reason in ready.items() if isinstance(reason, Reason)}
    draw = random.Random(f"{session.run_id}/load")
    with progress.bar((1 + LOADS) * len(runnable), "loading") as bar:
        for _ in range(1 + LOADS):
            for candidate in draw.sample(list(runnable), len(runnable)):
                bar.update()
                if candidate not in failed:
                    try:
                        took[candidate].append(_load(session, runnable[candidate]))
                    except ReportError as error:
                        failed[candidate] = sweep.why(error)
    for candidate in ready:
        reason, counted = failed.get(candidate), took.get(candidate, [])[1:]
        stats = {} if reason else {"min": min(counted), "max": max(counted), "n": len(counted)}
        session.record(Record("load_time", "s", None if reason else median(counted), candidate, stats=stats, reason=reason))


def _load(session: Session, runner: Runner) -> float:
    """Seconds of opening a prepared runner and its first answer, to the smallest batch that it takes."""
    batch = sweep.inputs(session.images.x_test, runner.min_batch)
    started = time.perf_counter()
    runner.open()
    try:
        runner.infer(batch)
        return time.perf_counter() - started
    finally:
        runner.close()
