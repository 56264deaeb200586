"""What a page measured: typed records, one number each, and small exhibits; checked when written and when read."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from lib.experiment.candidate import Candidate
from lib.text import Text
from lib.words import COMMON

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas

# unit -> (smallest, largest) value it can have.
UNITS: dict[str, tuple[float, float]] = {
    "share": (0, 1),  # of images, of time; also a p-value
    "count": (0, math.inf),
    "bytes": (0, math.inf),
    "ms": (0, math.inf),
    "s": (0, math.inf),
    "ratio": (0, math.inf),
    "difference": (-math.inf, math.inf),  # of outputs, of accuracies
}
WHOLE = ("count", "bytes")
PERCENTILES = ("p50", "p90", "p95", "p99")
FAILED = ("failed", "wrong_output", "diverged")  # reasons of what was tried and went wrong
Scope = Literal["", "end_to_end", "gpu_compute"]


@dataclass(frozen=True)
class Reason:
    """Why there is no number. key: of `reasons` in lib/words.yaml; values: what fills it (JSON)."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

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


@dataclass(frozen=True)
class Record:
    """One measured number, or the reason why it was not measured.

    metric, unit: e.g. "latency" in "ms" (a key of UNITS). value: the number; None exactly if `reason` says why there is none.
    candidate: what was measured, None for what concerns none; batch_size: images a call, where that matters.
    scope: "end_to_end" (host memory to host memory) or "gpu_compute" for times, else "".
    case: what else tells this number from its neighbours, e.g. {"method": "entropy", "images": 320}.
    stats: what belongs to it, e.g. {"correct": 8972, "total": 10000}. Intervals and ratios are not stored: rules compute them.
    samples: of a latency, the mean of each round (ms), in the order of the rounds.
    """

    metric: str
    unit: str
    value: float | None
    candidate: Candidate | None = None
    batch_size: int | None = None
    scope: Scope = ""
    case: dict[str, str | int | float | bool] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    samples: list[float] = field(default_factory=list)
    reason: Reason | None = None
    artifact_sha256: str = ""

    def __post_init__(self) -> None:
        if problem := _problem(self):
            raise ValueError(f"{self.metric}: {problem}")

    @property
    def key(self) -> tuple[Any, ...]:
        """What no other record of the same page has too."""
        return self.metric, self.candidate, self.batch_size, self.scope, tuple(sorted(self.case.items()))


class Exhibit(BaseModel):
    """Something small that a page shows beside numbers: a learning curve, a confusion matrix, a thumbnail.

    A page declares its own as subclasses: typed fields, no NaN or infinity, nothing unknown.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def to_json(record: Record) -> dict[str, Any]:
    """A record as JSON values; what is empty is left out."""
    values = {f.name: getattr(record, f.name) for f in fields(Record)}
    values["candidate"] = record.candidate.key if record.candidate else None
    values["reason"] = {"key": record.reason.key, "values": dict(record.reason.values)} if record.reason else None
    return {key: value for key, value in values.items() if key in ("metric", "unit", "value") or value not in (None, "", [], {})}


def from_json(values: dict[str, Any]) -> Record:
    """The record of JSON values. Raises ValueError that says what is wrong with them."""
    known = {f.name for f in fields(Record)}
    if unknown := values.keys() - known:
        raise ValueError(f"unknown field '{sorted(unknown)[0]}'")
    if missing := {"metric", "unit", "value"} - values.keys():
        raise ValueError(f"field '{sorted(missing)[0]}' is missing")
    made = dict(values)
    if "candidate" in made:
        made["candidate"] = Candidate.parse(made["candidate"])
    if "reason" in made:
        reason = made["reason"]
        if not isinstance(reason, dict) or reason.keys() != {"key", "values"}:
            raise ValueError("'reason' must have a key and values")
        made["reason"] = Reason(**reason)
    return Record(**made)


def frame(records: Iterable[Record]) -> pandas.DataFrame:
    """Records as a data frame, one row each; the keys of `case` and `stats` become columns `case.*`, `stats.*`."""
    import pandas

    return pandas.json_normalize([to_json(record) for record in records])


def _problem(record: Record) -> str | None:
    """What is wrong with a record, or None."""
    low_high = UNITS.get(record.unit)
    if not isinstance(record.metric, str) or not record.metric or low_high is None:
        return f"unknown unit '{record.unit}'"
    if (record.value is None) != (record.reason is not None):
        return "a record has either a value or the reason why there is none"
    if record.value is not None:
        if not is_number(record.value) or not low_high[0] <= record.value <= low_high[1]:
            return f"value {record.value!r} is not a number from {low_high[0]} to {low_high[1]}"
        if record.unit in WHOLE and record.value != int(record.value):
            return f"value {record.value!r} is not whole"
    if record.batch_size is not None and (type(record.batch_size) is not int or record.batch_size < 1):
        return f"batch size {record.batch_size!r}"
    if record.scope not in ("", "end_to_end", "gpu_compute"):
        return f"unknown scope '{record.scope}'"
    return _problem_beside(record)


def _problem_beside(record: Record) -> str | None:
    """What does not fit the value: a statistic, the samples."""
    reason = record.reason or Reason("")
    if not isinstance(reason.key, str) or not isinstance(record.artifact_sha256, str):
        return "a field that is no text"
    for where, values in (("case", record.case), ("stats", record.stats), ("reason", reason.values)):
        if not isinstance(values, dict):
            return f"{where} must be a mapping"
        if broken := _unfit(values):
            return f"{where}: {broken}"
    if any(isinstance(value, (list, dict)) for value in record.case.values()):
        return "case: a value that is a list or a mapping"
    if not isinstance(record.samples, list) or not all(is_number(sample) and sample > 0 for sample in record.samples):
        return "samples must be numbers above 0"
    correct, total = record.stats.get("correct"), record.stats.get("total")
    if record.value is not None and correct is not None:
        if type(correct) is not int or type(total) is not int or not 0 <= correct <= total or total < 1:
            return f"{correct!r} of {total!r}"
        if not math.isclose(record.value, correct / total, rel_tol=1e-9, abs_tol=1e-12):
            return f"value {record.value!r} is not {correct} of {total}"
    carried = [record.stats[p] for p in PERCENTILES if record.stats.get(p) is not None]
    if not all(map(is_number, carried)) or carried != sorted(carried):
        return "percentiles do not ascend"
    if record.metric == "latency" and record.value is not None and record.stats.get("p50", record.value) != record.value:
        return f"value {record.value!r} is not the median {record.stats['p50']!r}"
    return None


def is_number(value: Any) -> bool:
    """Whether it is an int or a float that is neither NaN nor infinite, nor an int larger than any float."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _unfit(value: Any) -> str | None:
    """What of a value is not JSON, or NaN or infinite."""
    if value is None or isinstance(value, (str, bool, int)):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not finite"
    if isinstance(value, list):
        return next(filter(None, map(_unfit, value)), None)
    if isinstance(value, dict):
        return next(filter(None, map(_unfit, value.values())), None) if all(isinstance(key, str) for key in value) else "a key is no text"
    return f"{type(value).__name__} is no JSON"
