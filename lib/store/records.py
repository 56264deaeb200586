"""Measurement records: one JSON line each, the truth that every page is rendered from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import ReportError
from lib.store import files
from lib.text import Finding, Text

if TYPE_CHECKING:
    import pandas

SCHEMA = 1


@dataclass(frozen=True)
class Record:
    """One measured number, or the reason why it was not measured.

    runner, precision: keys of RUNNERS and PRECISIONS ("" where none applies).
    case: what else tells this number from its neighbours, e.g. {"method": "entropy", "images": 320}.
    scope: "gpu_compute" or "end_to_end" for times, else "".
    metric, unit: e.g. "latency" in "ms", "accuracy" in "1".
    value: the number; None exactly if `reason` says, in both languages, why it was not measured.
    stats: what belongs to it, e.g. {"ci_low": …, "ci_high": …, "p50": …}; samples: raw values, if kept.
    """

    metric: str
    unit: str
    value: float | None
    runner: str = ""
    precision: str = ""
    batch_size: int | None = None
    scope: str = ""
    case: dict[str, Any] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    samples: list[float] = field(default_factory=list)
    reason: Text | None = None
    artifact_sha256: str = ""
    schema: int = SCHEMA
    run_id: str = ""
    system_id: str = ""
    stage: str = ""
    dataset: str = ""
    started_at: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) != (self.reason is not None):
            raise ValueError(f"{self.metric}: a record has either a value or the reason why there is none")


def write(folder: Path, stage: str, records: Iterable[Record], findings: Iterable[Finding]) -> None:
    """Replace a stage's records (`<stage>.jsonl`) and findings (`<stage>.findings.json`) below results/SYSTEM."""
    lines = "".join(json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in records)
    files.write_text(folder / f"{stage}.jsonl", lines)
    files.write_text(folder / f"{stage}.findings.json", json.dumps([[f.level, f.text] for f in findings], ensure_ascii=False, indent=1))


def read(folder: Path, stage: str = "*") -> list[Record]:
    """The records of one stage, or of all, below results/SYSTEM (`*` reads every system below results/).

    Raises ReportError that names file and line for a line that is not a record of this schema.
    """
    return [_parse(path, number, line) for path in sorted(folder.glob(f"{stage}.jsonl")) for number, line in _lines(path)]


def read_findings(folder: Path, stage: str) -> list[Finding]:
    """The findings of one stage, empty where there are none yet."""
    path = folder / f"{stage}.findings.json"
    if not path.exists():
        return []
    try:
        return [Finding(level, Text(*text)) for level, text in json.loads(path.read_text(encoding="utf-8"))]
    except (ValueError, TypeError):
        raise ReportError(f"{path}: not a list of findings; run the notebook {stage} again") from None


def frame(records: Iterable[Record]) -> pandas.DataFrame:
    """Records as a data frame, one row each; the keys of `case` and `stats` become columns `case.*`, `stats.*`."""
    import pandas

    rows = []
    for record in records:
        row = asdict(record)
        row |= {f"case.{key}": value for key, value in row.pop("case").items()}
        row |= {f"stats.{key}": value for key, value in row.pop("stats").items()}
        rows.append(row | {"reason": record.reason})
    return pandas.DataFrame(rows)


def _lines(path: Path) -> list[tuple[int, str]]:
    text = path.read_text(encoding="utf-8", errors="replace")  # half a character is found as half a line
    return [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]  # splitlines splits at U+2028 too


def _parse(path: Path, number: int, line: str) -> Record:
    try:
        values = json.loads(line)
        if values.get("schema") != SCHEMA:
            raise ReportError(f"{path}:{number}: schema {values.get('schema')}, this version reads {SCHEMA}; run its notebook again")
        known = {f.name for f in fields(Record)}
        if unknown := values.keys() - known:
            raise ValueError(f"unknown field '{sorted(unknown)[0]}'")
        values["reason"] = Text(*values["reason"]) if values.get("reason") else None
        return Record(**values)
    except (ValueError, TypeError, AttributeError) as error:
        raise ReportError(f"{path}:{number}: not a record ({error}); run its notebook again") from None
