"""What an H200 with TensorRT 8.5.3.1 recorded of two models that are not ours: read, and shown without any of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lib.experiment import profile as config
from lib.experiment.candidate import Candidate
from lib.report import render
from lib.session import OUTPUTS
from lib.store.run import Run

RECORDED = config.ROOT / "tests" / "own" / "recorded"
FAILS = {"shapes": ("int8", "int8_fp16"), "keras96": ()}  # entropy calibration fails on the first


@pytest.mark.parametrize("model", FAILS)
def test_every_precision_ran_in_python_and_cpp(model: str) -> None:
    (results,) = (RECORDED / model / "results").iterdir()
    run = Run.open(results, "05_consistency")
    assert run.info.system["gpus"][0]["name"] == "NVIDIA H200"
    for precision in ("fp32", "tf32", "fp16", "int8", "int8_fp16", "int8_qdq"):
        for runner in ("tensorrt", "cpp"):
            found = run.find("agreement", Candidate(runner, precision))
            assert found is not None
            assert found.stats["total"] == (300 if model == "shapes" else 240)
            assert (found.value > 0.98) == (precision not in FAILS[model])


@pytest.mark.parametrize(
    ("model", "page", "sentence"),
    [
        ("shapes", "04_int8", "TensorRT INT8 (calibrated) loses accuracy: -72.33"),
        ("keras96", "03_engines", "FP16 7 of 8 (others keras96_1/classes_1: FP32)"),
    ],
)
def test_it_is_rendered_without_a_gpu(model: str, page: str, sentence: str, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(RECORDED / model, tmp_path / model)
    monkeypatch.setenv(OUTPUTS, str(tmp_path))
    outcome = render.render(model, config.ROOT / "notebooks", "")
    assert (outcome.findings["bad"] > 0) == bool(FAILS[model])
    assert sentence in next((tmp_path / model / "html").glob(f"*/en/{page}.html")).read_text(encoding="utf-8")
