"""Claims that need no records: their own numbers answer them, or nothing can."""

from __future__ import annotations

import math

from lib.pages.claims import claims, evidence
from lib.pages.claims.claims import W
from lib.pages.claims.verdicts import Answer
from lib.text import Text


def absolute(rule: claims.Absolute) -> Answer:
    """An amount of another machine: never compared."""
    return Answer("unknown", W("why.absolute", hardware=claims.read().hardware))


def own(rule: claims.Own) -> Answer:
    """A ratio of two of their own numbers."""
    met = evidence.met(rule)
    said = f"{rule.a / rule.b:.2f}×"
    return Answer("holds" if met else "fails", W("why.own_met" if met else "why.own_numbers"), Text(said, said))


def baseline(rule: claims.Baseline) -> Answer:
    """One configuration that has two numbers."""
    apart = evidence.spread(rule)
    alike = apart <= 1 + claims.ROUNDED
    return Answer("holds" if alike else "fails", W("why.bases_alike" if alike else "why.bases_apart", apart=apart))


def transfers(rule: claims.Transfers) -> Answer:
    """How many calls so many images are."""
    calls = math.ceil(rule.images / rule.batch)
    key = "transfers" if calls == rule.claimed else "other_transfers"
    return Answer("holds" if calls == rule.claimed else "fails", W(f"why.{key}", images=rule.images, batch=rule.batch, calls=calls))


def guessed(rule: claims.Guessing) -> Answer:
    """What is said to work, by how many images it had right."""
    counts = claims.Counts(kind="counts", correct=rule.correct, total=rule.total, classes=rule.classes)
    return Answer("fails" if evidence.guess(counts) else "holds", evidence.shown(counts))


def unlike(rule: claims.Times) -> Answer | None:
    """A ratio that no machine of ours can tell; None where it could be told."""
    return Answer("unknown", W(f"why.unlike_{rule.unlike}")) if rule.unlike else None
