"""What notebook 07 measures: accuracy, size and load time of every candidate; speed where notebook 06 has not done so."""

from __future__ import annotations

import random
import time
from statistics import median

from lib import progress, runners
from lib.errors import ReportError
from lib.experiment.candidate import Candidate
from lib.measure import accuracy, sweep
from lib.pages import against, common
from lib.runners import RUNNERS
from lib.runners.base import Runner
from lib.session import Session
from lib.store.records import Reason, Record

LOADS = 5  # times each candidate is opened


def measure(session: Session) -> None:
    """Record what each candidate costs and brings; what fails is a reason in its place."""
    every = runners.candidates(session.profile)
    accuracy.accuracies(session, every)
    if session.images.y_test is None:
        against.record(session, every)
    ready = {candidate: _prepared(session, candidate) for candidate in every}
    known = {record.candidate for record in session.earlier("file_size")}
    session.record(*(common.file_size(runner, candidate) for candidate, runner in ready.items() if candidate not in known))
    _load_times(session, ready)
    size = session.profile.precision.batch_size
    if not session.earlier("latency", candidate=session.profile.reference, batch_size=size, scope="end_to_end"):
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
    took: dict[Candidate, list[float] | Reason] = {c: runner if isinstance(runner, Reason) else [] for c, runner in ready.items()}
    draw = random.Random(f"{session.run_id}/load")
    with progress.bar((1 + LOADS) * len(ready), "loading") as bar:
        for candidate in (c for _ in range(1 + LOADS) for c in draw.sample(list(ready), len(ready))):
            bar.update()
            if isinstance(seconds := took[candidate], list):
                try:
                    seconds.append(_load(session, ready[candidate]))  # type: ignore[arg-type]  # who has no reason has a runner
                except ReportError as error:
                    took[candidate] = sweep.why(error)
    for candidate, found in took.items():
        if isinstance(found, Reason):
            session.record(Record("load_time", "s", None, candidate, reason=found))
        else:
            stats = {"min": min(found[1:]), "max": max(found[1:]), "n": LOADS}
            session.record(Record("load_time", "s", median(found[1:]), candidate, stats=stats))


def _load(session: Session, runner: Runner) -> float:
    """Seconds of opening a prepared runner and its first answer, to the smallest batch that it takes."""
    batch = sweep.inputs(session, runner.min_batch)
    started = time.perf_counter()
    runner.open()
    try:
        runner.infer(batch)
        return time.perf_counter() - started
    finally:
        runner.close()
