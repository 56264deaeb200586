"""What notebook 09 says by rule: how many claims hold, which faults explain the others, on what hardware."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lib.pages.claims import claims, evidence, numbers
from lib.pages.claims.answers import Answered, answered
from lib.pages.claims.claims import W
from lib.pages.claims.verdicts import VERDICTS
from lib.store.run import Run
from lib.words import Finding


def findings(run: Run) -> list[Finding]:
    """At most five, all of them notes: what another project claimed is no fault of the model at hand."""
    told = answered(run)
    return [finding for rule in (_tally, _guessed, _bases, _holding) for finding in rule(told)] + list(_hardware(run))


def _tally(told: list[Answered]) -> Iterator[Finding]:
    """How many came to what."""
    counts = {verdict: sum(one.answer.verdict == verdict for one in told) for verdict in VERDICTS}
    yield W.finding("note", "tally", total=len(told), **counts)


def _guessed(told: list[Answered]) -> Iterator[Finding]:
    """Claims about accuracy that rest on a model which only guesses."""
    for one in told:
        for shown in one.claim.evidence:
            if one.claim.rule.kind == "loss" and isinstance(shown, claims.Counts) and evidence.guess(shown):
                yield W.finding("note", "guessed", claim=one.claim.label.text, evidence=evidence.shown(shown))


def _bases(told: list[Answered]) -> Iterator[Finding]:
    """Speed-ups that count from one of two baselines which lie far apart."""
    shown = {
        one.claim.label.text: each for one in told for each in one.claim.evidence if isinstance(each, claims.Baseline) and each.claimed
    }
    apart = [each for each in shown.values() if evidence.spread(each) > 1 + claims.ROUNDED]
    if apart:
        first = apart[0]
        yield W.finding("note", "bases", used=first.used, other=first.other, apart=evidence.spread(first), what=list(shown))


def _holding(told: list[Answered]) -> Iterator[Finding]:
    """What holds."""
    if good := [one.claim.label.text for one in told if one.answer.verdict == "holds"]:
        counts = Counter(one.claim.topic for one in told if one.answer.verdict == "holds")
        topics = [W("said.topic", topic=W(f"topics.{topic}"), count=count) for topic, count in counts.items()]
        yield W.finding("note", "holding", what=good, topics=topics)


def _hardware(run: Run) -> Iterator[Finding]:
    """That the machines are others."""
    found = [numbers.machine(system) for system in numbers.sources(run)]
    if found:
        yield W.finding("note", "hardware", theirs=claims.read().hardware, ours=found)
