"""Which workers (lib/plans/remote.py) are measured beside each other: one a version of TensorRT, all on the card that is watched."""

from __future__ import annotations

from collections.abc import Sequence

from lib import cuda
from lib.experiment import system
from lib.plans.remote import Worker, WorkerEnded
from lib.store.records import Reason


def gathered(started: Sequence[Worker | WorkerEnded]) -> tuple[list[Worker], list[Reason | None]]:
    """The team, TensorRT before TensorRT for RTX and the lowest version first; and of each of `started` why it is left out, or None."""
    team, reasons = dict[str, Worker](), list[Reason | None]()
    for one in started:
        reasons.append(_left_out(one, team))
        if isinstance(one, Worker) and not reasons[-1]:
            team[one.tensorrt] = one
    return sorted(team.values(), key=lambda one: (one.about["flavour"] != "tensorrt", system.version_order(one.tensorrt))), reasons


def _left_out(one: Worker | WorkerEnded, team: dict[str, Worker]) -> Reason | None:
    if isinstance(one, WorkerEnded):
        return Reason("worker_failed", {"message": str(one)})
    if not one.tensorrt:
        return Reason("worker_failed", {"message": f"{one.name}: has no TensorRT"})
    if not one.about["gpu"]:
        return Reason("worker_no_gpu", {"tensorrt": one.tensorrt})
    if not one.about["cuda"]:
        return Reason("worker_failed", {"message": f"{one.name}: has no pycuda"})
    here = [*cuda.devices()[:1], *(worker.about["bus_id"] for worker in team.values())]  # the card that is watched, and C++'s
    if here and one.about["bus_id"] != here[0]:
        return Reason("worker_other_gpu", {"tensorrt": one.tensorrt})
    return Reason("worker_twice", {"tensorrt": one.tensorrt}) if one.tensorrt in team else None
