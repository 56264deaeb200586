"""How much one arm is faster than another of the same rounds: each way over plain calls, ours over rivals, Python over C++, a TensorRT
over the oldest one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from lib import stats
from lib.experiment.candidate import Candidate, Way
from lib.pages.fast.arms import CPP, IN_FLIGHT, PYTHON, TRTEXEC, Arm, Fast
from lib.stats import Interval

Verdict = Literal["faster", "slower", "same", "undecided", "disturbed", "wrong", "unchecked"]
CLAIMED = ("faster", "slower", "same")
JUDGED = (*CLAIMED, "undecided")  # what the rounds say where they may be listened to


@dataclass(frozen=True)
class Ratio:
    """Throughput of `own` over that of `base`, paired by round. verdict: what may be claimed of it; kind: of a pair with trtexec, "lanes"
    where both have as many requests under way, "streams" where ours has as many lanes as it has streams; of one with another rival "alone"
    where ours has one batch under way too, "" where it is the fastest of ours."""

    own: Arm
    base: Arm
    times: Interval
    verdict: Verdict
    kind: str = ""


def compared(found: Fast, own: Arm | None, base: Arm | None) -> Ratio | None:
    """Two arms; None unless both were timed in the same rounds."""
    if own is None or base is None or own == base or own.block != base.block:
        return None
    samples = own.record.samples, base.record.samples
    if len({len(one) for one in samples}) > 1:
        return None
    times = stats.speedup(*samples)
    answers = {found.answers(own), found.answers(base)}
    for doubt in ("wrong", "unchecked"):
        if doubt in answers:
            return Ratio(own, base, times, doubt)  # type: ignore[arg-type]
    told = stats.compared(*samples, found.least_ratio)
    return Ratio(own, base, times, "disturbed" if found.disturbed(own.block) else told)


def judged(told: Iterable[Ratio]) -> list[Ratio]:
    """Those of which the rounds may tell something, be it that they cannot tell: answers checked and right, the machine undisturbed."""
    return [one for one in told if one.verdict in JUDGED]


def ways(found: Fast) -> list[Ratio]:
    """Every way of calling over plain calls of the same runner and TensorRT."""
    return _all(compared(found, arm, found.find(arm, arm.candidate.plain)) for arm in found.ours)


def languages(found: Fast) -> list[Ratio]:
    """Python over C++, called the same way."""
    python = [arm for arm in found.ours if arm.candidate.runner == PYTHON]
    return _all(compared(found, arm, found.find(arm, replace(arm.candidate, runner=CPP))) for arm in python)


def versions(found: Fast) -> list[Ratio]:
    """Every TensorRT over the oldest, in each way of each runner of ours."""
    oldest = found.versions[0] if found.versions else ""
    newer = [arm for arm in found.ours if arm.version not in ("", oldest)]
    return _all(compared(found, arm, found.find(arm, arm.candidate, oldest)) for arm in newer)


def rivals(found: Fast) -> list[Ratio]:
    """Ours over each rival, that takes floats and gives all outputs as it does. trtexec's N streams meet 2 N of our lanes and N; every
    other the fastest of ours, on its TensorRT where it has one, and the fastest with one batch under way, as it has itself."""
    return _all(ratio for rival in found.rivals for ratio in _against(found, rival))


def fair(told: list[Ratio]) -> list[Ratio]:
    """Of `rivals` one each: the fastest of ours, but against trtexec with as many requests under way, or where there is no such pair with
    as many lanes."""
    level = {id(one.base) for one in told if one.kind == "lanes"}
    return [one for one in told if one.kind != "alone" and (one.kind != "streams" or id(one.base) not in level)]


def alone(told: list[Ratio]) -> list[Ratio]:
    """Of `rivals` those with one batch under way on both sides, as they are or beside the fastest of ours."""
    return [one for one in told if one.kind == "alone" or (not one.kind and one.own.in_flight == one.base.in_flight == 1)]


def _against(found: Fast, rival: Arm) -> Iterable[Ratio | None]:
    if rival.candidate.runner == TRTEXEC:
        streams = rival.way.lanes
        for kind, lanes in (("lanes", IN_FLIGHT[TRTEXEC] * streams), ("streams", streams)):
            own = Candidate(PYTHON, rival.candidate.precision, Way(graph=rival.way.graph, lanes=lanes))
            ratio = compared(found, found.find(rival, own), rival)
            yield ratio and replace(ratio, kind=kind)
        return
    there = [arm for arm in found.ours if arm.block == rival.block and arm.whole and rival.version in ("", arm.version)]
    right = [arm for arm in there if found.answers(arm) != "wrong"]
    best, single = (
        max(those, key=lambda arm: arm.rate.value, default=None) for those in (right, [arm for arm in right if arm.in_flight == 1])
    )
    yield compared(found, best, rival)
    if single != best and (ratio := compared(found, single, rival)):
        yield replace(ratio, kind="alone")


def _all(found: Iterable[Ratio | None]) -> list[Ratio]:
    return [ratio for ratio in found if ratio is not None]
