"""What every entry of RUNNERS keeps to. What this system cannot run must say so in both languages and refuse to start."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from lib import export, models, onnx_session, plans
from lib.errors import NotMeasured, ReportError
from lib.experiment import candidate as candidates
from lib.experiment import profile, system
from lib.experiment import profile as config
from lib.experiment.candidate import HARNESS, LABELS, SAVED_MODEL_REFERENCE, Candidate, Way
from lib.experiment.precision import PRECISIONS, of_type
from lib.models import vgg
from lib.runners import RUNNERS, onnxrt
from lib.runners import candidates as every
from lib.runners.base import Runner, wrong_output
from lib.session import Session
from lib.store.records import Reason

EVERY = [*every(profile.load("quickstart")), Candidate(HARNESS, "fp32")]
HERE = [one for one in EVERY if RUNNERS[one.runner].unavailable(one.precision) is None]
ABSENT = [one for one in EVERY if one not in HERE]
SUM_TOLERANCE = {"fp32": 1e-5, "tf32": 1e-5, "fp16": 1e-2}  # INT8 rounds each probability to about 1/256
INT8 = Candidate("onnxrt", "int8_qdq")


def made(candidate: Candidate, session: Session) -> Runner:
    return RUNNERS[candidate.runner](session, candidate)


@pytest.fixture(scope="module")
def images(quick: Session) -> np.ndarray:
    return quick.to_input(quick.images.x_test[:64])


@pytest.fixture(scope="module", params=HERE, ids=lambda candidate: candidate.key)
def runner(request: pytest.FixtureRequest, quick: Session) -> Iterator[Runner]:
    with made(request.param, quick) as entered:
        yield entered


def test_registry_names_its_entries_and_knows_their_precisions() -> None:
    assert list(RUNNERS) == ["savedmodel", "onnxrt", "onnxrt_cuda", "tflite", "tensorrt", "cpp", "null"]
    for name, runner in RUNNERS.items():
        assert runner.name == name
        assert set(runner.precisions) <= set(PRECISIONS)
        assert LABELS[name] == runner.label
        assert all(runner.label)
    assert [name for name in LABELS if name in RUNNERS] == list(RUNNERS)
    assert every(profile.load("quickstart"))[0] == SAVED_MODEL_REFERENCE
    assert candidates.ordered(reversed(every(profile.load("quickstart")))) == every(profile.load("quickstart"))
    assert HARNESS not in {one.runner for one in every(profile.load("quickstart"))}


def test_what_each_backend_runs_stands_in_the_rows() -> None:
    assert RUNNERS["onnxrt"].precisions == ("fp32", "fp16", "int8_qdq")
    assert RUNNERS["onnxrt_cuda"].precisions == ("fp32", "tf32", "fp16")
    assert RUNNERS["tflite"].precisions == ("fp32", "fp16", "int8_qdq")
    assert RUNNERS["tensorrt"].precisions == RUNNERS["cpp"].precisions == tuple(PRECISIONS)


def test_rows_name_exports_that_there_are_and_types_that_fit() -> None:
    for key, row in PRECISIONS.items():
        assert row.key == key
        assert {row.onnxrt, row.onnxrt_cuda, row.trt_onnx, row.trt_typed_onnx} - {""} <= set(export.ONNX_VARIANTS)
        assert {row.tflite} - {""} <= set(export.TFLITE_VARIANTS)
        assert np.dtype(row.weights)
        assert 0 < row.unit_roundoff < row.max_abs_difference
        assert set(row.asked_types) <= set(row.layer_types)
    assert PRECISIONS["int8_fp16"].asked_types == ("int8", "fp16")
    assert of_type("int8") is PRECISIONS["int8"]
    assert of_type("fp8") is None
    assert len({row.colour for row in PRECISIONS.values()}) == len(PRECISIONS)


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
    with made(SAVED_MODEL_REFERENCE, quick) as savedmodel:
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
    again = made(runner.candidate, quick)
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
def test_unknown_precision_and_way(name: str, quick: Session) -> None:
    with pytest.raises(ReportError, match=f"{name}: no precision 'fp8'; it has fp32"):
        RUNNERS[name](quick, Candidate(name, "fp8"))
    with pytest.raises(ReportError, match=f"{name} fp32: it is not called by 'by_post'"):
        RUNNERS[name](quick, Candidate(name, "fp32", Way(api="by_post")))


@pytest.mark.parametrize("candidate", ABSENT, ids=lambda candidate: candidate.key)
def test_what_cannot_run_here_says_why(candidate: Candidate, quick: Session) -> None:
    reason = RUNNERS[candidate.runner].unavailable(candidate.precision)
    assert reason is not None
    assert reason.text.en.isascii()
    assert not reason.text.ja.isascii()
    with pytest.raises(NotMeasured, match=re.escape(f"{candidate.key}: {reason.text.en}")) as raised:
        made(candidate, quick).prepare()
    assert raised.value.reason == reason


def test_what_this_system_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "gpus", list)
    assert RUNNERS["onnxrt_cuda"].unavailable("fp32") == Reason("no_gpu")
    monkeypatch.setattr(system, "gpus", lambda: [{"name": "a GPU"}])
    assert RUNNERS["onnxrt_cuda"].unavailable("fp32") in (None, Reason("no_cuda_provider"))
    monkeypatch.setattr("importlib.util.find_spec", lambda module: None)
    for name, package in (("savedmodel", "TensorFlow"), ("onnxrt", "ONNX Runtime"), ("tflite", "TensorFlow")):
        reason = RUNNERS[name].unavailable("fp32")
        assert reason is not None
        assert reason.text.en == f"{package} is not installed"


@pytest.mark.parametrize("name", ["tensorrt", "cpp"])
def test_engines_need_tensorrt_and_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "gpus", list)
    assert RUNNERS[name].unavailable("fp32") in (plans.NOT_INSTALLED, Reason("no_gpu"))


def test_a_provider_that_silently_falls_back_to_the_cpu_is_not_measured(quick: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    cuda = RUNNERS["onnxrt_cuda"]
    if cuda.provider in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    monkeypatch.setattr(cuda, "unavailable", classmethod(lambda cls, precision: None))
    with pytest.raises(NotMeasured, match="CUDAExecutionProvider of ONNX Runtime did not start"), cuda(quick, Candidate(cuda.name, "fp32")):
        pass


def test_threads_follow_the_cores_this_process_may_use() -> None:
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from lib.onnx_session import threads; print(threads())"
    done = subprocess.run([sys.executable, "-c", program], cwd=config.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_every_session_of_onnx_runtime_has_the_threads_and_computes_int8_precisely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_session, "threads", lambda: 3)
    options = onnx_session.options()
    assert options.get_session_config_entry("session.x64quantprecision") == "1"
    assert options.intra_op_num_threads == 3
    with pytest.raises(RuntimeError):
        onnx_session.options(precise=False).get_session_config_entry("session.x64quantprecision")


@pytest.mark.parametrize(("provider", "severities"), [("AzureExecutionProvider", [onnx_session.SILENT]), (onnx_session.CPU, [])])
def test_the_log_is_silent_once_another_provider_than_the_processor_s_has_started(
    quick: Session, provider: str, severities: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With CUDA it has an error for each convolution that cuDNN computes in another way; before that it says what was not found."""
    import onnxruntime

    if provider not in onnxruntime.get_available_providers():
        pytest.skip(f"this ONNX Runtime has no {provider}")
    said: list[int] = []
    monkeypatch.setattr(onnxruntime, "set_default_logger_severity", said.append)
    onnx_session.start(export.onnx(quick, "fp32").file(export.ONNX_FILE), provider)
    assert said == severities


