"""What training came to, by rule: accuracy against chance and the profile's minimum, confusions."""

from __future__ import annotations

import numpy as np

from lib import stats
from lib.pages import common
from lib.pages.classes import Confusion
from lib.store.records import Record
from lib.store.run import Run
from lib.words import Finding, Words

W = Words(__file__)


def findings(run: Run) -> list[Finding]:
    """What the numbers say."""
    one = run.find("accuracy", run.profile.reference)
    if one is None:
        return []
    if one.value is None:
        return common.failures([one]) + common.unmeasured([one])
    return [_accuracy(run, one), *_confused(run)]


def _accuracy(run: Run, one: Record) -> Finding:
    share, minimum = stats.wilson(one.stats["correct"], one.stats["total"]), run.profile.train.minimum_accuracy
    values = {"images": one.stats["total"], "accuracy": common.share(one), "minimum": minimum, "chance": common.chance(run, one)}
    if stats.at_chance(one.stats["correct"], one.stats["total"], values["chance"]):
        return W.finding("bad", "at_chance", **values)
    if share.value < minimum:
        return W.finding("bad", "below_minimum", **values)
    return W.finding("note", "reaches_below", **values) if share.low < minimum else W.finding("good", "over_minimum", **values)


def _confused(run: Run) -> list[Finding]:
    """The pair of classes that is confused most often, if any is."""
    matrix = run.exhibit("confusion", Confusion)
    if matrix is None:
        return []
    counts = np.array(matrix.counts)
    mistakes = counts - np.diag(np.diag(counts))
    if not mistakes.any():
        return []
    truth, taken = np.unravel_index(mistakes.argmax(), mistakes.shape)
    values = {"truth": matrix.classes[truth], "taken": matrix.classes[taken]}
    return [W.finding("note", "confused", **values, count=int(mistakes[truth, taken]), total=int(counts[truth].sum()))]
