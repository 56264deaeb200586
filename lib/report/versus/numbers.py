"""What two runs say of each other's numbers, each beyond its interval and all together at the level of one: Holm's adjustment.

A is the run of before, B the one that is judged. Nothing of two runs was measured in the same rounds: times are compared by Welch's
interval over the rounds of each, which tells how these two runs differ, not how far a third would. Images are paired where counts
against the same reference allow it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lib import stats
from lib.experiment.candidate import HARNESS, Candidate
from lib.measure.fast.blocks import PACE
from lib.pages import common
from lib.pages.fast.arms import Arm, Fast
from lib.report.versus.sides import W, same_dataset, same_model
from lib.stats import LEAST_ROUNDS, Interval
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text

QUALITY = ("accuracy", "agreement")
TIMES = ("latency", PACE)  # of a call; between completed batches, of each way of notebook 10
METRICS = (*QUALITY, *TIMES, "file_size")
LEVEL = 1 - stats.CONFIDENCE
WORSE, BETTER, SAME, UNDECIDED = "worse", "better", "same", "undecided"
NOT_WORSE, SOMETHING_WORSE, NOTHING_DECIDED = 0, 3, 4  # exit codes
SAID = {"faster": BETTER, "slower": WORSE, "same": SAME, "undecided": UNDECIDED}
Key = tuple[Any, ...]  # of Record


@dataclass(frozen=True)
class Compared:
    """One number of both runs.

    apart: B minus A as a share, or how many times as fast B is, or its size over A's; None where that cannot be told with an interval.
    said: WORSE, BETTER, SAME (within the limit) or UNDECIDED, "" where nothing is judged. how: of `how` in the words, by what it was
    compared, or why it was not judged. p: of the hypothesis that the two do not differ by more than the limit.
    """

    metric: str
    candidate: Candidate
    a: Record
    b: Record
    apart: Interval | None
    said: str = ""
    how: str = ""
    p: float = 1.0

    @property
    def batch_size(self) -> int | None:
        """Images a call, where that matters."""
        return self.a.batch_size

    @property
    def label(self) -> Text:
        """What it is of: the candidate and, where versions were measured beside each other, its TensorRT."""
        version = self.a.case.get("tensorrt")
        return W("said.on", candidate=self.candidate, version=version) if version else self.candidate.label


def least(a: Run, b: Run) -> float:
    """The ratio that counts as a difference, the larger one of both profiles."""
    return max(run.profile.measuring.least_ratio for run in (a, b))


def compared(a: Run, b: Run, limit: float) -> list[Compared]:
    """Every number that both runs hold of a candidate, of no case, and every pace, of the same one; none where their test sets differ.

    limit: the ratio of speeds that counts as a difference, 0.02 is 2 %.
    """
    if not same_dataset(a, b):
        return []
    mine, other = _numbers(a), _numbers(b)
    found = [_one(a, b, mine[key], other[key], limit) for key in mine if key in other]
    return _together([one for one in found if one])


def exit_code(found: Iterable[Compared], failed: Mapping[Candidate, Text]) -> int:
    """0 where nothing is worse, 3 where something is or failed, 4 where no comparison was decided. failed: of `broken`."""
    decided = {one.said for one in found} - {"", UNDECIDED}
    if failed or WORSE in decided:
        return SOMETHING_WORSE
    return NOT_WORSE if decided else NOTHING_DECIDED


def broken(a: Run, b: Run) -> dict[Candidate, Text]:
    """{candidate: why} of what A holds a number of, and B tried to measure and could not, or that answers wrongly in B alone; none where
    their test sets differ."""
    mine = _numbers(a) if same_dataset(a, b) else {}
    found: dict[Candidate, Text] = {}
    for record in b.everywhere():
        if record.reason and record.reason.failed and (key := _key(record)) in mine:
            found.setdefault(key[1], record.reason.text)
    before = _wrong(a)
    for key, why in _wrong(b).items():
        if key in mine and key not in before:
            found.setdefault(key[1], why.text)
    return found


def _wrong(run: Run) -> dict[Key | None, Reason]:
    """Every pace of what does not answer as its precision should, and the share of the reference's classes that it gives."""
    found: dict[Key | None, Reason] = {}
    for page in map(Fast, map(run.of, run.files)):
        for arm in page.arms:
            if page.answers(arm) == "wrong" and (judged := page.judged(arm, "agreement")):
                found[_key(arm.record)] = Reason("wrong_output", {"message": f"{judged.value:.1%}"})
    return found


