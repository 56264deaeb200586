"""Every runner at each of its precisions, with the reason where it cannot run here: rows of tables, and the columns that name them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lib.experiment.precision import PRECISIONS, listed, named
from lib.show.table import Column
from lib.text import Finding, Text

REFERENCE = ("savedmodel", "fp32")
RUNNER, PRECISION = Column("runner", Text("Runner", "実行系")), Column("precision", Text("Precision", "数値精度"))
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
    """A note for answers that another system gave, and for every reason why there are none."""
    origins = [Finding("note", pair.origin) for pair in pairs if pair.origin]
    return origins + unmeasured((pair.label, pair.precision, None if pair.answered or pair.failed else pair.reason) for pair in pairs)


def unmeasured(asked: Iterable[tuple[Text, str, Text | None]]) -> list[Finding]:
    """A note for every reason, which names runners, and precisions of those runners that do not lack all of theirs for it.

    asked: runner's label, precision, and why it was not measured (None where it was).
    """
    asked = list(dict.fromkeys(asked))
    found = []
    for reason in dict.fromkeys(why for *_, why in asked if why is not None):
        partly = {label for label, _, why in asked if why != reason}
        lost = [(label, precision) for label, precision, why in asked if why == reason]
        whole = dict.fromkeys(label for label, _ in lost if label not in partly)
        rest = listed((label, precision) for label, precision in lost if label in partly)
        en = "; ".join(filter(None, [", ".join(label.en for label in whole), rest.en]))
        ja = "；".join(filter(None, ["、".join(label.ja for label in whole), rest.ja]))
        found.append(Finding("note", Text(f"Not measured: {en} ({reason.en}).", f"未測定：{ja}（{reason.ja}）。")))
    return found
