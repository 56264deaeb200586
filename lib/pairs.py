"""The rows of notebooks 05 and 07: every runner at each of its precisions, with the reason where it cannot run here."""

from __future__ import annotations

from dataclasses import dataclass

from lib.precision import PRECISIONS, listed, named
from lib.text import Finding, Text

REFERENCE = ("savedmodel", "fp32")
CPP = Text("TensorRT (C++)", "TensorRT（C++）")


@dataclass(frozen=True)
class Pair:
    """One runner at one precision. reason: why this system cannot run it, None if it can.

    origin: where its stored answers come from, None unless another system gave them because this one cannot run it.
    failed: it should have run here and did not; the reason says how.
    """

    runner: str
    precision: str
    label: Text
    reason: Text | None
    origin: Text | None = None
    failed: bool = False

    @property
    def key(self) -> str:
        """`runner/precision`, as records name it."""
        return f"{self.runner}/{self.precision}"

    @property
    def answered(self) -> bool:
        """Whether its answers are to be had: it runs here, or another system's are stored."""
        return self.reason is None or self.origin is not None

    @property
    def name(self) -> Text:
        """Runner and precision in words."""
        return named(self.label, self.precision)


def all_pairs() -> list[Pair]:
    """Every pair of the report, the reference first, those of the runner that computes nothing left out."""
    from lib.runners import RUNNERS

    found = [
        Pair(name, precision, runner.label, runner.unavailable(precision))
        for name, runner in RUNNERS.items()
        if name != "null"
        for precision in runner.precisions
    ]
    return sorted(found, key=lambda pair: (pair.runner, pair.precision) != REFERENCE)


def missing_rows(pairs: list[Pair], column: str) -> list[dict[str, object]]:
    """Table rows of what has no answers: one a runner and reason, with its precisions; the reason stands in `column`."""
    groups: dict[tuple[Text, Text], list[Text]] = {}
    for pair in pairs:
        if pair.reason is not None and not pair.answered:
            groups.setdefault((pair.label, pair.reason), []).append(PRECISIONS[pair.precision].label)
    return [
        {"runner": label, "precision": Text(", ".join(p.en for p in labels), "、".join(p.ja for p in labels)), column: reason}
        for (label, reason), labels in groups.items()
    ]


def missing_findings(pairs: list[Pair]) -> list[Finding]:
    """A note for answers that another system gave, and for every runner and reason why there are none."""
    origins = [Finding("note", pair.origin) for pair in pairs if pair.origin]
    absent = [pair for pair in pairs if pair.reason and not pair.answered and not pair.failed]
    reasons = {label: {pair.reason for pair in absent if pair.label == label} for label in dict.fromkeys(pair.label for pair in absent)}
    found = []
    for label, reason in dict.fromkeys((pair.label, pair.reason) for pair in absent):
        own = listed((label, pair.precision) for pair in absent if (pair.label, pair.reason) == (label, reason))
        name = own if len(reasons[label]) > 1 else label
        found.append(Finding("note", Text(f"Not measured: {name.en} ({reason.en}).", f"{name.ja}は未測定である（{reason.ja}）。")))
    return origins + found