def missing(a: Run, b: Run) -> tuple[list[Candidate], list[Candidate]]:
    """Candidates of which only A, and only B, holds any number."""
    sides = [{candidate for _, candidate, *_ in _numbers(run)} for run in (a, b)]
    return [*sides[0] - sides[1]], [*sides[1] - sides[0]]


def _key(record: Record) -> Key | None:
    """What finds a number in the other run; None of what is not compared."""
    compared = record.metric in METRICS and (not record.case or record.metric == PACE)
    if not compared or not record.candidate or record.candidate.runner == HARNESS:
        return None
    return record.key


def _numbers(run: Run) -> dict[Key, Record]:
    """The records that have a value; a latency is the one that stands beside all others'."""
    found: dict[Key, Record] = {}
    for record in run.everywhere():
        if key := _key(record):
            if record.metric == "latency":
                record = common.latency(run, key[1], batch_size=record.batch_size, scope=record.scope) or record
            if record.value is not None:
                found.setdefault(key, record)
    return found


def _one(a: Run, b: Run, mine: Record, other: Record, limit: float) -> Compared | None:
    one = Compared(mine.metric, mine.candidate, mine, other, None)  # type: ignore[arg-type]  # _numbers has a candidate of each
    if mine.metric in TIMES:
        return _time(a, b, one, limit)
    if mine.metric in QUALITY:
        return _quality(a, b, one)
    return replace(one, apart=Interval(*3 * [(other.value or 0) / mine.value]), how="exact") if mine.value else None


def _time(a: Run, b: Run, one: Compared, limit: float) -> Compared:
    blocks = common.one_block(one.a) or common.one_block(one.b)
    few = min(len(one.a.samples), len(one.b.samples)) < LEAST_ROUNDS
    if blocks or few:
        return replace(one, how="one_block" if blocks else "few_rounds")
    if busy := [side for side, run, record in (("a", a, one.a), ("b", b, one.b)) if not _calm(run, record)]:
        return replace(one, how="disturbed" if len(busy) > 1 else f"disturbed_{busy[0]}")
    apart = stats.ratio(one.b.samples, one.a.samples)
    p = _p_of_rounds(one.a.samples, one.b.samples, math.log1p(limit))
    return replace(one, apart=apart, said=SAID[stats.claim(apart, limit)], how="rounds", p=p)


def _calm(run: Run, record: Record) -> bool:
    """Whether nothing disturbed what measured a record: of a pace, its block of rounds, else the page."""
    if record.metric != PACE:
        return common.undisturbed(run, record)
    pages = [run.of(stage) for stage, file in run.files.items() if any(one is record for one in file.records)]
    return not any(Fast(page).disturbed(Arm(record).block) for page in pages)


def _quality(a: Run, b: Run, one: Compared) -> Compared:
    """Accuracy; agreement is judged in its place where nobody labelled the images, and shown besides where somebody did."""
    counts = _discordant(a, b, one)
    if counts:
        apart, p = stats.paired(*counts), _p_of_pairs(*counts)
    else:
        both = [record.stats[name] for record in (one.a, one.b) for name in ("correct", "total")]
        apart, p = stats.difference(*both), _p_of_counts(*both)
    how = "paired" if counts else "counts"
    if one.metric == "agreement" and all(run.find("accuracy", one.candidate) for run in (a, b)) and _labelled(a, b, one.candidate):
        return replace(one, apart=apart, how=how)
    margin = common.LOSS_MARGIN
    said = (
        WORSE
        if apart.high < -margin
        else BETTER
        if apart.low > margin
        else SAME
        if -margin <= apart.low and apart.high <= margin
        else UNDECIDED
    )
    return replace(one, apart=apart, said=said, how=how, p=p)


