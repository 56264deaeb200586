"""TensorRT on a GPU: engines that run, calibration, refusals, memory, Python and C++. Needs tensorrt and pycuda (marker gpu).

`pytest -m gpu -s` also prints each refusal's line.
"""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import small_network
from small_network import said

from lib import plans, timer, trt
from lib.errors import ArtifactError, ReportError
from lib.experiment import system
from lib.experiment.candidate import Candidate, Way
from lib.measure import sweep
from lib.plans import bound, calibrate, stored, timings
from lib.runners import cpp
from lib.runners.tensorrt import TensorRT
from lib.session import Session
from lib.store import artifacts, files
from lib.trt import calibrators, execution, inspect

HERE = plans.unavailable()
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(900),
    pytest.mark.skipif(HERE is not None, reason=HERE.text.en if HERE else ""),
]
calibrated = pytest.mark.skipif(HERE is not None or plans.not_buildable("int8") is not None, reason="this TensorRT has no calibrators")
CYCLES = int(os.environ.get("REPORT_CYCLES", "10000"))
MIB = 1 << 20


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The quickstart's session with the small network in place of its exported model."""
    with small_network.opened(tmp_path_factory.mktemp("gpu"), "03_engines") as found:
        yield found


@pytest.fixture(scope="module")
def images(opened):
    return opened.to_input(opened.images.x_test)


@pytest.fixture(scope="module")
def expected(opened, images):
    """The probabilities of the network by the ONNX reference implementation, float32 (64, 10)."""
    from onnx.reference import ReferenceEvaluator

    from lib import export
    from lib.models import vgg as model

    return ReferenceEvaluator(str(export.onnx(opened, "fp32").file("model.onnx"))).run(
        [model.SPEC.output], {model.SPEC.input: images[:64]}
    )[0]


def here(opened, precision="fp32", engine=None):
    """What a plan of this session's network must be bound to here."""
    from lib import export

    onnx = export.onnx(opened, plans.onnx_variant(precision)).file("model.onnx")
    expected = plans.identity(onnx, precision, opened.profile.engines)
    return expected | ({"calibration": engine.inputs["calibration"]} if engine else {})


def tensorrt(opened, precision="fp32", api="", engine=None):
    """The Python runner of an engine."""
    return TensorRT(opened, Candidate("tensorrt", precision, Way(api=api)), engine)


def answers(runner, images, batch):
    with runner as run:
        return np.concatenate([run.infer(images[i : i + batch]) for i in range(0, len(images), batch)])


# Engines that run


@pytest.mark.parametrize(
    ("precision", "most"), [("fp32", 1e-5), ("tf32", 1e-2), ("fp16", 2e-2), ("int8", 0.2), ("int8_fp16", 0.2), ("int8_qdq", 0.2)]
)
def test_every_precision_computes_what_the_onnx_says(opened, images, expected, precision, most):
    if reason := plans.not_buildable(precision):
        pytest.skip(reason.text.en)
    got = answers(tensorrt(opened, precision), images[:64], 20)  # 20, 20, 20 and a short last batch
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= most
    assert (got.argmax(1) == expected.argmax(1)).mean() >= 0.95
    artifact = plans.engine(opened, precision)
    assert not inspect.other_than_asked(precision, artifact.info["engine_types"])
    listed = json.loads(artifact.file(stored.ENGINE_LAYERS).read_text())
    assert any(layer["tactic"] for layer in listed)
    print("\n ", precision, artifact.info["engine_types"], artifact.size(stored.PLAN), "bytes")


def test_every_batch_of_the_profile_gives_the_same_answers(opened, images):
    whole = answers(tensorrt(opened), images[:33], 32)
    for batch in (1, 2, 7, 16, 31):
        np.testing.assert_allclose(answers(tensorrt(opened), images[:33], batch), whole, atol=5e-7)


def test_images_that_fill_no_smallest_batch_are_answered_too(opened, images):
    """50 images in batches of 24 leave 2 for an engine that takes 24 at least."""
    whole = answers(tensorrt(opened), images[:50], 25)
    engines = opened.profile.engines.model_copy(update={"min_batch": 24, "opt_batch": 24})
    narrow = Session(opened.profile.model_copy(update={"engines": engines}), "test")
    np.testing.assert_allclose(answers(tensorrt(narrow), images[:50], 24), whole, atol=5e-7)


def apis():
    return execution.apis() if HERE is None else []


