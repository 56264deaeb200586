"""The tables of notebook 09: how many claims came to what, every claim with its answer, what the original's own numbers show."""

from __future__ import annotations

from typing import Any

from lib.pages.claims import claims, evidence
from lib.pages.claims.answers import Answered
from lib.pages.claims.claims import TOPICS, Claim, W
from lib.pages.claims.verdicts import VERDICTS
from lib.show.columns import columns
from lib.show.table import Column, Table
from lib.text import Text

NO_NUMBER = Text("–", "–")


def tally(told: list[Answered]) -> Table:
    """One row a topic: how many of its claims came to what."""
    rows: list[dict[str, Any]] = []
    for topic in (*TOPICS, "all"):
        own = [one for one in told if topic in (one.claim.topic, "all")]
        row = {"topic": W(f"topics.{topic}"), "claims": len(own)}
        rows.append(row | {verdict: sum(one.answer.verdict == verdict for one in own) for verdict in VERDICTS})
    counts = [Column("claims", W("columns.claims"), digits=0), *(Column(v, W(f"verdicts.{v}"), digits=0) for v in VERDICTS)]
    return Table(rows, [*columns(W, "topic"), *counts], W("captions.tally"))


def ledger(told: list[Answered], topic: str) -> Table:
    """One row a claim of a topic: what was claimed, the verdict, their number beside ours, why, where it stood, what answered it."""
    rows = [
        {
            "claim": one.claim.said.text,
            "verdict": W(f"verdicts.{one.answer.verdict}"),
            "theirs": theirs(one.claim),
            "ours": one.answer.ours if one.answer.ours.en else NO_NUMBER,
            "why": one.answer.why,
            "where": where(one.claim),
            "answered_by": one.system if one.system.en else NO_NUMBER,
        }
        for one in told
        if one.claim.topic == topic
    ]
    return Table(rows, columns(W, "claim verdict theirs ours why where answered_by"), W(f"captions.{topic}"))


def own_numbers(told: list[Answered]) -> Table:
    """What the original's own numbers show of its claims, a row each."""
    rows = []
    for one in told:
        shown = [evidence.shown(each) for each in one.claim.evidence]
        rows += [{"claim": one.claim.label.text, "shows": text, "where": where(one.claim)} for text in shown]
    return Table(rows, columns(W, "claim shows where"), W("captions.own_numbers"))


def where(claim: Claim) -> Text:
    """Documents and sections that a claim stood in."""
    documents = claims.read().documents
    every = [W("said.place", document=documents[place.document].text, section=place.text) for place in claim.places]
    return Text("; ".join(text.en for text in every), "、".join(text.ja for text in every))


def theirs(claim: Claim) -> Text:
    """The number that was claimed, or what was in place of one."""
    rule = claim.rule
    if isinstance(rule, (claims.Times, claims.Version, claims.Own)):
        return W("theirs.times", claimed=rule.claimed) if rule.claimed else W("theirs.more")
    if isinstance(rule, claims.Accuracy):
        return W("theirs.share", share=100 * rule.claimed)
    if isinstance(rule, claims.Same):
        limit = f"{rule.limit:.7f}".rstrip("0") if rule.limit else ""
        return W("theirs.limit", limit=limit) if limit else W("theirs.same" if rule.allowed else "theirs.batches")
    if isinstance(rule, claims.Baseline):
        return W("theirs.baseline", used=rule.used, other=rule.other)
    if isinstance(rule, claims.Guessing):
        return W("theirs.right", correct=rule.correct, total=rule.total)
    if isinstance(rule, claims.Transfers):
        return W("theirs.transfers", calls=rule.claimed)
    if isinstance(rule, claims.Best):
        return W("theirs.batch", batch=rule.batch)
    if isinstance(rule, claims.Absolute):
        return Text(rule.claimed, rule.claimed)
    return W(f"theirs.{rule.kind}")
