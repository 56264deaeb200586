"""On what notebook 10 measures: a worker of every TensorRT that is here, or the processor, and why there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from lib import plans, trt
from lib.experiment.candidate import Candidate
from lib.measure.fast.blocks import PACE
from lib.measure.team import gathered
from lib.plans import remote
from lib.plans.remote import Worker
from lib.runners.tensorrt import TensorRT
from lib.session import Session
from lib.store.records import Reason, Record


def measured(
    session: Session, on_gpu: Callable[[Session, list[Worker]], None], on_cpu: Callable[[Session, Sequence[Reason]], None]
) -> None:
    """Call `on_gpu` with a worker a version, or `on_cpu` with why there is none, at least one reason."""
    if reason := _absent():
        on_cpu(session, [reason])
        return
    with remote.workers(remote.commands() or [[sys.executable]]) as started:
        team, reasons = _team(started)
        first = Candidate(TensorRT.name, session.profile.fast.precisions[0])
        for number, reason in enumerate(reasons, 1):
            session.record(Record(PACE, "ms", None, first, None, "end_to_end", {"left_out": number}, reason=reason))
        if team:
            on_gpu(session, team)
        else:
            on_cpu(session, reasons)


def lost(session: Session, reason: Reason) -> None:
    """Record why nothing is timed on TensorRT."""
    asked = session.profile.fast
    for precision in asked.precisions:
        for size in asked.batch_sizes:
            session.record(Record(PACE, "ms", None, Candidate(TensorRT.name, precision), size, "end_to_end", reason=reason))


def _absent() -> Reason | None:
    """Why this environment has no TensorRT for a worker, where none is named; or None."""
    if remote.commands():
        return None
    return plans.unavailable() or (None if trt.flavour() == "tensorrt" else Reason("not_installed", {"package": "TensorRT"}))


def _team(started: Sequence[Worker | remote.WorkerEnded]) -> tuple[list[Worker], list[Reason]]:
    """One worker a version on this card, the lowest first; and why others are left out: TensorRT for RTX is no subject of this page."""
    found, reasons = gathered(started)
    team = [one for one in found if one.about["flavour"] == "tensorrt"]
    others = [Reason("not_installed", {"package": "TensorRT"})] * (len(found) - len(team))
    return team, [*filter(None, reasons), *others]