def test_time_on_the_gpu_is_part_of_the_call_and_grows_with_the_batch(opened, images):
    for api in apis():
        with tensorrt(opened, api=api) as run:
            whole = timer.timer(lambda run=run: run.infer(images[:32]), run.gpu_ms)(0.5)
            one = timer.timer(lambda run=run: run.infer(images[:1]), run.gpu_ms)(0.5)
        both = np.median(whole.latencies_ms), np.median(whole.gpu_ms)
        print(f"\n  {api}: {both[0]:.4f} ms end to end, {both[1]:.4f} ms on the GPU, batch 1 {np.median(one.gpu_ms):.4f} ms")
        assert 0 < both[1] < both[0]
        assert np.median(one.gpu_ms) < 0.9 * both[1]


def test_both_apis_answer_alike(opened, images):
    if len(apis()) == 1:
        pytest.skip("this TensorRT has one API")
    one, other = (answers(tensorrt(opened, api=api), images[:50], 32) for api in apis())
    assert np.array_equal(one, other)


def test_a_plan_is_checked_before_it_is_loaded_and_not_while(opened, images, monkeypatch):
    runner = tensorrt(opened)
    runner.prepare()
    monkeypatch.setattr(files, "sha256", lambda path: pytest.fail(f"{path} was hashed while loading"))
    monkeypatch.setattr(artifacts, "read", lambda *_: pytest.fail("the plan was read while loading"))
    runner.open()
    assert runner.infer(images[:2]).shape == (2, small_network.CLASSES)
    runner.close()


def test_the_gpu_that_is_named_is_the_one_that_runs(opened):
    import pycuda.driver as driver

    from lib import cuda

    cuda.activate()
    device = driver.Context.get_device()
    assert cuda.bus_id(device.pci_bus_id()) == cuda.devices()[0]
    assert ".".join(map(str, device.compute_capability())) == system.gpus()[0]["compute_cap"]
    assert plans.engine(opened, "fp32").inputs["gpu"] == device.name()


def test_layers_have_times_types_and_tactics(opened, images):
    layers = plans.layer_times(opened, "fp32", plans.engine(opened, "fp32"), images[:16], 5)
    assert [layer.index for layer in layers] == list(range(len(layers)))
    assert all(len(layer.times_ms) == 5 and min(layer.times_ms) >= 0 for layer in layers)
    assert any(layer.type == "fp32" and layer.tactic for layer in layers)


