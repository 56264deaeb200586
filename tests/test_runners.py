"""What every entry of RUNNERS keeps to. What this system cannot run must say so in both languages and refuse to start."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from lib import export, trt
from lib.data import dataset as datasets
from lib.errors import NotMeasured, ReportError
from lib.experiment import profile as config
from lib.experiment import system
from lib.experiment.precision import PRECISIONS
from lib.runners import RUNNERS, host, onnxrt
from lib.runners.base import Runner
from lib.store.session import Session

EVERY = [(name, precision) for name, runner in RUNNERS.items() for precision in runner.precisions]
HERE = [pair for pair in EVERY if RUNNERS[pair[0]].unavailable(pair[1]) is None]
ABSENT = [pair for pair in EVERY if pair not in HERE]
SUM_TOLERANCE = {"fp32": 1e-5, "tf32": 1e-5, "fp16": 1e-2}  # INT8 rounds each probability to about 1/256


@pytest.fixture(scope="module")
def images(quick: Session) -> np.ndarray:
    return datasets.to_input(quick.images.x_test[:64])


@pytest.fixture(scope="module", params=HERE, ids="/".join)
def runner(request: pytest.FixtureRequest, quick: Session) -> Iterator[Runner]:
    name, precision = request.param
    with RUNNERS[name](quick, precision) as entered:
        yield entered


def test_registry_names_its_entries_and_knows_their_precisions() -> None:
    for name, runner in RUNNERS.items():
        assert runner.name == name
        assert set(runner.precisions) <= set(PRECISIONS)
        assert runner.label.en
        assert runner.label.ja
    assert {"savedmodel", "onnxrt", "onnxrt_cuda", "tflite", "tensorrt", "cpp", "null"} <= set(RUNNERS)


def test_registry_imports_no_heavy_library() -> None:
    heavy = {"tensorflow", "keras", "onnx", "onnxruntime", "matplotlib", "pandas", "tensorrt", "tensorrt_rtx"}
    program = f"import sys, lib.runners; print(*(sys.modules.keys() & {heavy!r}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=config.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_probabilities(runner: Runner, images: np.ndarray) -> None:
    outputs = runner.infer(images)
    assert outputs.shape == (64, 10)
    assert outputs.dtype == np.float32
    assert outputs.min() >= 0
    assert np.abs(outputs.sum(axis=1) - 1).max() <= SUM_TOLERANCE.get(runner.precision, 0.03)


def test_the_same_classes_as_the_savedmodel(runner: Runner, images: np.ndarray, quick: Session) -> None:
    if runner.name == "null":
        pytest.skip("computes nothing")
    with RUNNERS["savedmodel"](quick, "fp32") as savedmodel:
        reference = savedmodel.infer(images)
    expected = PRECISIONS[runner.precision]
    outputs = runner.infer(images)
    assert np.abs(outputs - reference).max() <= expected.max_abs_difference
    assert (outputs.argmax(1) == reference.argmax(1)).mean() >= expected.min_agreement - 0.03  # one of 64 is 0.016


def test_results_do_not_depend_on_the_batch_size(runner: Runner, images: np.ndarray) -> None:
    whole = runner.infer(images)
    tolerance = PRECISIONS[runner.precision].max_abs_difference if runner.precision.startswith("int8") else 1e-5
    for size in (32, 17) if runner.batches_itself else (1, 3, 32, 17):  # 64 is no multiple of 3 or 17: the last batch is short
        parts = [runner.infer(images[start : start + size]) for start in range(0, 64, size)]
        assert np.abs(np.concatenate(parts) - whole).max() <= tolerance


def test_an_earlier_result_is_not_overwritten_by_a_later_call(runner: Runner, images: np.ndarray) -> None:
    first = runner.infer(images[:8])
    kept = first.copy()
    runner.infer(images[8:16])
    assert np.array_equal(first, kept)


def test_input_that_is_a_view_with_strides(runner: Runner, images: np.ndarray) -> None:
    assert np.allclose(runner.infer(images[::2]), runner.infer(images[::2].copy()), atol=1e-6)


WRONG = {
    "uint8": np.zeros((2, 32, 32, 3), np.uint8),
    "float64": np.zeros((2, 32, 32, 3)),
    "nchw": np.zeros((2, 3, 32, 32), np.float32),
    "one image": np.zeros((32, 32, 3), np.float32),
    "empty": np.zeros((0, 32, 32, 3), np.float32),
    "list": [[0.0]],
    "none": None,
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_wrong_input_is_refused_and_the_runner_goes_on(runner: Runner, images: np.ndarray, wrong: object) -> None:
    before = runner.infer(images[:4])
    with pytest.raises(ReportError, match="input must"):
        runner.infer(wrong)  # type: ignore[arg-type]
    assert np.array_equal(runner.infer(images[:4]), before)


def test_entered_twice_one_after_the_other(runner: Runner, images: np.ndarray, quick: Session) -> None:
    again = RUNNERS[runner.name](quick, runner.precision)
    results = []
    for _ in range(2):
        with again as entered:
            results.append(entered.infer(images[:4]))
    assert np.array_equal(*results)


def test_model_file(runner: Runner) -> None:
    if runner.name == "null":
        assert (runner.size_bytes, runner.artifact_sha256) == (0, "")
    else:
        assert runner.size_bytes > 1000
        assert re.fullmatch(r"[0-9a-f]{64}", runner.artifact_sha256)


@pytest.mark.parametrize("name", RUNNERS)
def test_unknown_precision(name: str, quick: Session) -> None:
    with pytest.raises(ReportError, match=f"{name}: no precision 'fp8'; it has fp32"):
        RUNNERS[name](quick, "fp8")


@pytest.mark.parametrize(("name", "precision"), ABSENT)
def test_what_cannot_run_here_says_why(name: str, precision: str) -> None:
    reason = RUNNERS[name].unavailable(precision)
    assert reason is not None
    assert reason.en.isascii()
    assert not reason.ja.isascii()


def test_what_this_system_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "gpus", list)
    for name in ("onnxrt_cuda", "tensorrt", "cpp"):
        reason = RUNNERS[name].unavailable("fp32")
        assert reason is not None
        assert "no NVIDIA GPU" in reason.en
    monkeypatch.setattr(system, "gpus", lambda: [{"name": "a GPU"}])
    cuda = RUNNERS["onnxrt_cuda"].unavailable("fp32")
    assert cuda in (None, onnxrt.NO_CUDA)
    monkeypatch.setattr(host.importlib.util, "find_spec", lambda module: None)
    for name, package in (("savedmodel", "TensorFlow"), ("onnxrt", "ONNX Runtime"), ("tflite", "TensorFlow")):
        reason = RUNNERS[name].unavailable("fp32")
        assert reason is not None
        assert reason.en == f"{package} is not installed"


def test_a_provider_that_silently_falls_back_to_the_cpu_is_not_measured(quick: Session) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    export.onnx(quick, "fp32")
    with pytest.raises(NotMeasured, match="CUDAExecutionProvider did not start"):
        RUNNERS["onnxrt_cuda"](quick, "fp32").__enter__()


def test_tensorrt_refuses_to_start_where_it_cannot_run(quick: Session) -> None:
    if RUNNERS["tensorrt"].unavailable("fp32") is None:
        pytest.skip("TensorRT runs here")
    with pytest.raises(NotMeasured, match="tensorrt: "):
        RUNNERS["tensorrt"](quick, "fp32").__enter__()
    assert trt.unavailable() is not None or not system.gpus()


def test_threads_follow_the_cores_this_process_may_use() -> None:
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from lib.runners import host; print(host.threads())"
    done = subprocess.run([sys.executable, "-c", program], cwd=config.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
