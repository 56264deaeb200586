"""The rows of notebooks 05 and 07: every runner at each of its precisions, with the reason where it cannot run here."""

from __future__ import annotations

from dataclasses import dataclass

from lib.precision import PRECISIONS, named
from lib.text import Finding, Text

REFERENCE = ("savedmodel", "fp32")
CPP = Text("TensorRT (C++)", "TensorRT（C++）")
NO_CPP = Text("the C++ runner has not been run on a GPU yet", "C++実行系をGPU上で実行していない")


@dataclass(frozen=True)
class Pair:
    """One runner at one precision. reason: why this system cannot run it, None if it can."""

    runner: str
    precision: str
    label: Text
    reason: Text | None

    @property
    def key(self) -> str:
        """`runner/precision`, as records name it."""
        return f"{self.runner}/{self.precision}"

    @property
    def name(self) -> Text:
        """Runner and precision in words."""
        return named(self.label, self.precision)


def all_pairs() -> list[Pair]:
    """Every pair of the report, the reference first, those of the runner that computes nothing left out."""
    from lib.runners import RUNNERS, host

    found = [
        Pair(name, precision, runner.label, runner.unavailable(precision))
        for name, runner in RUNNERS.items()
        if name != "null"
        for precision in runner.precisions
    ]
    if "cpp" not in RUNNERS:
        found += [Pair("cpp", precision, CPP, host.no_gpu() or NO_CPP) for precision in PRECISIONS]
    return sorted(found, key=lambda pair: (pair.runner, pair.precision) != REFERENCE)


def missing_rows(pairs: list[Pair], column: str) -> list[dict[str, object]]:
    """Table rows of what cannot run here: one a runner and reason, with its precisions; the reason stands in `column`."""
    groups: dict[tuple[Text, Text], list[Text]] = {}
    for pair in pairs:
        if pair.reason is not None:
            groups.setdefault((pair.label, pair.reason), []).append(PRECISIONS[pair.precision].label)
    return [
        {"runner": label, "precision": Text(", ".join(p.en for p in labels), "、".join(p.ja for p in labels)), column: reason}
        for (label, reason), labels in groups.items()
    ]


def missing_findings(pairs: list[Pair]) -> list[Finding]:
    """A note for every runner and reason why it could not run here."""
    absent = dict.fromkeys((pair.label, pair.reason) for pair in pairs if pair.reason)
    return [
        Finding("note", Text(f"Not measured: {label.en} ({reason.en}).", f"{label.ja}は未測定である（{reason.ja}）。"))
        for label, reason in absent
    ]
