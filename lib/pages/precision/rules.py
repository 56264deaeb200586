"""What notebook 07's numbers say, by rule: nothing is called harmless that was not shown to be."""

from __future__ import annotations

from collections import defaultdict

from lib.experiment.candidate import Candidate, ordered
from lib.pages import against, causes, common
from lib.stats import Interval
from lib.store.records import Record
from lib.store.run import Run
from lib.text import Text
from lib.words import Finding, Words

W = Words(__file__)


def findings(run: Run) -> list[Finding]:
    """All findings of notebook 07."""
    if not run.measured:
        return []
    accuracies = [one for candidate in candidates(run) if (one := run.find("accuracy", candidate))]
    chance = common.at_chance(run, accuracies)
    made = common.disturbed(run) + chance
    made += [] if chance else common.losses(accuracies)  # of a classifier at chance level nothing is said that could sound like a result
    made += causes.usual(run, accuracies) + against.unlabelled(run) + below_minimum(run) + speed(run) + repeated(run)
    every = [*run.records("accuracy", case={}), *run.records("load_time"), *asked(run)]
    return made + common.failures(every) + common.unsettled(run, latencies(run)) + common.unmeasured(every)


def candidates(run: Run) -> list[Candidate]:
    """Everything this page has a row for, the reference first."""
    found = run.candidates("load_time") or [r.candidate for r in run.everywhere("accuracy", case={}) if r.candidate]
    return sorted(dict.fromkeys(found), key=lambda candidate: candidate != run.profile.reference)


def latencies(run: Run) -> dict[Candidate, Record]:
    """The end-to-end latency at the profile's batch size of what was measured."""
    size = run.profile.precision.batch_size if run.measured else 0
    return {candidate: curve[size] for candidate, curve in common.curves(run).items() if size in curve}


def below_minimum(run: Run) -> list[Finding]:
    """Red for the reference where its accuracy is below the profile's minimum."""
    reference, train = run.profile.reference, run.profile.train
    reached, minimum = common.value(run, "accuracy", reference), train.minimum_accuracy if train else 0
    if reached is None or reached >= minimum:
        return []
    return [W.finding("bad", "below_minimum", candidate=reference, accuracy=reached, minimum=minimum)]


def speed(run: Run) -> list[Finding]:
    """What is fastest, with all that cannot be told from it, and what is slower than FP32 of its own backend."""
    found = latencies(run)
    if not found or not common.calm(run):
        return []
    size = run.profile.precision.batch_size
    top = max(found, key=lambda candidate: common.rate(found[candidate]).value)
    others = ordered(common.contenders(run, found) - {top})
    key = "fastest_among" if others else "fastest"
    made = [W.finding("note", key, candidate=top, rate=common.rate(found[top]), batch=size, others=others)]
    return made + [W.finding("note", "slower", candidate=c, ratio=apart) for c, apart in common.slower(run, found).items()]


def repeated(run: Run) -> list[Finding]:
    """Whether pages that timed the same model at the same batch size agree: intervals over rounds that overlap, or a small ratio."""
    by: dict[tuple, dict[str, Interval]] = defaultdict(dict)
    for stage in run.files:
        for record in run.of(stage).records("latency", scope="end_to_end"):
            if record.value is not None and record.artifact_sha256:
                by[record.candidate, record.batch_size, record.artifact_sha256].setdefault(stage, common.rate(record))
    twice, apart = {key: rates for key, rates in by.items() if len(rates) > 1}, list[Text]()
    configurations = 0
    for (candidate, *_), ((first, one), *others) in ((key, rates.items()) for key, rates in twice.items()):
        there = [stage[:2] for stage, other in others if one.low > other.high or other.low > one.high]
        apart += [Text(f"{candidate.label.en} ({first[:2]}, {then})", f"{candidate.label.ja}（{first[:2]}、{then}）") for then in there]
        configurations += bool(there)
    if not twice:
        return []
    level, key = ("warn", "repeated_apart") if apart else ("good", "repeated")
    return [W.finding(level, key, what=apart, apart=configurations, count=len(twice))]  # type: ignore[arg-type]


def asked(run: Run) -> list[Record]:
    """Latencies at this page's batch size, those without a number included."""
    return common.timed(run).records("latency", batch_size=run.profile.precision.batch_size, scope="end_to_end")
