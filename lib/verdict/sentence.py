"""The verdict in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from lib.experiment.candidate import Candidate
from lib.text import Text
from lib.verdict.check import CALLERS, WORDS, Check, Decision, Judged

NAMED = 2  # reasons that the sentence gives; the others stand below it


def told(judged: Sequence[Judged], decision: Decision, fastest: Sequence[Candidate], tensorrt: str, absent: Text | None) -> Text:
    """What may go to production, and why. fastest: of the accepted the one, or those that cannot be told apart, none where nothing ranks
    them; tensorrt: name and version; absent: why TensorRT did not run at all, None where it did."""
    on = tensorrt or "TensorRT"
    if decision == "accepted":
        return _accepted(judged, fastest, on)
    if absent is not None:
        return WORDS("sentences.absent", why=absent)
    alike: dict[Text, list[Text]] = {}
    for one in judged:
        if one.decision == decision:
            alike.setdefault(one.reasons[0][0], []).append(one.label)
    parts = [WORDS("parts.because", what=what, why=why) for why, what in list(alike.items())[:NAMED]]
    more = sum(map(len, list(alike.values())[NAMED:]))
    why = listing([*parts, *([WORDS("parts.and_more", count=more)] if more > 0 else [])]) if parts else WORDS("reasons.no_engine")
    return WORDS(f"sentences.{decision}", on=on, why=why)


def _accepted(judged: Sequence[Judged], fastest: Sequence[Candidate], on: str) -> Text:
    accepted = [one for one in judged if one.decision == "accepted"]
    named = [one for one in accepted if one.candidate in fastest] or accepted
    what = [one.label for one in named]
    callers = sorted({CALLERS[one.candidate.runner] for one in accepted}, reverse=True)  # Python first
    caller = WORDS("parts.or", a=callers[0], b=callers[1]) if len(callers) > 1 else callers[0]
    if len(named) > 1:
        key = "unranked" if not fastest else "alike" if len(named) == len(accepted) else "some"
        return WORDS(f"sentences.accepted_{key}", what=what, on=on, caller=caller)
    clauses = [check.says for check in named[0].decisive if _telling(check)] or [named[0].decisive[0].says]
    more = len(clauses) - NAMED
    why = listing([*clauses[:NAMED], *([WORDS("parts.and_limits", count=more)] if more > 0 else [])])
    key = "sentences.accepted_fastest" if len(accepted) > 1 else "sentences.accepted"
    return WORDS(key, what=what, on=on, why=why, count=len(accepted), caller=caller)


def _telling(check: Check) -> bool:
    """Whether a check that passed holds a number against a limit."""
    return check.limit is not None


def listing(texts: Sequence[Text]) -> Text:
    """Several clauses as one."""
    return Text("; ".join(text.en for text in texts), "；".join(text.ja for text in texts))
