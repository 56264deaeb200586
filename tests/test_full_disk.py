"""A disk that fills up in any stage is one clear line, leaves nothing half-written, and the stage goes on once there is room."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest

from lib import export, session
from lib.errors import ReportError
from lib.experiment.candidate import SAVED_MODEL_REFERENCE
from lib.measure import predictions
from lib.models import train as training
from lib.store.records import Record
from lib.store.run import Run

STAGES = {
    "ONNX": lambda opened: export.onnx(opened, "fp32"),
    "TFLite": lambda opened: export.tflite(opened, "fp32"),
    "samples": export.samples,
    "predictions": lambda opened: predictions.artifact(opened, SAVED_MODEL_REFERENCE),
}
STAGE = "01_train"


@pytest.fixture
def crowded(quick, disk, monkeypatch):
    """A session whose outputs lie on a disk with the model, trained and saved, and 8 KiB of room, and the file that fills it up."""
    place = disk(4096)
    for artifact in (quick.model, export.saved_model(quick)):
        shutil.copytree(artifact.path.parent, place / artifact.path.parent.relative_to(quick.folder.parent))
    monkeypatch.setenv(session.OUTPUTS, str(place))
    filler = place / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(place).free - 8192))
    return replace(quick, stage=STAGE, records=[], exhibits={}), filler


@pytest.mark.parametrize("stage", STAGES)
def test_stage(crowded, stage):
    opened, filler = crowded
    before = sorted(opened.folder.rglob("*"))
    with pytest.raises(ReportError, match="no space left on the disk; free some, or choose another folder with --outputs") as caught:
        STAGES[stage](opened)
    assert "\n" not in str(caught.value)
    assert str(opened.folder) in str(caught.value)
    assert [
        path for path in sorted(opened.folder.rglob("*")) if path not in before and path.is_file() and path.parent.name != "locks"
    ] == []
    assert not list(opened.folder.rglob(".*"))
    filler.unlink()
    assert STAGES[stage](opened).path.is_dir()


def test_records_of_the_last_run_survive(crowded):
    opened, filler = crowded
    filler.unlink()
    old = Record("images", "count", 5)
    opened.record(old)
    opened.save()
    filler.write_bytes(bytes(shutil.disk_usage(filler.parent).free - 8192))
    with pytest.raises(ReportError, match="no space left on the disk"):
        replace(opened, records=[replace(old, value=6, samples=[1.0] * 10_000)]).save()
    assert Run.open(opened.results, STAGE).records() == [old]


def test_read_only_file_system(crowded):
    opened, filler = crowded
    subprocess.run(["mount", "-o", "remount,ro", filler.parent], check=True)
    with pytest.raises(ReportError, match=r"read-only file system\); remount it"):
        opened.save()
    with pytest.raises(ReportError, match=r"read-only file system\); remount it"):
        export.samples(opened)
    assert training.history(opened.model)  # what is there can be read
