"""Who a finding is about, and why there is no number, so short that its first sentence is read in a glance: names and long reasons follow
in a sentence of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from lib.experiment.candidate import PLAIN, Candidate, listed, ordered
from lib.text import Text
from lib.words import COMMON

NAMED = 2  # that stand in a sentence by their names; of more it says how many
SHORT_REASON = 12, 45  # English words and Japanese letters that stand in brackets
NOTHING = Text("", "")


def of(found: Collection[Any], noun: str = "candidates", total: int = 0, said: Any = None) -> dict[str, Text]:
    """Values of a finding on some candidates, or on what is called by a Text: `who`, their names or how many they are (of `total`, where
    that is said); `which`, a sentence with the names that `who` does not tell, to be put behind a full stop, or nothing.

    noun: what they are, the beginning of keys of `who` in lib/words.yaml; said: what tells all names, where that is not their list.
    """
    candidates = all(isinstance(one, Candidate) for one in found)
    names = ordered(found) if candidates else list(found)
    if len(names) > NAMED:
        key = noun if not total else f"{noun}_all" if len(names) == total else f"{noun}_of"
        which = COMMON("who.which", what=said or (listed(names) if candidates else names))
        return {"who": COMMON(f"who.{key}", count=len(names), total=total), "which": which}
    return {"who": COMMON("who.one", a=names[0]) if len(names) == 1 else _both(*names), "which": NOTHING}


def because(why: Text) -> Text:
    """The end of a sentence, full stop and all, with a reason: in brackets, or in a sentence of its own where it is long."""
    words, letters = SHORT_REASON
    short = len(why.en.split()) <= words and len(why.ja) <= letters
    return COMMON("who.because" if short else "who.because_long", why=why)


def at(sizes: Iterable[int], why: Text) -> Text:
    """A reason, with the batch sizes at which it holds; 0 is none."""
    told = [str(size) for size in sorted(set(sizes)) if size]
    return COMMON("captions.at_batch", sizes=told, why=why) if told else why


def _both(a: Any, b: Any) -> Text:
    """Two of them, without saying twice what both are."""
    if isinstance(a, Candidate) and a.way == b.way == PLAIN and a.runner == b.runner:
        return COMMON("who.same_runner", runner=a.runner_label, a=a.precision_label, b=b.precision_label)
    if isinstance(a, Candidate) and a.way == b.way == PLAIN and a.precision == b.precision:
        return COMMON("who.same_precision", precision=a.precision_label, a=a.runner_label, b=b.runner_label)
    return COMMON("who.both", a=a, b=b)
