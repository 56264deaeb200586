"""A disk that fills up in any stage is one clear line, leaves nothing half-written, and the stage goes on once there is room."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest

from lib import export
from lib.errors import ReportError
from lib.measure import predictions
from lib.models import train as training
from lib.pages.train import tables as evaluation
from lib.store import session
from lib.store.records import Record

STAGES = {
    "ONNX": lambda opened: export.onnx(opened, "fp32"),
    "TFLite": lambda opened: export.tflite(opened, "fp32"),
    "samples": export.samples,
    "predictions": lambda opened: predictions.artifact(opened, "savedmodel", "fp32"),
}


@pytest.fixture
def crowded(quick, disk, monkeypatch):
    """A session whose outputs lie on a disk with the trained model and 8 KiB of room, and the file that fills it up."""
    place = disk(4096)
    shutil.copytree(training.trained(quick).path.parents[2], place / "tiny" / "artifacts")
    for other in (place / "tiny" / "artifacts").iterdir():
        if other.name != "model":
            shutil.rmtree(other)
    monkeypatch.setenv(session.OUTPUTS, str(place))
    filler = place / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(place).free - 8192))
    return replace(quick), filler


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
    assert STAGES[stage](opened).fresh


def test_records_of_the_last_run_survive(crowded):
    opened, filler = crowded
    filler.unlink()
    old = Record("accuracy", "1", 0.5)
    opened.save([old])
    filler.write_bytes(bytes(shutil.disk_usage(filler.parent).free - 8192))
    with pytest.raises(ReportError, match="no space left on the disk"):
        opened.save([replace(old, samples=[1.0] * 10_000)])
    assert [record.value for record in opened.recorded("test")] == [0.5]


def test_read_only_file_system(crowded):
    opened, filler = crowded
    subprocess.run(["mount", "-o", "remount,ro", filler.parent], check=True)
    with pytest.raises(ReportError, match=r"read-only file system\); remount it"):
        opened.save([])
    with pytest.raises(ReportError, match=r"read-only file system\); remount it"):
        export.samples(opened)
    assert evaluation.history(training.trained(opened))  # what is there can be read
