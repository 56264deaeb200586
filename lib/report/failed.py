"""`results/SYSTEM/NN_name.failed.json`: how the last try to measure a page ended, until one succeeds. Its earlier records stay."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lib.errors import ReportError
from lib.report.execute import Failure
from lib.store import files, stage_file


@dataclass(frozen=True)
class Failed(Failure):
    """A try that failed. started_at: ISO 8601, UTC; run_id: of the run that it belongs to."""

    started_at: str
    run_id: str


def path(results: Path, stage: str) -> Path:
    """Where it is kept, beside the stage's records and sealed as they are."""
    return results / f"{stage}.failed.json"


def write(results: Path, failure: Failure, started_at: str, run_id: str) -> None:
    """Keep how a stage failed. Raises ReportError where that cannot be written."""
    said = asdict(failure) | {"started_at": started_at, "run_id": run_id}
    files.write_text(path(results, failure.stage), stage_file.sealed([json.dumps(said)]))


def read(results: Path, stage: str) -> Failed | None:
    """How a stage failed last, None where it did not. Raises ReportError, one line, for a file that is not as it was written."""
    file = path(results, stage)
    try:
        text = file.read_bytes().decode("utf-8")
        line = text.split("\n", 1)[0]
        if text != stage_file.sealed([line]):
            raise ValueError("altered since it was written")
        return Failed(**json.loads(line))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ReportError(f"{file}: does not say how a notebook failed ({error}); remove it, or run notebook {stage} again") from None
