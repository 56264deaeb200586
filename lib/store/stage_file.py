"""One file a page and system, `results/SYSTEM/NN_name.jsonl`: whole, sealed, refused where anything of it was altered.

Its lines: the stage (who measured, when, on what, with which parameters), then records and exhibits, then the seal, which
holds a hash of every line before it. Schema 1, of the first version, had records alone: lib/store/migrate.py brings them here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from lib.errors import ReportError
from lib.experiment.strict import STRICT, said
from lib.store import files, records
from lib.store.records import Exhibit, Record

SCHEMA = 2
HASH = 16  # hex digits a line


def _utc(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text} names no time zone")
    return text


@dataclass(config=STRICT)
class Stage:
    """The first line: what all numbers of a file have in common.

    profile: every parameter of the run (lib/experiment/profile.py); system: lib/experiment/system.py; dataset: what it is
    called; class_names: in the order of the outputs; started_at: ISO 8601, UTC; seconds: that measuring took.
    """

    stage: str
    run_id: str
    system_id: str
    system: dict[str, Any]
    profile: dict[str, Any]
    dataset: str
    class_names: list[str]
    started_at: Annotated[str, AfterValidator(_utc)]
    seconds: Annotated[float, Field(ge=0)]


class StageFile(NamedTuple):
    """Everything of one file. exhibits: as JSON values by name; `Run.exhibit` checks them against their type."""

    stage: Stage
    records: list[Record]
    exhibits: dict[str, Any]
    path: Path


def write(path: Path, stage: Stage, found: Iterable[Record], exhibits: Mapping[str, Exhibit]) -> None:
    """Replace a stage's file in one step. Raises ValueError for two records of one key and what is no JSON."""
    found, seen = list(found), set[Any]()
    for record in found:
        if record.key in seen:
            raise ValueError(f"{stage.stage}: two records of {_named(record)}")
        seen.add(record.key)
    values = [{"stage": asdict(stage), "schema": SCHEMA}]
    values += [{"record": records.to_json(record)} for record in found]
    values += [{"exhibit": name, "data": exhibit.model_dump(mode="json")} for name, exhibit in exhibits.items()]
    files.write_text(path, sealed([_line(value) for value in values]))


def sealed(lines: list[str]) -> str:
    """The text of a file with these lines and their seal."""
    return "".join(f"{line}\n" for line in [*lines, _line({"seal": [_hash(line) for line in lines]})])


def reseal(path: Path) -> None:
    """Seal a file again that was altered on purpose; what it says is checked as always. Raises ReportError, the file is kept then."""
    lines = path.read_text(encoding="utf-8").split("\n")
    text = sealed([line for line in lines[:-1] if not line.startswith('{"seal"')])
    parse(text, path)
    files.write_text(path, text)


def read(path: Path) -> StageFile:
    """A stage's file, checked. Raises ReportError, one line that names file and line, for whatever is not as it was written."""
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ReportError(f"{path}:{line}: altered since it was recorded (not UTF-8); {_remedy(path)}") from None
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror}); {_remedy(path)}") from None
    return parse(text, path)


def parse(text: str, path: Path) -> StageFile:
    """The content of a stage's file whose text is given; `path` is for messages."""
    *lines, rest = text.split("\n")
    if lines and lines[0].startswith('{"metric": '):
        bring = f"python -m lib migrate --profile {path.absolute().parents[2].name} --system {path.parent.name}"
        raise ReportError(f"{path}:1: schema 1, of an earlier version of this program; bring it to schema {SCHEMA}: {bring}")
    if rest or not lines or not lines[-1].startswith('{"seal": ['):
        raise ReportError(f"{path}:{len(lines) + bool(rest)}: cut: it does not end with its seal; {_remedy(path)}")
    seal = _values(lines[-1], path, len(lines))
    if _line(seal) != lines[-1] or seal.keys() != {"seal"} or len(seal["seal"]) != len(lines) - 1:
        raise ReportError(f"{path}:{len(lines)}: altered since it was recorded (lines or seal); {_remedy(path)}")
    for number, (line, expected) in enumerate(zip(lines, seal["seal"], strict=False), 1):
        if _hash(line) != expected:
            raise ReportError(f"{path}:{number}: altered since it was recorded; {_remedy(path)}")
    return _content([_values(line, path, number) for number, line in enumerate(lines[:-1], 1)], path)


def _content(values: list[dict[str, Any]], path: Path) -> StageFile:
    stage, found, exhibits = _stage(values[0] if values else {}, path), dict[Any, Record](), dict[str, Any]()
    for number, value in enumerate(values[1:], 2):
        try:
            if value.keys() == {"record"}:
                record = records.from_json(value["record"])
                if record.key in found:
                    raise ValueError(f"stands twice: {_named(record)}")
                found[record.key] = record
            elif value.keys() == {"exhibit", "data"} and isinstance(value["exhibit"], str) and value["exhibit"] not in exhibits:
                exhibits[value["exhibit"]] = value["data"]
            else:
                raise ValueError(f"neither a record nor a new exhibit: {', '.join(value)}")
        except (ValueError, RecursionError) as error:
            raise ReportError(f"{path}:{number}: not a record ({said(error)}); {_remedy(path)}") from None
    return StageFile(stage, list(found.values()), exhibits, path)


def _stage(value: dict[str, Any], path: Path) -> Stage:
    schema = value.get("schema")
    if type(schema) is not int or schema != SCHEMA:
        raise ReportError(f"{path}:1: schema {schema!r}, this version reads {SCHEMA}; take the version that wrote it, or {_remedy(path)}")
    try:
        stage = Stage(**value["stage"])
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError(f"{path}:1: not a stage ({said(error)}); {_remedy(path)}") from None
    if stage.stage != path.stem:
        raise ReportError(f"{path}:1: describes '{stage.stage}'; {_remedy(path)}")
    return stage


def _named(record: Record) -> str:
    return " ".join(str(part) for part in (record.metric, record.candidate and record.candidate.key, record.batch_size) if part)


def _values(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path}:{number}: not JSON ({error}); {_remedy(path)}") from None
    if not isinstance(value, dict):
        raise ReportError(f"{path}:{number}: not a record; {_remedy(path)}")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()[:HASH]


def _remedy(path: Path) -> str:
    return f"run notebook {path.stem} again, or bring the file back as it was"