def test_tensors_between_layers_are_those_of_the_network(opened, images, expected):
    found = plans.intermediate(opened, "fp32", ["conv1", "conv1_relu", "logits"], images[:8])
    np.testing.assert_allclose(found["conv1_relu"], np.maximum(found["conv1"], 0), atol=1e-6)
    powers = np.exp(found["logits"] - found["logits"].max(1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(1, keepdims=True), expected[:8], atol=1e-5)
    assert "no tensor 'nothing'" in said(trt.EngineError, lambda: plans.intermediate(opened, "fp32", ["nothing"], images[:8]))


# Errors after which the process goes on


def test_bad_input_is_an_error_and_the_next_call_works(opened, images):
    with tensorrt(opened) as run:
        right = run.infer(images[:4])
        assert "over the largest" in said(ReportError, lambda: run.infer(images[:33]))
        assert "n >= 1" in said(ReportError, lambda: run.infer(images[:0]))
        assert "shape" in said(ReportError, lambda: run.infer(images[:4, :16]))
        assert "float32" in said(ReportError, lambda: run.infer(images[:4].astype(np.float64)))
        broken = images[:4].copy()
        broken[2, 0, 0, 0] = np.nan
        assert "image 2" in said(ReportError, lambda: run.infer(broken))
        assert np.array_equal(run.infer(images[:4]), right)


def test_no_device_memory_left(opened, images):
    from lib import cuda

    with tensorrt(opened) as run:
        right = run.infer(images[:4])
        assert "no device memory left" in said(cuda.CudaError, lambda: cuda.DeviceMemory(cuda.free_bytes() * 2))
        held = [cuda.DeviceMemory(cuda.free_bytes() - 8 * MIB)]
        try:
            while cuda.free_bytes() > 2 * MIB:
                held.append(cuda.DeviceMemory(MIB))
        except cuda.CudaError:
            pass
        try:
            assert "memory" in said(ReportError, lambda: tensorrt(opened).__enter__()).lower()
        finally:
            for memory in held:
                memory.close()
        assert np.array_equal(run.infer(images[:4]), right)
    assert np.array_equal(answers(tensorrt(opened), images[:4], 4), right)


def test_ten_thousand_cycles_hold_device_memory(opened, images):
    from lib import cuda

    runner = tensorrt(opened)
    batch, plan = images[:4], plans.trusted(opened, "fp32", runner.artifact)
    from lib.trt.execution import Execution

    def cycle():
        with Execution(plan) as run:
            return run.infer(batch)

    for _ in range(20):
        right = cycle()
    before = cuda.free_bytes()
    for _ in range(CYCLES):
        last = cycle()
    after = cuda.free_bytes()
    print(f"\n  {CYCLES} cycles: free before {before}, after {after} bytes")
    assert before - after < 2 * MIB
    assert all(np.array_equal(last[name], right[name]) for name in right)


# Engines that can be trusted


def load_plan(folder, expected):
    return bound.read(folder, stored.KIND, stored.PLAN, expected)


def test_refusals(opened):
    artifact = plans.engine(opened, "fp32")
    folder, expected = artifact.path.parent, here(opened)
    assert "its precision is" in said(ArtifactError, lambda: tensorrt(opened, "tf32", engine=artifact).__enter__())
    assert load_plan(folder, expected) == artifact.file(stored.PLAN).read_bytes()
    for field, value in {
        "tensorrt": "10.16.0.1",
        "gpu": "NVIDIA A100-SXM4-80GB",
        "compute_capability": "8.0",
        "onnx_sha256": "0" * 64,
        "precision": "fp16",
        "profile": [1, 16, 256],
    }.items():
        line = said(ArtifactError, lambda field=field, value=value: load_plan(folder, expected | {field: value}))
        assert bound.WORDS.get(field, field.replace("_", " ")) in line


def test_a_changed_onnx_makes_another_engine(opened, tmp_path):
    other = small_network.write(tmp_path / "other.onnx", seed=1)
    changed = stored.identity(other, "fp32", opened.profile.engines)
    artifact = plans.engine(opened, "fp32")
    assert artifacts.key_of(stored.KIND, changed) != artifact.key
    assert "its ONNX is" in said(ArtifactError, lambda: load_plan(artifact.path.parent, changed))


def test_altered_plans_are_refused(opened, tmp_path):
    artifact = plans.engine(opened, "fp32")
    expected = here(opened)
    for what, change in {"truncated": lambda data: data[: len(data) // 2], "altered": lambda data: data[:-9] + b"\x00" + data[-8:]}.items():
        copy = tmp_path / what
        shutil.copytree(artifact.path.parent, copy)
        (copy / "payload" / stored.PLAN).write_bytes(change(artifact.file(stored.PLAN).read_bytes()))
        assert "altered or truncated" in said(ArtifactError, lambda copy=copy: load_plan(copy, expected))


def test_what_tensorrt_itself_does_not_load(opened):
    from lib.trt.execution import Execution

    plan = plans.engine(opened, "fp32").file(stored.PLAN).read_bytes()
    assert "does not load this plan" in said(trt.EngineError, lambda: Execution(plan[: len(plan) // 2]).__enter__())
    assert "does not load this plan" in said(trt.EngineError, lambda: Execution(b"no plan at all").__enter__())


# Calibration


@calibrated
def test_calibration_reads_the_batches_and_is_bound(opened, tmp_path):
    from lib import export

    onnx = export.onnx(opened, "fp32").file("model.onnx")
    caches = {method: calibrate.cache(opened, onnx, plans.Calibration(method, 320)) for method in calibrators.CALIBRATORS}
    scales = {method: calibrators.scales(cache.file(calibrate.CACHE).read_bytes()) for method, cache in caches.items()}
    assert {cache.info["batches"] for cache in caches.values()} == {10}
    assert scales["entropy"].keys() == scales["minmax"].keys()
    assert scales["entropy"] != scales["minmax"]
    # Min-max: an INT8 step is the largest absolute value over 127.
    assert scales["minmax"]["images"] * 127 == pytest.approx(1, abs=0.01)
    print("\n ", caches["entropy"].file(calibrate.CACHE).read_text().splitlines()[:3])

    expected = calibrate.identity(opened, onnx, plans.Calibration("entropy", 320))
    tensors, folder = set(scales["entropy"]), caches["entropy"].path.parent
    assert calibrate.load_cache(folder, expected, tensors)
    other = calibrate.identity(opened, small_network.write(tmp_path / "other.onnx", seed=1), plans.Calibration("entropy", 320))
    assert "its ONNX is" in said(ArtifactError, lambda: calibrate.load_cache(folder, other, tensors))
    assert "dataset" in said(ArtifactError, lambda: calibrate.load_cache(folder, expected | {"dataset": "0" * 64}, tensors))
    assert "its TensorRT version is" in said(
        ArtifactError, lambda: calibrate.load_cache(folder, expected | {"tensorrt": "10.0.0"}, tensors)
    )
    assert "no tensor of this network" in said(ArtifactError, lambda: calibrate.load_cache(folder, expected, {"another"}))


@calibrated
def test_calibrators_make_different_engines(opened):
    entropy, minmax = (plans.engine(opened, "int8", plans.Calibration(method, 320)) for method in ("entropy", "minmax"))
    assert entropy.key != minmax.key
    assert "its calibration cache is" in said(ArtifactError, lambda: load_plan(entropy.path.parent, here(opened, "int8", minmax)))


@calibrated
def test_too_few_calibration_images(opened):
    said(trt.EngineError, lambda: plans.engine(opened, "int8", plans.Calibration("entropy", 31)))


def test_a_timing_cache_makes_builds_faster_and_a_damaged_one_is_refused(opened):
    from lib import export
    from lib.trt.build import build

    onnx, settings = export.onnx(opened, "fp32").file("model.onnx"), opened.profile.engines
    first = build(onnx, "fp32", settings, timings=b"")
    second = build(onnx, "fp32", settings, timings=first.timings)
    print(f"\n  cold {first.build_s[0]:.2f} s, with the timing cache {second.build_s[0]:.2f} s")
    assert (first.timing_cache, second.timing_cache) == (False, True)
    assert second.build_s[0] < first.build_s[0]
    assert "no timing cache" in said(trt.EngineError, lambda: build(onnx, "fp32", settings, timings=b"damaged"))
    name = timings.path(opened).name
    assert system.slug(trt.version()) in name
    assert system.slug(system.gpus()[0]["name"]) in name


# Python and C++


compiled = pytest.mark.skipif(not cpp.program().is_file(), reason="the C++ runner is not built: make cpp")


@compiled
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_cpp_answers_as_python_in_every_way(opened, images, precision):
    if reason := plans.not_buildable(precision):
        pytest.skip(reason.text.en)
    python = answers(tensorrt(opened, precision), images[:50], 32)
    for way in cpp.Cpp.ways(precision):
        with cpp.Cpp(opened, Candidate("cpp", precision, way)) as run:
            for count in (1, 16, 50):
                got = run.infer(images[:count])
                assert got.argmax(1).tolist() == python[:count].argmax(1).tolist()
                np.testing.assert_allclose(got, python[:count], atol=5e-7)


@compiled
def test_cpp_measures_itself_beside_python(opened):
    own = Session(opened.profile, "06_batching")
    candidates = [Candidate("tensorrt", "fp32"), Candidate("cpp", "fp32")]
    sweep.timings(own, candidates, [1, 32])
    found = {(r.candidate, r.batch_size, r.scope): r for r in own.records if r.metric == "latency"}
    assert [record.reason for record in found.values()] == [None] * 8
    for candidate in candidates:
        for batch in (1, 32):
            whole, alone = (found[candidate, batch, scope].value for scope in ("end_to_end", "gpu_compute"))
            print(f"\n  {candidate.key} {batch}: {whole:.4f} ms end to end, {alone:.4f} ms on the GPU")
            assert 0 < alone < whole
    python, compiled_one = ([found[candidate, batch, "gpu_compute"].value for batch in (1, 32)] for candidate in candidates)
    np.testing.assert_allclose(python, compiled_one, rtol=0.1)


@compiled
def test_cpp_loads_no_plan_that_nobody_vouches_for(opened, images, tmp_path):
    plan = plans.engine(opened, "fp32").file(stored.PLAN)
    np.save(tmp_path / "samples.npy", images[:4])
    words = ["--plan", plan, "--samples", tmp_path / "samples.npy", "--predictions", tmp_path / "p.npy"]
    assert "--sha256" in said(ReportError, lambda: cpp.call(*words))
    assert "altered" in said(ReportError, lambda: cpp.call(*words, "--sha256", "0" * 64))
    assert not (tmp_path / "p.npy").exists()
    cpp.call(*words, "--insist")
    assert (tmp_path / "p.npy").exists()
