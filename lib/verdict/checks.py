"""The checks of a candidate, one function a limit: passed or failed only where the whole interval says so."""

from __future__ import annotations

from collections.abc import Iterable

from lib import stats
from lib.data.dataset import RANDOM
from lib.experiment.accept import AGREEMENT, Accept
from lib.experiment.candidate import Candidate
from lib.pages import against, common
from lib.stats import Interval
from lib.store.records import Record
from lib.store.run import Run
from lib.text import Text
from lib.verdict import enough
from lib.verdict.check import CALLERS, WORDS, Check, Outcome, missing, not_asked

MEGABYTE = 1e6


def answers(run: Run, accept: Accept, candidate: Candidate) -> Iterable[Check]:
    """Accuracy and agreement: what the candidate answers on all test images."""
    labelled, limit = against.labelled(run), accept.agreement
    if limit is None and not labelled:
        limit = AGREEMENT
    yield (
        accuracy(run, accept.accuracy_loss_points, candidate)
        if labelled
        else Check("accuracy_loss_points", "not_asked", WORDS("reasons.unlabelled"))
    )
    yield agreement(run, limit, candidate)


def accuracy(run: Run, limit: float | None, candidate: Candidate) -> Check:
    """Whether a larger loss than `limit` percentage points is ruled out, by the paired interval; a gain is no loss."""
    name, unit = "accuracy_loss_points", "percentage points"
    if limit is None:
        return not_asked(name)
    record = run.find("accuracy", candidate)
    counts = common.only(record)
    if counts is None:
        return _by_changes(run, candidate, limit, unit) or _unpaired(name, limit, unit, record)
    points, margin = common.percent(stats.paired(*counts)), limit / 100
    told = {"within": "passed", "over": "failed", "undecided": "undecided"}[stats.loss(*counts, margin)]
    more = _more("images", enough.for_loss(*counts, margin)) if told == "undecided" else Text("", "")
    says = WORDS(f"checks.loss_{told}", points=points, limit=limit, n=counts[2], enough=more)
    return Check(name, told, says, limit, -points.value, -points.high, -points.low, unit, counts[2])  # type: ignore[arg-type]


def _by_changes(run: Run, candidate: Candidate, limit: float, unit: str) -> Check | None:
    """Where nobody recorded which images each has right: no more accuracy can be lost than images change class. None where that may be
    more than the limit."""
    record = run.find("agreement", candidate)
    if record is None or record.value is None:
        return None
    correct, total = record.stats["correct"], record.stats["total"]
    most = 100 * stats.wilson(total - correct, total).high
    says = WORDS("checks.loss_by_changes", most=most, limit=limit)
    return Check("accuracy_loss_points", "passed", says, limit, None, -most, most, unit, total) if most <= limit else None


def _unpaired(name: str, limit: float, unit: str, record: Record | None) -> Check:
    """Without counts paired by image."""
    there = record is not None and record.value is not None
    return Check(name, "undecided", WORDS("reasons.unpaired"), limit, unit=unit) if there else missing(name, limit, unit, record)


def agreement(run: Run, limit: float | None, candidate: Candidate) -> Check:
    """Whether at least so large a share of the images surely has the reference's class."""
    name, unit = "agreement", "share of images"
    if limit is None:
        return not_asked(name)
    record = run.find("agreement", candidate)
    if record is None or record.value is None:
        return missing(name, limit, unit, record)
    correct, total = record.stats["correct"], record.stats["total"]
    found = stats.wilson(correct, total)
    told = _side(found, at_least=limit)
    more = _more("images", enough.for_share(correct, total, limit)) if told == "undecided" else Text("", "")
    says = WORDS(f"checks.agreement_{told}", share=common.percent(found), limit=100 * limit, n=total, enough=more)
    return Check(name, told, says, limit, *found, unit, total)


def latency(run: Run, limit: float | None, candidate: Candidate) -> Check:
    """Whether 99 of 100 calls with one image surely take no longer than `limit` ms, end to end.

    The p99 is of all calls of all rounds. Records hold no single calls, so its interval is as wide, relative to it, as that of the mean
    over rounds.
    """
    name, unit = "latency_p99_ms", "ms"
    if limit is None:
        return not_asked(name)
    record = common.latency(run, candidate, scope="end_to_end", batch_size=1)
    if record is None or record.value is None:
        return missing(name, limit, unit, record)
    calls, p99 = record.stats.get("n"), record.stats.get("p99")
    if p99 is None:
        return _without_p99(record, limit, name, unit, CALLERS[candidate.runner])
    mean = stats.time(record.samples)
    found = Interval(p99, p99 * mean.low / mean.value, p99 * mean.high / mean.value)
    told = _believed(run, record, _side(found, at_most=limit))
    more = _more("rounds", enough.for_time(record.samples, limit / p99)) if told == "undecided" else Text("", "")
    says = _speed("latency", told, run, record, caller=CALLERS[candidate.runner], time=found, limit=limit, enough=more)
    return Check(name, told, says, limit, *found, unit, calls)