def _labelled(a: Run, b: Run, candidate: Candidate) -> bool:
    return all((found := run.find("accuracy", candidate)) is not None and found.value is not None for run in (a, b))


def _discordant(a: Run, b: Run, one: Compared) -> tuple[int, int, int] | None:
    """Images that A alone has right, that B alone has, and all: as many as there can be, so that the interval is not too short.

    Known where both were compared with the same file of a reference that has as many right in both: where A and B differ, one of them
    differs from the reference. None where that is not known.
    """
    totals = [record.stats["total"] for record in (one.a, one.b)]
    if totals[0] != totals[1] or not same_model(a, b) or a.profile.reference != b.profile.reference:
        return None
    references = [run.find("accuracy", run.profile.reference) for run in (a, b)]
    if len({found and found.stats.get("correct") for found in references}) > 1:
        return None
    apart = one.b.stats["correct"] - one.a.stats["correct"]
    most = 0
    for record in (one.a, one.b):
        if one.candidate == a.profile.reference:
            continue
        if one.metric == "agreement":
            most += record.stats["total"] - record.stats["correct"]
        elif counts := common.only(record):
            most += counts[0] + counts[1]
        else:
            return None
    most = min(most, totals[0])
    only_b = (most + apart) // 2
    return (only_b - apart, only_b, totals[0]) if only_b >= max(0, apart) else None


def _together(found: list[Compared]) -> list[Compared]:
    """The same, claims kept to those that stand among so many (Holm); the others are undecided."""
    judged = [place for place, one in enumerate(found) if one.said]
    adjusted = dict(zip(judged, stats.holm([found[place].p for place in judged]), strict=True))
    return [
        replace(one, said=UNDECIDED, how="many") if one.said in (WORSE, BETTER) and adjusted[place] >= LEVEL else one
        for place, one in enumerate(found)
    ]


def _p_of_rounds(a_ms: Sequence[float], b_ms: Sequence[float], limit: float) -> float:
    """Two-sided p of Welch's t that the speeds of B and A do not differ by more than `limit`, a logarithm (`stats.ratio`)."""
    from scipy.stats import t

    mean, error, freedom = stats.welch(a_ms, b_ms)
    return min(1.0, 2 * float(t.sf((abs(mean) - limit) / error, freedom))) if error else float(abs(mean) <= limit)


def _p_of_pairs(only_a: int, only_b: int, total: int) -> float:
    """Two-sided p that the accuracies do not differ by more than the margin, by the adjusted Wald statistic (`stats.paired`)."""
    a, b = (only_a + 1) / (total + 2), (only_b + 1) / (total + 2)
    return _p_of(b - a, (a + b - (b - a) ** 2) / (total + 2))


def _p_of_counts(correct_a: int, total_a: int, correct_b: int, total_b: int) -> float:
    """The same where the images are not paired. Source: Agresti & Caffo (2000), Simple and Effective Confidence Intervals for
    Proportions and Differences of Proportions Result from Adding Two Successes and Two Failures."""
    a, b = (correct_a + 1) / (total_a + 2), (correct_b + 1) / (total_b + 2)
    return _p_of(b - a, a * (1 - a) / (total_a + 2) + b * (1 - b) / (total_b + 2))


def _p_of(apart: float, square: float) -> float:
    from scipy.stats import norm

    return min(1.0, 2 * float(norm.sf((abs(apart) - common.LOSS_MARGIN) / math.sqrt(square))))
