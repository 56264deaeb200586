"""Each claim answered by its rule, from the records of this system or of one beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lib.pages import common
from lib.pages.claims import claims, documents, evidence, images, numbers, ratios
from lib.pages.claims.claims import Claim, W
from lib.pages.claims.verdicts import NOTHING, Answer
from lib.pages.cross_version.systems import System
from lib.store.records import Reason
from lib.store.run import Run
from lib.text import Text


@dataclass(frozen=True)
class Answered:
    """A claim with its answer. system: what answered it, empty where no records were needed or none were there."""

    key: str
    claim: Claim
    answer: Answer
    system: Text = NOTHING


def answered(run: Run) -> list[Answered]:
    """Every claim of the ledger, in its order: by this system's records, else by those of a system beside it that has the numbers."""
    found = numbers.sources(run)
    return [_answered(key, claim, found) for key, claim in claims.read().claims.items()]


def _answered(key: str, claim: Claim, found: list[System]) -> Answered:
    rule = claim.rule
    if rule.kind in WITHOUT:
        return Answered(key, claim, WITHOUT[rule.kind](rule))
    first: Answered | None = None
    for system in found:
        told = RULES[rule.kind](rule, system.run)
        if isinstance(told, Answer):
            return Answered(key, claim, _though(claim, told), numbers.machine(system))
        first = first or _lacking(key, claim, told)
    one = first or _lacking(key, claim, common.NOT_RECORDED)
    if evidence.refutes(claim.evidence):
        return replace(one, answer=Answer("fails", W("why.own_numbers")))
    by_itself = BY_ITSELF.get(rule.kind, lambda rule: None)(rule)
    return replace(one, answer=by_itself) if by_itself else one


def _though(claim: Claim, answer: Answer) -> Answer:
    """A claim may hold though what it was drawn from does not show it."""
    few = any(isinstance(one, claims.Counts) for one in claim.evidence)
    return replace(answer, why=W("why.not_shown", why=answer.why)) if few and answer.verdict == "holds" else answer


def _lacking(key: str, claim: Claim, reason: Reason) -> Answered:
    return Answered(key, claim, Answer("unmeasured", reason.text))


RULES: dict[str, Callable[[Any, Run], Answer | Reason]] = {
    "times": ratios.times,
    "version": ratios.version,
    "best": ratios.best,
    "loss": images.loss,
    "accuracy": images.accuracy,
    "same": images.same,
    "batches": images.batches,
    "ran": images.ran,
    "guessing": images.guessing,
}
WITHOUT: dict[str, Callable[[Any], Answer]] = {
    "absolute": documents.absolute,
    "own": documents.own,
    "baseline": documents.baseline,
    "transfers": documents.transfers,
}
# Where no system has our number.
BY_ITSELF: dict[str, Callable[[Any], Answer | None]] = {"guessing": documents.guessed, "times": documents.unlike}
