"""Measured records that survive a stop within a page: each step is measured once in a run, however often the run is gone on with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib import progress
from lib.experiment import system
from lib.session import Session
from lib.store import artifacts, files, records, stage_file
from lib.store.records import Record


def kept(session: Session, name: str, inputs: dict[str, Any], measure: Callable[[], list[Record]]) -> list[Record]:
    """What `measure()` gives; or, where this very run has measured this step of this page on this system before, what it gave then.

    name: of the step, in words; inputs: JSON, what else decides on its numbers. Records only, in their order: exhibits are not kept.
    They are kept, sealed, before they are returned, and the page records them as any other. Another run never sees them: a
    measurement is no artifact. What `measure` raises is raised, and nothing is kept then.
    """
    about = {"run_id": session.run_id, "system_id": system.system_id(), "stage": session.stage, "name": name, "inputs": inputs}
    path = folder(session.folder) / session.stage / f"{artifacts.key_of('kept', about)}.jsonl"
    if (found := _read(path, about)) is not None:
        progress.say(f"{name}: measured before the run was stopped")
        return found
    measured = measure()
    lines = [about, *map(records.to_json, measured)]
    files.write_text(path, stage_file.sealed([json.dumps(line, ensure_ascii=False, allow_nan=False) for line in lines]))
    return measured


def recorded(session: Session, function: Callable[[Session], object]) -> list[Record]:
    """What a step records that keeps its records in the session itself: they are taken out again, for `kept`."""
    before = len(session.records)
    function(session)
    made = session.records[before:]
    del session.records[before:]
    return made


def folder(outputs: Path) -> Path:
    """Where the steps of a profile's pages are kept. outputs: outputs/PROFILE."""
    return outputs / "work" / "kept"


def forget(outputs: Path, stage: str = "") -> None:
    """Remove what is kept of a page that is finished, or of all: it is in the page's records, or of a run that nobody goes on with."""
    shutil.rmtree(folder(outputs) / stage, ignore_errors=True)


def _read(path: Path, about: dict[str, Any]) -> list[Record] | None:
    """The records of a step, None where there are none, or not as they were written: they are measured again then."""
    try:
        text = path.read_bytes().decode("utf-8")
        lines = text.split("\n")[:-2]
        if text != stage_file.sealed(lines):
            raise ValueError("altered since it was measured")
        first, *rest = map(json.loads, lines)
        if first != json.loads(json.dumps(about)):
            raise ValueError("describes another step")
        return [records.from_json(each) for each in rest]
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        progress.say(f"{path}: {error}; it is measured again")
        return None
