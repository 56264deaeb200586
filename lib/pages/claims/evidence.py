"""What the original's own numbers show of a claim, by rule: nothing here comes from our records."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lib import stats
from lib.pages import common
from lib.pages.claims.claims import ROUNDED, Baseline, Counts, Evidence, Note, Own, Runs, Unlike, W
from lib.stats import CONFIDENCE, Interval
from lib.text import Text


def shown(one: Evidence) -> Text:
    """It in words, with what follows from it."""
    if isinstance(one, Note):
        return one.text
    if isinstance(one, Counts):
        return _counts(one)
    if isinstance(one, Baseline):
        key = "baseline_claim" if one.claimed else "baseline"
        apart = spread(one)
        return W(f"evidence.{key}", used=one.used, other=one.other, apart=apart, claimed=one.claimed, left=(one.claimed or 0) / apart)
    if isinstance(one, Runs):
        return W("evidence.runs_zero" if time(one).low <= 0 else "evidence.runs", runs=one.runs, time=time(one))
    if isinstance(one, Unlike):
        return W("evidence.unlike", old=one.old, new=one.new, alike=one.alike, ratio=one.old / one.alike)
    return W("evidence.own", a=one.a, b=one.b, ratio=one.a / one.b, claimed=one.claimed)


def refutes(every: Iterable[Evidence]) -> bool:
    """Whether its own numbers say otherwise than the claim does: a ratio that they do not give, sizes of two precisions."""
    return any(isinstance(one, Unlike) or (isinstance(one, Own) and not met(one)) for one in every)


def met(one: Own) -> bool:
    """Whether two numbers give the ratio that is claimed of them."""
    return 1 / (1 + ROUNDED) <= one.a / one.b / one.claimed <= 1 + ROUNDED


def spread(one: Baseline) -> float:
    """How many times the larger of two throughputs of one configuration is the smaller."""
    return max(one.used, one.other) / min(one.used, one.other)


def guess(one: Counts) -> bool:
    """Whether so many right images cannot be told from guessing among the classes."""
    return one.classes is not None and stats.at_chance(one.correct, one.total, 1 / one.classes)


def time(one: Runs) -> Interval:
    """The mean (s) with Student's interval of so few runs; it may reach below 0."""
    from scipy.stats import t

    half = float(t.ppf((1 + CONFIDENCE) / 2, one.runs - 1)) * one.deviation / math.sqrt(one.runs)
    return Interval(one.mean, one.mean - half, one.mean + half)


def _counts(one: Counts) -> Text:
    share = common.percent(stats.wilson(one.correct, one.total))
    values = {"correct": one.correct, "total": one.total, "share": share}
    if guess(one):
        return W("evidence.guess", **values, chance=100 / (one.classes or 1))
    return W("evidence.few", **values)