def _without_p99(record: Record, limit: float, name: str, unit: str, caller: str) -> Check:
    """Too few calls for a p99; it is at least what a lower percentile is."""
    calls, least = record.stats.get("n"), max(v for v in (record.stats.get(p) for p in ("p50", "p90", "p95")) if v is not None)
    mean = stats.time(record.samples)
    if least * mean.low / mean.value > limit and not common.one_block(record):
        says = WORDS("checks.latency_below_p99", least=least, limit=limit, caller=caller)
        return Check(name, "failed", says, limit, least, unit=unit, n=calls)
    says = WORDS("checks.latency_too_few", n=calls or 0, needed=stats.needed(99), caller=caller)
    return Check(name, "undecided", says, limit, unit=unit, n=calls)


def throughput(run: Run, limit: float | None, candidate: Candidate, batch: int) -> Check:
    """Whether surely as many images a second go through, end to end, at the one batch size at which the profile compares."""
    name, unit = "throughput", "images/s"
    if limit is None:
        return not_asked(name)
    record = common.latency(run, candidate, scope="end_to_end", batch_size=batch)
    if record is None or record.value is None:
        return missing(name, limit, unit, record)
    found = common.rate(record)
    told = _believed(run, record, _side(found, at_least=limit))
    more = _more("rounds", enough.for_time(record.samples, found.value / limit)) if told == "undecided" else Text("", "")
    values = {"rate": found, "limit": limit, "batch": batch, "caller": CALLERS[candidate.runner]}
    says = _speed("throughput", told, run, record, enough=more, **values)
    return Check(name, told, says, limit, *found, unit, len(record.samples))


def size(run: Run, limit: float | None, candidate: Candidate) -> Check:
    """Whether the plan is small enough."""
    name, unit = "plan_mb", "MB"
    if limit is None:
        return not_asked(name)
    record = run.find("file_size", candidate)
    if record is None or record.value is None:
        return missing(name, limit, unit, record)
    value = record.value / MEGABYTE
    told: Outcome = "passed" if value <= limit else "failed"
    return Check(name, told, WORDS(f"checks.plan_{told}", value=value, limit=limit), limit, value, unit=unit)


def in_cpp(run: Run, asked: bool, candidate: Candidate) -> Check:
    """Whether C++ and Python give every test image the same class with the same engine."""
    name, unit = "same_in_cpp", "share of images"
    if not asked:
        return not_asked(name)
    python, cpp = (Candidate(runner, candidate.precision) for runner in ("tensorrt", "cpp"))
    pairs = [(cpp, python), (python, cpp)]
    record = next((r for a, b in pairs for r in run.everywhere("pair_agreement", candidate=a, case={"other": b.key})), None)
    if record is None or record.value is None:
        lacking = [run.find("agreement", each) for each in (cpp, python)]
        why = next((each for each in lacking if each is not None and each.reason), record)
        return missing(name, 1.0, unit, why)
    total = record.stats["total"]
    differ = total - record.stats["correct"]
    told: Outcome = "failed" if differ else "passed"
    return Check(name, told, WORDS(f"checks.cpp_{told}", differ=differ, n=total), 1.0, record.value, unit=unit, n=total)


def random_input(run: Run) -> bool:
    """Whether the answers are to random input, which says nothing of those to images."""
    return run.measured and run.info.dataset == RANDOM


def _side(found: Interval, at_least: float | None = None, at_most: float | None = None) -> Outcome:
    """passed, failed: the whole interval lies on that side of the limit."""
    if at_least is not None:
        return "passed" if found.low >= at_least else "failed" if found.high < at_least else "undecided"
    assert at_most is not None
    return "passed" if found.high <= at_most else "failed" if found.low > at_most else "undecided"


def _believed(run: Run, record: Record, told: Outcome) -> Outcome:
    """What timings can decide: in one block of calls nothing, and what missed a limit on a disturbed machine may keep it on another."""
    return "undecided" if common.one_block(record) or (told == "failed" and not common.undisturbed(run, record)) else told


def _speed(what: str, told: Outcome, run: Run, record: Record, **values: object) -> Text:
    """The sentence of a speed; undecided for what its timings are not good for, or by its interval."""
    key = "one_block" if common.one_block(record) else "disturbed" if told == "undecided" and not common.undisturbed(run, record) else ""
    return WORDS(f"checks.{what}_{told}", **values | ({"enough": WORDS(f"parts.{key}")} if key else {}))


def _more(what: str, count: int | None) -> Text:
    return WORDS(f"parts.{what}", count=count) if count is not None else WORDS("parts.on_the_limit")