def test_the_session_that_is_timed_is_the_precise_one(quick: Session) -> None:
    with made(INT8, quick) as runner:
        assert runner._run.get_session_options().get_session_config_entry("session.x64quantprecision") == "1"
        assert runner.told() == {"mode": "precise"}
    assert made(Candidate("onnxrt", "fp32"), quick).told() == {}


def test_the_default_int8_is_another_way_where_it_saturates(quick: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    default = replace(INT8, way=onnxrt.DEFAULT)
    monkeypatch.setattr(onnxrt, "saturates", lambda: False)
    with pytest.raises(ReportError, match="onnxrt int8_qdq: it is not called by 'default_int8'"):
        made(default, quick)
    monkeypatch.setattr(onnxrt, "saturates", lambda: True)
    assert onnxrt.OnnxRuntime.ways("int8_qdq") == [Way(), onnxrt.DEFAULT]
    assert onnxrt.OnnxRuntime.ways("fp32") == onnxrt.OnnxRuntimeCuda.ways("fp16") == [Way()]
    with made(default, quick) as runner:
        assert runner.told() == {"mode": "default"}
        with pytest.raises(RuntimeError):
            runner._run.get_session_options().get_session_config_entry("session.x64quantprecision")


@pytest.mark.parametrize(
    ("machine", "features", "expected"),
    [
        ("x86_64", ["avx2"], True),
        ("AMD64", ["avx2", "avx512f"], True),
        ("x86_64", ["avx2", "avx_vnni"], False),
        ("x86_64", ["avx2", "avx512_vnni", "avx512f"], False),
        ("aarch64", ["asimddp"], False),
    ],
)
def test_processors_that_saturate(machine: str, features: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxrt.platform, "machine", lambda: machine)
    monkeypatch.setattr(system, "describe", lambda: {"cpu_features": features})
    assert onnxrt.saturates() is expected


def test_opening_only_loads(quick: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What load times measure holds no export, no build and no hashing."""
    runners = [made(candidate, quick) for candidate in HERE]
    for runner in runners:
        runner.prepare()
    models.tensorflow()
    monkeypatch.setattr("lib.store.files.sha256", lambda path: pytest.fail(f"hashes {path}"))
    for runner in runners:
        runner.open()
        runner.close()


def test_the_savedmodel_counts_each_variable_once(quick: Session) -> None:
    saved, onnx = made(SAVED_MODEL_REFERENCE, quick), made(Candidate("onnxrt", "fp32"), quick)
    weights = saved.artifact.file("saved_model") / "variables" / "variables.data-00000-of-00001"
    assert weights.stat().st_size < 1.05 * onnx.size_bytes
    assert saved.size_bytes == sum(path.stat().st_size for path in saved.artifact.file("saved_model").rglob("*") if path.is_file())


RIGHT = np.full((4, 10), 0.1, np.float32)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (RIGHT, None),
        (RIGHT.astype(np.float64), "float64 (4, 10) ≠ float32 (4, 10)"),
        (RIGHT[:3], "float32 (3, 10) ≠ float32 (4, 10)"),
        (RIGHT * np.nan, "NaN, ∞"),
        (RIGHT * 0, "Σp = 0 ≠ 1"),
        (RIGHT * 1.2, "Σp = 1.2 ≠ 1"),
        (RIGHT * 1.04, None),
        (None, "NoneType None ≠ float32 (4, 10)"),
    ],
)
def test_wrong_outputs_are_seen(output: object, said: str | None) -> None:
    assert wrong_output(output, 4, vgg.SPEC) == said


@pytest.mark.parametrize(("classes", "total", "right"), [(10, 1.04, True), (10, 1.2, False), (1000, 0.1, True), (1000, 3.5, False)])
def test_what_int8_rounds_grows_with_the_classes(classes: int, total: float, right: bool) -> None:
    spec = replace(vgg.SPEC, classes=classes)
    assert (wrong_output(np.full((2, classes), total / classes, np.float32), 2, spec) is None) is right
