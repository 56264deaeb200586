"""`results/SYSTEM/NN_name.failed.json`: how the last try to measure a page ended, until one succeeds. Its earlier records stay."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from lib.errors import ReportError
from lib.report.execute import Failure
from lib.store import files


@dataclass(frozen=True)
class Failed:
    """A try that failed. cell, line, error: as in Failure; started_at: ISO 8601, UTC; run_id: of the run that it belongs to."""

    cell: int
    line: str
    error: str
    started_at: str
    run_id: str


def path(results: Path, stage: str) -> Path:
    """Where it is kept, beside the stage's records."""
    return results / f"{stage}.failed.json"


def write(results: Path, failure: Failure, started_at: str, run_id: str) -> None:
    """Keep how a stage failed. Raises ReportError where that cannot be written."""
    files.write_text(path(results, failure.stage), _text(Failed(failure.cell, failure.line, failure.error, started_at, run_id)))


def read(results: Path, stage: str) -> Failed | None:
    """How a stage failed last, None where it did not. Raises ReportError, one line, for a file that is not as it was written."""
    file = path(results, stage)
    try:
        text = file.read_text(encoding="utf-8")
        found = Failed(**{key: value for key, value in json.loads(text).items() if key != "seal"})
        if text != _text(found) or datetime.fromisoformat(found.started_at).tzinfo is None:
            raise ValueError("altered since it was written")
        return found
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ReportError(f"{file}: does not say how a notebook failed ({error}); remove it, or run notebook {stage} again") from None


def _text(said: Failed) -> str:
    values = asdict(said)
    seal = hashlib.sha256(json.dumps(values).encode()).hexdigest()
    return json.dumps(values | {"seal": seal}, indent=1, ensure_ascii=False) + "\n"


def forget(results: Path, stage: str) -> None:
    """The stage has succeeded."""
    with files.writable(results):
        path(results, stage).unlink(missing_ok=True)
