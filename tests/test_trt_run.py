"""Running engines, reading their layers, timing caches: with stand-ins for TensorRT and CUDA. tests/test_gpu.py runs the real ones."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import trt
from lib.errors import ReportError
from lib.experiment.precision import PRECISIONS
from lib.plans import timings
from lib.trt import execution, inspect, log, timing_cache

SEVERITIES = {name: SimpleNamespace(name=name) for name in ("VERBOSE", "INFO", "ERROR", "INTERNAL_ERROR")}


class Logger:
    """trt.ILogger."""


class Context:
    """An execution context of a network that answers the sum of each image, in the API of 8.5."""

    active_optimization_profile = 0

    def __init__(self, engine) -> None:
        self.engine, self.count, self.addresses, self.works = engine, 0, {}, True

    def set_input_shape(self, name, shape):
        self.count = shape[0]
        return self.works

    def set_binding_shape(self, index, shape):
        return self.set_input_shape("images", shape)

    def get_tensor_shape(self, name):
        return (self.count, 2, 2, 3) if name == "images" else (self.count, 1)

    def get_binding_shape(self, index):
        return self.get_tensor_shape(("images", "sums")[index])

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream):
        return self._run(self.addresses["images"], self.addresses["sums"])

    def execute_async_v2(self, bindings, stream):
        return self._run(*bindings)

    def _run(self, given, made):
        if not self.works:
            self.engine.log.log(SEVERITIES["ERROR"], "no\n launch")
            return False
        images = Memory.all[given].reshape(-1, 2, 2, 3)[: self.count]
        Memory.all[made][: self.count] = images.sum((1, 2, 3))
        return True


class Engine:
    num_io_tensors, num_bindings, num_optimization_profiles = 2, 2, 1
    types = ("FLOAT", "FLOAT")

    def __init__(self, logger) -> None:
        self.log = logger

    def create_execution_context(self):
        return Context(self)

    def get_tensor_name(self, index):
        return ("images", "sums")[index]

    get_binding_name = get_tensor_name

    def get_binding_index(self, name):
        return ("images", "sums").index(name)

    def get_tensor_mode(self, name):
        return "in" if name == "images" else "out"

    def get_tensor_dtype(self, name):
        return SimpleNamespace(name=self.types[self.get_binding_index(name)])

    def get_tensor_shape(self, name):
        return (-1, 2, 2, 3) if name == "images" else (-1, 1)

    def get_tensor_profile_shape(self, name, profile):
        return [(2, 2, 2, 3), (4, 2, 2, 3), (8, 2, 2, 3)]


class Runtime:
    def __init__(self, logger) -> None:
        self.log = logger

    def deserialize_cuda_engine(self, plan):
        if plan == b"bad":
            self.log.log(SEVERITIES["ERROR"], "bad plan")
            return None
        return Engine(self.log)


class Memory:
    """Device memory on the host. all: address -> float32 values."""

    all: ClassVar[dict[int, np.ndarray]] = {}

    def __init__(self, size: int) -> None:
        self.size, self.address = size, 4096 * (len(Memory.all) + 1)
        Memory.all[self.address] = np.zeros(size // 4, np.float32)

    def close(self) -> None:
        del Memory.all[self.address]


class Stream:
    handle = 7

    def upload(self, host, device):
        Memory.all[device.address][: host.size] = host.ravel()

    def download(self, device, host):
        host[...] = Memory.all[device.address][: host.size].reshape(host.shape)

    def timed(self, work):
        work()
        return 1.5

    def synchronize(self):
        pass


@pytest.fixture
def eight(monkeypatch):
    """TensorRT 8.5 as far as running goes."""
    module = SimpleNamespace(
        __version__="8.5.3.1",
        ILogger=Logger,
        Runtime=Runtime,
        IExecutionContext=Context,
        ICudaEngine=Engine,
        TensorIOMode=SimpleNamespace(INPUT="in"),
    )
    monkeypatch.setattr("lib.trt.versions.module", lambda: module)
    for name, value in {"activate": lambda: None, "Stream": Stream, "DeviceMemory": Memory, "free_bytes": lambda: 0}.items():
        monkeypatch.setattr(f"lib.cuda.{name}", value)
    monkeypatch.setattr("lib.cuda.pinned", lambda shape, dtype=np.float32: np.full(shape, np.nan, dtype))
    Memory.all.clear()
    return module


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).random((count, 2, 2, 3), np.float32)


# Execution


@pytest.mark.parametrize("api", [execution.NAMED, execution.BINDINGS])
def test_both_apis_run_every_batch_of_the_profile(eight, api):
    with execution.Execution(b"plan", api) as run:
        assert (run.min_batch, run.max_batch, run.input, run.outputs) == (2, 8, "images", ["sums"])
        for count in (8, 2, 5, 1):  # a larger batch before leaves nothing in a smaller one's answer; 1 is below the profile's smallest
            answer = run.infer(images(count))["sums"]
            assert answer.shape == (count, 1)
            assert run._context.count == max(2, count)
            np.testing.assert_allclose(answer[:, 0], images(count).sum((1, 2, 3)), rtol=1e-6)
    assert not Memory.all  # closed: nothing stays on the device


@pytest.mark.parametrize("api", ["execute_async_v3", "execute_async_v2"])
def test_time_on_the_gpu_is_that_of_the_last_batch_and_a_failed_launch_an_error(eight, api):
    with execution.Execution(b"plan", api) as run:
        run.infer(images(3))
        made = Memory.all[run._device["sums"].address]
        made[:] = 0
        assert run.gpu_ms() == 1.5
        np.testing.assert_allclose(made[:3], images(3).sum((1, 2, 3)), rtol=1e-6)
        run._context.works = False
        with pytest.raises(ReportError, match="no launch"):
            run.gpu_ms()


def test_answers_stay_when_the_next_batch_runs(eight):
    with execution.Execution(b"plan") as run:
        first = run.infer(images(4))["sums"]
        kept = first.copy()
        run.infer(images(5))
        assert np.array_equal(first, kept)


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (images(9), "a batch of 9: this engine takes 1 to 8"),
        (images(4)[:0], "a batch of 0: this engine takes 1 to 8"),
        (images(4).astype(np.float64), "got float64"),
        (images(4)[:, :1], r"got float32 \(4, 1, 2, 3\)"),
        (images(4)[0], r"got float32 \(2, 2, 3\)"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_and_the_next_runs(eight, batch, said):
    with execution.Execution(b"plan") as run:
        with pytest.raises(trt.EngineError, match=said):
            run.infer(batch)
        run.infer(images(2))


def test_what_tensorrt_refuses_is_an_error_with_its_words(eight):
    with execution.Execution(b"plan") as run:
        run._context.works = False
        with pytest.raises(trt.EngineError, match="refuses input shape"):
            run.infer(images(2))
        run._context.set_input_shape = lambda name, shape: True
        with pytest.raises(trt.EngineError, match="execute_async_v3 failed: no launch"):
            run.infer(images(2))
        run._context.works = True
        run.infer(images(2))
    with pytest.raises(trt.EngineError, match=r"8\.5\.3\.1 does not load this plan: bad plan"):
        execution.Execution(b"bad").__enter__()


def test_nothing_is_held_when_opening_fails_half_way(eight, monkeypatch):
    def no_memory(size):
        if Memory.all:
            raise ReportError("no device memory left")
        return Memory(size)

    monkeypatch.setattr("lib.cuda.DeviceMemory", no_memory)
    with pytest.raises(ReportError, match="no device memory left"):
        execution.Execution(b"plan").__enter__()
    assert not Memory.all


def test_a_plan_with_other_types_is_refused(eight, monkeypatch):
    monkeypatch.setattr(Engine, "types", ("BFLOAT16", "FLOAT"))
    with pytest.raises(trt.EngineError, match="tensor 'images' of this plan is BFLOAT16"):
        execution.Execution(b"plan").__enter__()


def test_an_api_that_this_tensorrt_lacks(eight):
    eight.IExecutionContext = SimpleNamespace(execute_async_v3=None)
    assert execution.apis() == [execution.NAMED]
    with pytest.raises(trt.EngineError, match="no execute_async_v2; it has execute_async_v3"):
        execution.Execution(b"plan", execution.BINDINGS)


# What every runner refuses


@given(st.integers(1, 4), st.sampled_from([np.nan, np.inf, -np.inf]), st.data())
def test_inputs_that_are_no_numbers_name_their_image(count, value, data):
    from lib.models import vgg
    from lib.runners.base import check_batch

    batch = np.zeros((count, 32, 32, 3), np.float32)
    at = data.draw(st.integers(0, count - 1))
    batch[at, data.draw(st.integers(0, 31)), 0, 2] = value
    with pytest.raises(ReportError, match=f"NaN or infinity, first in image {at}"):
        check_batch(batch, vgg.SPEC)


def test_large_finite_inputs_are_numbers():
    from lib.models import vgg
    from lib.runners.base import check_batch

    check_batch(np.full((1, 32, 32, 3), 3e38, np.float32), vgg.SPEC)  # their squares are not


# Layers of a finished engine


def described(**more):
    tensor = {
        "Name": "x",
        "Location": "Device",
        "Dimensions": [16, 3, 32, 32],
        "Format/Datatype": more.pop("format", "Row major linear FP32"),
    }
    return {"Name": "conv + relu", "LayerType": "CaskConvolution", "Inputs": [tensor], "ParameterType": "Convolution"} | more


@pytest.mark.parametrize(
    ("layer", "of"),
    [
        (described(TacticName="sm80_xmma_f32f32_f32f32_f32"), "fp32"),
        (described(TacticName="sm80_xmma_f32f32_tf32f32_f32"), "tf32"),
        (described(format="Channel major FP16 format where channel % 8 == 0"), "fp16"),
        (described(format="Thirty-two wide channel vectorized row major Int8 format"), "int8"),
        (described(format="N/A due to dynamic shapes", Weights={"Type": "Half", "Count": 432}), "fp16"),
        (described(format="N/A due to dynamic shapes", Weights={"Type": "Int8", "Count": 432}), "int8"),
        (described(format="N/A due to dynamic shapes", Weights={"Type": "Float", "Count": 432}, TacticName="x_tf32f32_x"), "tf32"),
        (described(format="N/A due to dynamic shapes"), ""),
    ],
)
def test_the_type_of_a_layer(layer, of):
    found = inspect.engine_layer(layer)
    assert (found.type, found.is_product, found.name) == (of, True, "conv + relu")


def test_layers_that_hold_little_work():
    pooling = {"Name": "p", "LayerType": "CaskPooling", "ParameterType": "Pooling", "Inputs": []}
    assert not inspect.engine_layer(pooling).is_product
    assert inspect.engine_layer("only a name") == inspect.EngineLayer("only a name", "", "", "")
    assert inspect.product_types([inspect.engine_layer(described()), inspect.engine_layer(pooling)]) == {"fp32": 1}


@pytest.mark.parametrize(
    ("precision", "found", "right"),
    [
        ("fp32", {"fp32": 8}, True),
        ("fp32", {"fp32": 7, "tf32": 1}, False),
        ("tf32", {"tf32": 8}, True),
        ("tf32", {"tf32": 7, "fp32": 1}, True),
        ("tf32", {"fp32": 8}, True),
        ("fp16", {"fp16": 7, "fp32": 1}, True),
        ("fp16", {"fp32": 8}, True),  # the builder found that faster; page 03 says it in red
        ("int8", {"int8": 8}, True),
        ("int8", {"int8": 7, "fp16": 1}, False),
        ("int8_fp16", {"int8": 7, "fp16": 1}, True),
        ("int8_fp16", {"fp16": 8}, True),
        ("int8_qdq", {"int8": 8}, True),
        ("fp16", {"": 8}, True),  # not told: nothing to hold against it
        ("fp32", {"": 7, "fp16": 1}, False),
    ],
)
def test_an_engine_under_another_name(precision, found, right):
    wrong = inspect.other_than_asked(precision, found)
    assert (wrong == "") is right
    assert right or f"asked for {precision}" in wrong


def test_every_precision_has_a_rule():
    for row in PRECISIONS.values():
        assert row.layer_types
        assert row.product_type in inspect.TYPES.values()
        assert not inspect.other_than_asked(row.key, dict.fromkeys(row.layer_types, 1))


# Timing caches


class Config:
    """IBuilderConfig as far as timing caches go; takes what it once gave out."""

    def __init__(self, accepts=True) -> None:
        self.accepts, self.held = accepts, None

    def create_timing_cache(self, data):
        return SimpleNamespace(data=data, serialize=lambda: b"learnt")

    def set_timing_cache(self, cache, ignore_mismatch):
        assert ignore_mismatch is False
        self.held = cache
        return self.accepts or not cache.data

    def get_timing_cache(self):
        return self.held


def built_from(given, accepts=True):
    """What a build says of the timing cache that it was given."""
    config = Config(accepts)
    warm = timing_cache.attach(config, given, "8.5.3.1")
    return config, SimpleNamespace(timing_cache=warm, timings=timing_cache.learnt(config, "8.5.3.1"))


def test_a_timing_cache_is_kept_and_used(tmp_path):
    path = tmp_path / "t" / "x.cache"
    assert timings.read(path) == b""
    _, built = built_from(b"")
    timings.keep(path, b"", built)
    config, built = built_from(timings.read(path))
    assert (config.held.data, built.timing_cache) == (b"learnt", True)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: data[:40] + b"x"])
def test_a_damaged_timing_cache_is_an_empty_one(tmp_path, capsys, damage):
    path = tmp_path / "x.cache"
    timings.keep(path, b"", built_from(b"")[1])
    path.write_bytes(damage(path.read_bytes()))
    assert timings.read(path) == b""
    assert "is damaged; starting an empty one" in capsys.readouterr().err


def test_a_timing_cache_that_tensorrt_refuses_is_an_empty_one(tmp_path, capsys):
    path = tmp_path / "x.cache"
    given = built_from(b"")[1].timings
    config, built = built_from(given, accepts=False)
    assert (config.held.data, built.timing_cache) == (b"", False)
    timings.keep(path, given, built)
    assert "not of this TensorRT and GPU" in capsys.readouterr().err
    assert timings.read(path) == built.timings


def test_a_timing_cache_of_another_version_is_refused_in_one_line():
    other = timing_cache.learnt(built_from(b"")[0], "10.6.0")
    with pytest.raises(trt.EngineError, match=r"^a timing cache of TensorRT 10\.6\.0, here it is 8\.5\.3\.1; remove it[^\n]*$"):
        built_from(other)
    with pytest.raises(trt.EngineError, match="no timing cache that this project kept"):
        built_from(b"what TensorRT wrote")


def test_a_timing_cache_of_an_earlier_version_of_this_project_is_an_empty_one(tmp_path, capsys):
    path = tmp_path / "x.cache"
    path.write_bytes(hashlib.sha256(b"learnt").digest() + b"learnt")
    assert timings.read(path) == b""
    assert "starting an empty one" in capsys.readouterr().err


def test_where_no_timings_are_kept_nothing_is_written():
    assert timings.read(None) is None
    timings.keep(None, None, SimpleNamespace(timing_cache=False, timings=b""))


# Messages


def test_errors_are_told_once_and_on_one_line():
    made = log.logger(SimpleNamespace(ILogger=Logger))
    for severity, text in (("INFO", "fine"), ("ERROR", "first\n cause"), ("VERBOSE", "noise"), ("INTERNAL_ERROR", "x"), ("ERROR", "x")):
        made.log(SEVERITIES[severity], text)
    assert log.errors(made) == "first cause; x"
    assert log.errors(made, len(made.lines)) == "it gives no reason"
    assert ("VERBOSE", "noise") not in made.lines
