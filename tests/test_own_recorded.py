"""What an H200 with TensorRT 8.5.3.1 recorded of the ONNX model that is not ours: read, and shown without any of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from lib.experiment import profile as config
from lib.experiment.candidate import Candidate
from lib.report import render
from lib.session import OUTPUTS
from lib.store.run import Run

RECORDED = config.ROOT / "tests" / "own" / "recorded" / "shapes"


def test_every_precision_ran_in_python_and_cpp() -> None:
    (results,) = (RECORDED / "results").iterdir()
    run = Run.open(results, "05_consistency")
    assert run.info.system["gpus"][0]["name"] == "NVIDIA H200"
    for precision in ("fp32", "tf32", "fp16", "int8", "int8_fp16", "int8_qdq"):
        for runner in ("tensorrt", "cpp"):
            found = run.find("agreement", Candidate(runner, precision))
            assert found is not None
            assert found.stats["total"] == 300
            assert (found.value > 0.99) == (precision not in ("int8", "int8_fp16"))  # entropy calibration fails on this network


def test_it_is_rendered_without_a_gpu(tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(RECORDED, tmp_path / "shapes")
    monkeypatch.setenv(OUTPUTS, str(tmp_path))
    outcome = render.render("shapes", config.ROOT / "notebooks", "")
    assert outcome.findings["bad"] > 0
    page = (tmp_path / "shapes" / "html" / "en" / "04_int8.html").read_text(encoding="utf-8")
    assert "TensorRT INT8 (calibrated) loses accuracy: -72.33" in page
