"""What a user's own model and its data come to, by rule: accuracy, what would make it better, what its images cannot tell."""

from __future__ import annotations

from typing import NamedTuple

from lib import stats
from lib.data.dataset import RANDOM
from lib.pages import common
from lib.pages.model.exhibits import Facts, Preprocessing, Statistics
from lib.stats import Interval
from lib.store.records import Record
from lib.store.run import Run
from lib.text import Text
from lib.words import Finding, Words

W = Words(__file__)
ALPHA = 1 - stats.CONFIDENCE
KEYS = {"probed": "better", "probed_labels": "better_labels"}  # metric -> finding of what does better
OWN = "own"  # kind of the profile's own choice
USUAL_STD = 0.25  # of an image's pixels from 0 to 1, about; ImageNet's are 0.22 to 0.23 a channel
FAR_MEAN, LEAST_STD, MOST_STD = 1.0, 0.3, 3.0  # in units of the expected standard deviation; beyond them the input is doubtful


class Tried(NamedTuple):
    """A usual mistake in place of the profile's choice. own: images that the profile's choice has right; apart: its accuracy minus the
    own one's, percentage points, paired by image; better: beyond this interval, and by McNemar's test adjusted for all that were tried."""

    record: Record
    own: int
    apart: Interval
    better: bool


def findings(run: Run) -> list[Finding]:
    """What the numbers say."""
    if not run.measured:
        return []
    better = _better(run)
    return better + _accuracy(run, bool(better)) + _none_better(run) + _data(run) + _input(run) + _batch(run)


def tried(run: Run, metric: str = "probed") -> list[Tried]:
    """What was tried in place of the profile's choice and gave classes, what gets most images right first. metric: probed (preprocessing)
    or probed_labels."""
    found = [r for r in run.records(metric) if r.value is not None and r.case.get("kind") != OWN]
    counts = [(r.stats["only_own"], r.stats["only_choice"], r.stats["total"]) for r in found]
    adjusted = stats.holm([stats.mcnemar(own, choice) for own, choice, _ in counts])
    made = []
    for one, (own, choice, total), p in zip(found, counts, adjusted, strict=True):
        apart = stats.paired(own, choice, total)
        made.append(Tried(one, one.stats["correct"] - choice + own, common.percent(apart), apart.low > 0 and p < ALPHA))
    return sorted(made, key=lambda each: -each.apart.value)


def choice(record: Record) -> Text:
    """What was tried, in words."""
    kind, name, known = str(record.case.get("kind", "")), str(record.case.get("choice", "")), W.groups["choices"]
    key = next((key for key in (f"{kind}_{name}", kind) if key in known), "")
    return W(f"choices.{key}", choice=name) if key else Text(f"{kind} {name}", f"{kind} {name}")


def kind(record: Record) -> Text:
    """Of what it is another choice, in words."""
    name = str(record.case.get("kind", ""))
    return W.groups["kinds"].get(name, Text(name, name))


def name(record: Record) -> Text:
    """The choice itself: as the profile writes it, or in words where it has none for it."""
    name = str(record.case.get("choice", ""))
    return W.groups["names"].get(name, Text(name, name))


def lines(record: Record) -> list[str]:
    """What to write into the profile for it."""
    return str(record.case.get("line", "")).splitlines()


def promised(run: Run) -> list[float] | None:
    """The standard deviation of the input, a number a channel, that the profile's mean and std are there to make, beside a mean of 0.

    std alone makes it 1; where none is given it is that of usual images at the profile's scale. None where there is neither.
    """
    rules = run.exhibit("preprocessing", Preprocessing)
    if rules is None or not (any(rules.mean) or set(rules.std) - {1.0}):
        return None
    return [1.0 if set(rules.std) - {1.0} else USUAL_STD * 255 * rules.scale] * len(rules.mean)


def _accuracy(run: Run, explained: bool) -> list[Finding]:
    """explained: whether something that was tried does better."""
    one = run.find("accuracy", run.profile.reference)
    if one is None or (one.reason and one.reason.key == "no_labels"):  # `_data` says it
        return []
    if one.value is None:
        return common.failures([one]) + common.unmeasured([one])
    if guesses := common.at_chance(run, [one]):
        return guesses if explained else [*guesses, W.finding("note", "chance_means")]
    return [W.finding("good", "accuracy", images=one.stats["total"], accuracy=common.share(one), chance=common.chance(run, one))]


def _better(run: Run) -> list[Finding]:
    """Red for what does best of all that was tried, if it does better than the profile: a wrong input makes classes look as if they had
    changed places, and the other way round, so that only the greater gain is the mistake."""
    tops = {key: next((each for each in tried(run, metric) if each.better), None) for metric, key in KEYS.items()}
    found = {key: top for key, top in tops.items() if top is not None}
    key = max(found, key=lambda key: found[key].apart.value, default="")
    return [W.finding("bad", key, **_said(found[key]))] if key else []


def _none_better(run: Run) -> list[Finding]:
    """What was tried and is no better, preprocessing and labels each."""
    found = []
    for metric, key in (("probed", "none_better"), ("probed_labels", "labels_fit")):
        if (every := tried(run, metric)) and not any(each.better for each in every):
            found.append(W.finding("note", key, count=len(every), total=every[0].record.stats["total"]))
    return found


def _said(best: Tried) -> dict[str, object]:
    stats, which = best.record.stats, W.groups["halves"].get(str(best.record.case.get("kind")), Text("", ""))
    values = {"choice": choice(best.record), "lines": lines(best.record), "which": which}
    return values | {"correct": stats["correct"], "total": stats["total"], "own": best.own, "points": best.apart}


def _data(run: Run) -> list[Finding]:
    """What the images lack."""
    if run.info.dataset == RANDOM:
        return [W.finding("note", "random_input")]
    found, one = list[Finding](), run.find("accuracy", run.profile.reference)
    if broken := common.value(run, "left_out"):
        found.append(W.finding("warn", "left_out", count=int(broken)))
    if one is not None and one.reason and one.reason.key == "no_labels":
        found.append(W.finding("note", "no_labels"))
    if common.value(run, "images", case={"split": "calibration"}) == 0:
        found.append(W.finding("note", "no_calibration"))
    return found


def _input(run: Run) -> list[Finding]:
    """Amber where the input is far from what mean and std are there to make of it."""
    seen, units = run.exhibit("statistics", Statistics), promised(run)
    if seen is None or units is None or run.info.dataset == RANDOM:
        return []
    off = [(m / unit, s / unit) for m, s, unit in zip(seen.mean, seen.std, units, strict=True)]
    if all(abs(mean) <= FAR_MEAN and LEAST_STD <= std <= MOST_STD for mean, std in off):
        return []
    values = {"mean": [f"{value:.2f}" for value in seen.mean], "std": [f"{value:.2f}" for value in seen.std]}
    return [W.finding("warn", "input_far", **values, expected=units[0])]


def _batch(run: Run) -> list[Finding]:
    """What a model of one batch size costs."""
    facts = run.exhibit("facts", Facts)
    return [W.finding("note", "fixed_batch", batch=facts.batch)] if facts is not None and facts.batch is not None else []
