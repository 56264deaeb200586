"""What is asked of a candidate and what came out: a check, and all of one candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lib.experiment.candidate import Candidate
from lib.store.records import Record
from lib.text import Text
from lib.words import Words

WORDS = Words(__file__)
Outcome = Literal["passed", "failed", "undecided", "not_asked"]
Decision = Literal["accepted", "rejected", "undecided"]
CALLERS = {"tensorrt": "Python", "cpp": "C++"}  # runner -> what calls the engine
EXIT: dict[Decision, int] = {"accepted": 0, "rejected": 3, "undecided": 4}


@dataclass(frozen=True)
class Check:
    """One limit held against what was measured.

    name: key of `names` in the words, for limits that of the profile's section; says: what came out, with numbers, or why nothing did;
    limit, value, low, high: in `unit`, None where there is none; n: images, calls or rounds behind the value; stages: whose findings
    decided it; why: there is no number.
    """

    name: str
    outcome: Outcome
    says: Text
    limit: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    n: int | None = None
    stages: tuple[str, ...] = ()
    why: Text | None = None


@dataclass(frozen=True)
class Judged:
    """A candidate with all its checks. tensorrt: name and version where it is one of several TensorRTs beside each other, else ""."""

    candidate: Candidate
    checks: tuple[Check, ...]
    tensorrt: str = ""

    @property
    def key(self) -> str:
        """The candidate's, with its TensorRT where that is one of several."""
        return f"{self.candidate.key} ({self.tensorrt})" if self.tensorrt else self.candidate.key

    @property
    def name(self) -> Text:
        """The same in words."""
        return WORDS("parts.on", what=self.label, on=self.tensorrt) if self.tensorrt else self.candidate.label

    @property
    def decision(self) -> Decision:
        """Rejected by one check that failed, else undecided by one that is, else accepted."""
        outcomes = {check.outcome for check in self.checks}
        return "rejected" if "failed" in outcomes else "accepted" if outcomes <= {"passed", "not_asked"} else "undecided"

    @property
    def decisive(self) -> tuple[Check, ...]:
        """The checks that decided: those that failed, else those that are undecided, else all that passed."""
        wanted = {"rejected": "failed", "undecided": "undecided", "accepted": "passed"}[self.decision]
        return tuple(check for check in self.checks if check.outcome == wanted)

    @property
    def reasons(self) -> tuple[tuple[Text, tuple[str, ...]], ...]:
        """(what decided, stages to look at), with all that was not measured for one reason told at once."""
        lacking: dict[Text, list[Text]] = {}
        for check in self.decisive:
            if check.why is not None:
                lacking.setdefault(check.why, []).append(WORDS.groups["names"][check.name])
        told: dict[Text, tuple[str, ...]] = {}
        for check in self.decisive:
            told[check.says if check.why is None else _unmeasured(lacking[check.why], check.why)] = check.stages
        return tuple(told.items())

    @property
    def label(self) -> Text:
        """What the candidate is called where TensorRT is named beside it."""
        return self.candidate.precision_label if self.candidate.runner == "tensorrt" else self.candidate.label


def not_asked(name: str) -> Check:
    """The profile names no such limit."""
    return Check(name, "not_asked", WORDS("reasons.not_asked"))


def missing(name: str, limit: float | None, unit: str, record: Record | None) -> Check:
    """Asked, and there is no number: undecided, with the record's reason."""
    why = record.reason.text if record is not None and record.reason else WORDS("reasons.not_recorded")
    return Check(name, "undecided", _unmeasured([WORDS.groups["names"][name]], why), limit, unit=unit, why=why)


def _unmeasured(names: list[Text], why: Text) -> Text:
    return WORDS("reasons.missing", what=names, why=why)
