"""What a page measured: typed records, one number each, and small exhibits; checked when written and when read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import field, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from lib.experiment.candidate import Candidate
from lib.experiment.strict import STRICT, Strict
from lib.stats import PERCENTILES
from lib.text import Text
from lib.words import COMMON

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas

# unit -> (smallest, largest) value it can have. A share is of images, of time, or a p-value; a difference of outputs, of accuracies.
UNITS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("count", "bytes", "ms", "s", "ratio", "images/s", "FLOP/s", "bytes/s"), (0, math.inf)),
    "share": (0, 1),
    "difference": (-math.inf, math.inf),
}
WHOLE = ("count", "bytes")
WINDOWS = "windows"  # stats "rounds" of latencies that an earlier version measured in one block each
FAILED = ("failed", "wrong_output", "diverged")  # reasons of what was tried and went wrong
Scope = Literal["", "end_to_end", "gpu_compute"]
Number = float | Annotated[int, Field(ge=-(2**63), lt=2**63)]
Scalar = str | bool | int | float


def _candidate(given: Any) -> Candidate:
    return given if isinstance(given, Candidate) else Candidate.parse(given)


@dataclass(config=STRICT)
class Reason:
    """Why there is no number. key: of `reasons` in lib/words.yaml; values: what fills it (JSON)."""

    key: str
    values: dict[str, JsonValue] = field(default_factory=dict)

    @property
    def text(self) -> Text:
        """In words; the bare key where this version has no words for it."""
        try:
            return COMMON(f"reasons.{self.key}", **self.values)
        except (KeyError, ValueError, IndexError, TypeError, AttributeError):
            return Text(self.key, self.key)

    @property
    def failed(self) -> bool:
        """Whether it should have been measured and was not: what was tried failed, or its output was wrong."""
        return self.key in FAILED

    @classmethod
    def verbatim(cls, text: Text) -> Reason:
        """A reason that brings its own words."""
        return cls("verbatim", {"en": text.en, "ja": text.ja})

    def __hash__(self) -> int:
        return hash((self.key, json.dumps(self.values, sort_keys=True)))


@dataclass(config=STRICT)
class Record:
    """One measured number, or the reason why it was not measured.

    metric, unit: e.g. "latency" in "ms" (a key of UNITS). value: the number; None exactly if `reason` says why there is none.
    candidate: what was measured, None for what concerns none; batch_size: images a call, where that matters.
    scope: "end_to_end" (host memory to host memory) or "gpu_compute" for times, else "".
    case: what else tells this number from its neighbours, e.g. {"method": "entropy", "images": 320}.
    stats: what belongs to it, e.g. {"correct": 8972, "total": 10000}. Intervals and ratios are not stored: rules compute them.
    samples: of a latency, the mean of each round (ms), in the order of the rounds.
    """

    metric: Annotated[str, Field(min_length=1)]
    unit: str
    value: Number | None
    candidate: Annotated[Candidate, BeforeValidator(_candidate)] | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    scope: Scope = ""
    case: dict[str, Scalar] = field(default_factory=dict)
    stats: dict[str, JsonValue] = field(default_factory=dict)
    samples: list[Annotated[float, Field(gt=0)]] = field(default_factory=list)
    reason: Reason | None = None
    artifact_sha256: str = ""

    @model_validator(mode="after")
    def fits(self) -> Record:
        if problem := _problem(self):
            raise ValueError(f"{self.metric}: {problem}")
        return self

    @property
    def key(self) -> tuple[Any, ...]:
        """What no other record of the same page has too."""
        return self.metric, self.candidate, self.batch_size, self.scope, tuple(sorted(self.case.items()))


class Exhibit(Strict):
    """Something small that a page shows beside numbers: a learning curve, a confusion matrix, a thumbnail.

    A page declares its own as subclasses: typed fields, no NaN or infinity, nothing unknown.
    """


def to_json(record: Record) -> dict[str, Any]:
    """A record as JSON values; what is empty is left out."""
    values = {f.name: getattr(record, f.name) for f in fields(Record)}
    values["candidate"] = record.candidate.key if record.candidate else None
    values["reason"] = {"key": record.reason.key, "values": dict(record.reason.values)} if record.reason else None
    return {key: value for key, value in values.items() if key in ("metric", "unit", "value") or value not in (None, "", [], {})}


def from_json(values: Any) -> Record:
    """The record of JSON values. Raises ValueError that says what is wrong with them."""
    return _RECORD.validate_json(json.dumps(values))  # strict Python has no mapping where a reason belongs, strict JSON has


def frame(records: Iterable[Record]) -> pandas.DataFrame:
    """Records as a data frame, one row each; the keys of `case` and `stats` become columns `case.*`, `stats.*`."""
    import pandas

    return pandas.json_normalize([to_json(record) for record in records])


def chosen(records: Iterable[Record], metric: str | None, where: Mapping[str, Any]) -> list[Record]:
    """Those of a metric (None: of any) whose fields are as given."""
    return [r for r in records if metric in (None, r.metric) and all(getattr(r, name) == value for name, value in where.items())]


def _problem(record: Record) -> str | None:
    """What of a record does not go together, or None."""
    value, stats = record.value, record.stats
    if record.unit not in UNITS:
        return f"unknown unit '{record.unit}'"
    if (value is None) != (record.reason is not None):
        return "a record has either a value or the reason why there is none"
    carried = [stats[p] for p in PERCENTILES if stats.get(p) is not None]
    if not all(type(each) in (int, float) for each in carried) or carried != sorted(carried):
        return "percentiles do not ascend"
    if value is None:
        return None
    low, high = UNITS[record.unit]
    if not low <= value <= high:
        return f"value {value!r} is not a number from {low} to {high}"
    if record.unit in WHOLE and value != int(value):
        return f"value {value!r} is not whole"
    if record.metric == "accuracy" or "correct" in stats:
        correct, total = stats.get("correct"), stats.get("total")
        if type(correct) is not int or type(total) is not int or not 0 <= correct <= total or total < 1:
            return f"{correct!r} of {total!r}"
        if not math.isclose(value, correct / total, rel_tol=1e-9, abs_tol=1e-12):
            return f"value {value!r} is not {correct} of {total}"
    if record.metric == "latency" and not record.samples:
        return "no means of its rounds"
    if record.metric == "latency" and stats.get("p50", value) != value:
        return f"value {value!r} is not the median {stats['p50']!r}"
    return None


_RECORD = TypeAdapter(Record)
