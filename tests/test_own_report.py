"""The whole report on two models that are not ours, from their files to pages in two languages, with the command that users type."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import COVERAGE
from own import make

from lib import trt
from lib.experiment import profile as config
from lib.experiment.candidate import Candidate
from lib.store.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FAST = """
export: {samples: 5}
int8: {image_counts: [8, 16]}
engines: {calibration_images: 16, calibration_batch: 8}
measuring: {rounds: 3, slice_s: 0.005, warmup_s: 0.005, tolerance: 0.9}
batching: {batch_sizes: [1, 4]}
precision: {batch_size: 4}
fast: {batch_sizes: [4], precisions: [fp16], lanes: [2], large_batches: [], rounds: 3, slice_s: 0.005, warmup_s: 0.005, server_s: 0.1}
"""
ENGINES = ("fp32", "fp16", "int8_qdq")


def reported(made: Path, outputs: Path) -> tuple[Run, str]:
    """What `python -m lib run` recorded of a profile, and its last line."""
    made.write_text(made.read_text(encoding="utf-8") + FAST, encoding="utf-8")
    command = [sys.executable, "-m", "lib", "run", "--profile", str(made), "--outputs", str(outputs)]
    done = subprocess.run(command, cwd=config.ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (results,) = (outputs / made.stem / "results").iterdir()
    pages = sorted((outputs / made.stem / "html").glob("*/??/[01]*.html"))
    assert len(pages) == 18
    assert not [page for page in pages if "Traceback" in page.read_text(encoding="utf-8")]
    return Run.open(results, "01_model"), done.stdout


@pytest.mark.parametrize(("model", "candidates"), [(make.shapes, ("onnxrt",)), (make.keras96, ("savedmodel", "onnxrt", "tflite"))])
def test_the_report_on_another_model(
    model: Callable[..., Path], candidates: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if model is make.keras96:
        monkeypatch.delenv(COVERAGE, raising=False)  # once is enough
    run, said = reported(model(tmp_path / "model", test=12, calibration=8), tmp_path / "outputs")
    assert said.splitlines()[-1].startswith("0 problems, "), said
    reference = run.find("accuracy", run.profile.reference)
    assert reference is not None
    assert reference.value > 0.85
    for runner in candidates:
        for precision in ENGINES if runner != "savedmodel" else ("fp32",):
            found = run.find("accuracy", Candidate(runner, precision))
            assert found is not None
            assert found.value is not None, (runner, precision, found.reason)
    sizes = {record.candidate.precision: record for record in run.everywhere("file_size") if record.candidate.runner == "tensorrt"}
    if trt.flavour():
        assert all(sizes[precision].value for precision in ENGINES), sizes
