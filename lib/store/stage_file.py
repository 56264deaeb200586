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
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field, JsonValue
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
    system: dict[str, JsonValue]
    profile: dict[str, JsonValue]
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
    """Replace a stage's file in one step. Raises ReportError, and keeps it, for what could not be read again: two records of one key."""
    values = [{"stage": asdict(stage), "schema": SCHEMA}]
    values += [{"record": records.to_json(record)} for record in found]
    values += [{"exhibit": name, "data": exhibit.model_dump(mode="json")} for name, exhibit in exhibits.items()]
    _replace(path, [_line(value) for value in values])


def reseal(path: Path) -> None:
    """Seal a file again that was altered on purpose; what it says is checked as always. Raises ReportError, the file is kept then."""
    lines = path.read_text(encoding="utf-8").split("\n")
    _replace(path, [line for line in lines[:-1] if not line.startswith('{"seal"')])


def _replace(path: Path, lines: list[str]) -> None:
    text = sealed(lines)
    parse(text, path)
    files.write_text(path, text)


def sealed(lines: list[str]) -> str:
    """The text of a file with these lines and their seal."""
    return "".join(f"{line}\n" for line in [*lines, _line({"seal": [_hash(line) for line in lines]})])


def read(path: Path) -> StageFile:
    """A stage's file, checked. Raises ReportError, one line that names file and line, for whatever is not as it was written."""
    try:
        return parse(path.read_bytes().decode("utf-8"), path)
    except UnicodeDecodeError as error:
        raise _wrong(path, error.object[: error.start].count(b"\n") + 1, "altered since it was recorded (not UTF-8)") from None
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror}); {_remedy(path)}") from None


@lru_cache(maxsize=32)  # a kernel that replays several notebooks reads the same files for each
def parse(text: str, path: Path) -> StageFile:
    """The content of a stage's file whose text is given, not to be changed; `path` is for messages."""
    *lines, rest = text.split("\n")
    if lines and lines[0].startswith('{"metric": '):
        bring = f"python -m lib migrate --profile {path.absolute().parents[2].name} --system {path.parent.name}"
        raise ReportError(f"{path}:1: schema 1, of an earlier version of this program; bring it to schema {SCHEMA}: {bring}")
    if rest or not lines or not lines[-1].startswith('{"seal": ['):
        raise _wrong(path, len(lines) + bool(rest), "cut: it does not end with its seal")
    *lines, last = lines
    seal = _values(last, path, len(lines) + 1)
    if _line(seal) != last or seal.keys() != {"seal"} or len(seal["seal"]) != len(lines):
        raise _wrong(path, len(lines) + 1, "altered since it was recorded (lines or seal)")
    for number, (line, expected) in enumerate(zip(lines, seal["seal"], strict=True), 1):
        if _hash(line) != expected:
            raise _wrong(path, number, "altered since it was recorded")
    return _content([_values(line, path, number) for number, line in enumerate(lines, 1)], path)


def _content(values: list[dict[str, Any]], path: Path) -> StageFile:
    stage, found, exhibits = _stage(values[0] if values else {}, path), dict[Any, Record](), dict[str, Any]()
    for number, value in enumerate(values[1:], 2):
        try:
            if value.keys() == {"record"}:
                record = records.from_json(value["record"])
                if record.key in found:
                    raise ValueError(f"stands twice: {record.metric} {record.candidate.key if record.candidate else ''}".strip())
                found[record.key] = record
            elif value.keys() == {"exhibit", "data"} and isinstance(value["exhibit"], str) and value["exhibit"] not in exhibits:
                exhibits[value["exhibit"]] = value["data"]
            else:
                raise ValueError(f"neither a record nor a new exhibit: {', '.join(value)}")
        except (ValueError, RecursionError) as error:
            raise _wrong(path, number, f"not a record ({said(error)})") from None
    return StageFile(stage, list(found.values()), exhibits, path)


def _stage(value: dict[str, Any], path: Path) -> Stage:
    if type(schema := value.get("schema")) is not int or schema != SCHEMA:
        raise ReportError(f"{path}:1: schema {schema!r}, this version reads {SCHEMA}; take the version that wrote it, or {_remedy(path)}")
    try:
        stage = Stage(**value["stage"])
    except (KeyError, TypeError, ValueError) as error:
        raise _wrong(path, 1, f"not a stage ({said(error)})") from None
    if stage.stage != path.stem:
        raise _wrong(path, 1, f"describes '{stage.stage}'")
    return stage


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _values(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise _wrong(path, number, f"not JSON ({error})") from None
    if not isinstance(value, dict):
        raise _wrong(path, number, "not a record")
    return value


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()[:HASH]


def _wrong(path: Path, line: int, what: str) -> ReportError:
    return ReportError(f"{path}:{line}: {what}; {_remedy(path)}")


def _remedy(path: Path) -> str:
    return f"measure {path.stem} again, or bring the file back as it was"
