"""Lanes with stand-ins for TensorRT and CUDA that do nothing before they are waited for, and lanes in stand-in workers.

tests/test_gpu_lanes.py runs the real ones.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own import make
from stand_in_worker import command

from lib import cuda, export
from lib.errors import ArtifactError, NotMeasured, ReportError, WrongOutput
from lib.experiment import profile as config
from lib.plans import builds, remote
from lib.plans import lanes as plans
from lib.plans.lanes import Held, Recipe
from lib.plans.remote import Worker, WorkerEnded
from lib.serving import lanes as protocol
from lib.serving import loadgen
from lib.serving.answers import Asked
from lib.serving.server import Serving
from lib.session import Session
from lib.trt import execution, lane, turns, worker
from lib.trt.execution import Execution
from lib.trt.lane import Lanes
from lib.trt.versions import EngineError

needs_loadgen = pytest.mark.skipif(not loadgen.installed(), reason="mlcommons-loadgen is not installed")
ERROR = SimpleNamespace(name="ERROR")
SHAPE = (2, 2, 3)


class Gpu:
    """A GPU: `calls` lists what was asked of it, `wrong` what must never happen."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.wrong: list[str] = []
        self.streams: dict[int, Stream] = {}
        self.held: set[int] = set()  # addresses
        self.contexts: list[Context] = []
        self.memory_for = 10**6  # how many more allocations succeed

    def busy(self) -> bool:
        return any(stream.queue for stream in self.streams.values())

    def named(self, name: str) -> list[int]:
        return [of for called, of in self.calls if called == name]


class Stream:
    """Work that is done when somebody waits for it; `fails`: what waiting says, once."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu, self.handle = gpu, len(gpu.streams) + 1
        gpu.streams[self.handle] = self
        self.queue: list[Any] = []
        self.capturing: list[Any] | None = None
        self.fails: Exception | None = None

    def put(self, work: Any) -> None:
        (self.queue if self.capturing is None else self.capturing).append(work)

    def upload(self, host: np.ndarray, device: Memory) -> None:
        self.put(lambda: device.write(host))

    def download(self, device: Memory, host: np.ndarray) -> None:
        self.put(lambda: device.read(host))

    def synchronize(self) -> None:
        self.gpu.calls.append(("wait", self.handle))
        queue, self.queue = self.queue, []
        for work in queue:
            work()
        if self.fails:
            fails, self.fails = self.fails, None
            raise fails

    def timed(self, work: Any) -> float:
        work()
        self.synchronize()
        return 1.5


class Memory:
    """Device memory."""

    def __init__(self, gpu: Gpu, size: int) -> None:
        gpu.memory_for -= 1
        if gpu.memory_for < 0:
            raise cuda.CudaError("no device memory left")
        self.gpu, self.size, self.address = gpu, size, 4096 * (len(gpu.calls) + 1)
        self.bytes = np.zeros(size, np.uint8)
        gpu.held.add(self.address)
        gpu.calls.append(("allocate", self.address))
        gpu.memory[self.address] = self  # type: ignore[attr-defined]

    def write(self, host: np.ndarray) -> None:
        self.used()
        self.bytes[: host.nbytes] = np.ascontiguousarray(host).reshape(-1).view(np.uint8)

    def read(self, host: np.ndarray) -> None:
        self.used()
        host[...] = self.bytes[: host.nbytes].view(host.dtype).reshape(host.shape)

    def used(self) -> None:
        if self.address not in self.gpu.held:
            self.gpu.wrong.append("memory that was freed is used")

    def close(self) -> None:
        if self.gpu.busy():
            self.gpu.wrong.append("memory is freed while something runs")
        self.gpu.held.discard(self.address)
        self.gpu.calls.append(("free", self.address))


class Graph:
    """A CUDA graph."""

    def __init__(self, stream: Stream, work: Any) -> None:
        self.stream = stream
        stream.capturing = self.steps = []
        try:
            work()
        finally:
            stream.capturing = None
        stream.gpu.calls.append(("captured", len(self.steps)))
        stream.gpu.held.add(id(self))

    def launch(self) -> None:
        self.stream.gpu.calls.append(("launch", self.stream.handle))
        self.stream.queue += self.steps

    def close(self) -> None:
        if self.stream.queue:
            self.stream.gpu.wrong.append("a graph is destroyed while it runs")
        self.stream.gpu.held.remove(id(self))


class Context:
    """An execution context of a network that gives the sum and the class (sum modulo 5) of each image."""

    def __init__(self, engine: Loaded) -> None:
        self.engine, self.gpu = engine, engine.gpu
        self.count, self.addresses, self.works, self.fresh = 0, dict[str, int](), True, True
        self.settled = True
        self.active_optimization_profile = 0 if engine.shares or not self.gpu.contexts else -1
        if self.active_optimization_profile < 0:
            engine.log.log(ERROR, "Profile 0 has been chosen by another IExecutionContext")
        self.gpu.contexts.append(self)

    def set_optimization_profile_async(self, profile: int, handle: int) -> bool:
        taken = [one.active_optimization_profile for one in self.gpu.contexts if one is not self]
        if not self.engine.shares and profile in taken:
            self.engine.log.log(ERROR, f"Profile {profile} has been chosen by another IExecutionContext")
            raise RuntimeError("Error in set optimization profile async.")
        self.active_optimization_profile = profile
        self.settled = False
        self.gpu.streams[handle].put(lambda: setattr(self, "settled", True))
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        if not self.settled:
            self.gpu.wrong.append("a profile is used before it is there")
        least, _, most = self.engine.profiles[self.active_optimization_profile]
        self.fresh, self.count = self.fresh or self.count != shape[0], shape[0]
        return least <= shape[0] <= most

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return {"images": (self.count, *SHAPE), "sums": (self.count, 1), "classes": (self.count,)}[name]

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, handle: int) -> bool:
        stream = self.gpu.streams[handle]
        if not self.works or self.active_optimization_profile < 0 or (self.fresh and stream.capturing is not None):
            self.engine.log.log(ERROR, "no launch")
            return False
        self.fresh, count = False, self.count
        stream.put(lambda: self._compute(count))
        return True

    def _compute(self, count: int) -> None:
        given, sums, classes = (self.gpu.memory[self.addresses[name]] for name in ("images", "sums", "classes"))  # type: ignore[attr-defined]
        made = given.bytes.view(np.float32)[: count * 12].reshape(count, 12).sum(axis=1)
        sums.write(made)
        classes.write(made.astype(np.int32) % 5)


class Loaded:
    """ICudaEngine."""

    num_io_tensors = 3

    def __init__(self, gpu: Gpu, log: Any, plan: dict[str, Any], shares: bool) -> None:
        self.gpu, self.log, self.shares = gpu, log, shares
        self.profiles, self.dynamic = plan["profiles"], plan.get("dynamic", True)
        self.num_optimization_profiles = len(self.profiles)
        gpu.contexts.clear()

    def create_execution_context(self) -> Context:
        return Context(self)

    def get_tensor_name(self, index: int) -> str:
        return ("images", "sums", "classes")[index]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == "images" else "out"

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name="INT32" if name == "classes" else "FLOAT")

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1 if self.dynamic else self.profiles[0][0], *SHAPE)

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        return [(size, *SHAPE) for size in self.profiles[profile]]

    def create_engine_inspector(self) -> Any:
        layer = {
            "Name": "conv",
            "LayerType": "CaskConvolution",
            "TacticName": "kernel",
            "Weights": {"Type": "Half"},
            "Metadata": "[ONNX Layer: conv]",
        }
        return SimpleNamespace(get_engine_information=lambda _: json.dumps({"Layers": [layer]}))


def tensorrt(gpu: Gpu, version: str) -> SimpleNamespace:
    """The module of a version as far as lanes go."""
    shares = not version.startswith("8")

    class Runtime:
        def __init__(self, log: Any) -> None:
            self.log = log

        def deserialize_cuda_engine(self, plan: bytes) -> Loaded:
            return Loaded(gpu, self.log, json.loads(plan), shares)

    return SimpleNamespace(
        __version__=version,
        ILogger=type("ILogger", (), {}),
        Runtime=Runtime,
        IExecutionContext=Context,
        ICudaEngine=SimpleNamespace() if shares else SimpleNamespace(num_bindings=0),
        TensorIOMode=SimpleNamespace(INPUT="in"),
        LayerInformationFormat=SimpleNamespace(JSON="json"),
    )


def patched(patch: pytest.MonkeyPatch, version: str) -> Gpu:
    gpu = Gpu()
    gpu.memory = {}  # type: ignore[attr-defined]
    module = tensorrt(gpu, version)
    patch.setattr("lib.trt.versions.module", lambda: module)
    patch.setattr(cuda, "activate", lambda: None)
    patch.setattr(cuda, "enter", lambda: gpu.calls.append(("enter", 0)))
    patch.setattr(cuda, "free_bytes", lambda: 1000 - len(gpu.held))
    patch.setattr(cuda, "Stream", lambda: Stream(gpu))
    patch.setattr(cuda, "DeviceMemory", lambda size: Memory(gpu, size))
    patch.setattr(cuda, "Graph", Graph)
    patch.setattr(cuda, "pinned", lambda shape, dtype=np.float32: np.full(shape, 7, dtype))
    return gpu


OLD, NEW = "8.5.3.1", "10.6.0"


@pytest.fixture(params=[OLD, NEW])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Gpu:
    found = patched(monkeypatch, request.param)
    yield found
    assert not found.wrong


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    return patched(monkeypatch, OLD)


@pytest.fixture
def new(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    return patched(monkeypatch, NEW)


def plan(*profiles: tuple[int, int, int], dynamic: bool = True) -> bytes:
    return json.dumps({"profiles": profiles, "dynamic": dynamic}).encode()


def eight(count: int = 8, most: int = 4) -> bytes:
    """A plan that lets `count` lanes run in every version."""
    return plan(*[(1, most, most)] * count)


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([count, seed]).integers(0, 100, (count, *SHAPE)).astype(np.float32)


def sums(batch: np.ndarray) -> np.ndarray:
    return batch.sum(axis=(1, 2, 3))[:, None]


def refused(call: Any, kind: type[Exception] = EngineError) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Answers


@given(st.sampled_from([OLD, NEW]), st.booleans(), st.integers(1, 8), st.integers(1, 4), st.integers(1, 40))
@settings(max_examples=100)
def test_answers_are_those_of_the_images_in_their_order(version, graph, count, batch, number):
    with pytest.MonkeyPatch.context() as patch:
        gpu, given_images = patched(patch, version), images(number)
        with Execution(eight()) as run:
            expected = np.concatenate([run.infer(given_images[i : i + batch])["sums"] for i in range(0, number, batch)])
        with Lanes(eight(), count, batch, graph) as lanes:
            assert np.array_equal(lanes.answers(given_images), expected)
            assert np.array_equal(lanes.answers(given_images[::-1]), expected[::-1])
        assert not gpu.wrong
        assert not gpu.held


@pytest.mark.parametrize("graph", [False, True])
def test_all_lanes_run_at_once_and_in_turn(gpu, graph):
    with Lanes(eight(), 3, 2, graph) as lanes:
        gpu.calls.clear()
        lanes.answers(images(10))
        streams = [one._stream.handle for one in lanes.lanes]
        assert gpu.named("wait")[:5] == [*streams, *streams[:2]]
        assert gpu.named("launch") == ([*streams, *streams[:2]] if graph else [])


def test_a_lane_is_what_pipelines_and_servers_take(gpu):
    with Lanes(eight(), 2, 4) as lanes:
        first, second = lanes.lanes
        one, other = images(3), images(4)
        first.submit(one)
        second.submit(other)
        kept = one.copy()
        one[:] = -1  # it was copied
        assert np.array_equal(second.result(), sums(other))
        assert np.array_equal(first.result(), sums(kept))
        assert np.array_equal(protocol.call(first, other[:1]), sums(other[:1]))
        assert first.max_batch == 4
        assert len(gpu.named("enter")) == 6  # whatever thread it is called from


def test_another_output_of_another_type(gpu):
    with Lanes(eight(), 2, 4, output="classes") as lanes:
        found = lanes.answers(images(9))
        assert (found.dtype, found.shape) == (np.int32, (9,))
        assert np.array_equal(found, sums(images(9))[:, 0].astype(np.int32) % 5)
    assert "no output 'logits'; it has sums, classes" in refused(Lanes(eight(), 2, 4, output="logits").__enter__)
    assert not gpu.held


def test_the_copies_are_in_the_graph_and_it_is_captured_when_the_shape_has_settled(gpu):
    """The fake refuses to be captured in the first launch of a shape."""
    with Lanes(eight(), 2, 4, sizes=(1, 2)) as lanes:
        assert gpu.named("captured") == [3, 3, 3, 2] * 2  # copy in, compute, copy out of three sizes; the largest without the copy in
        gpu.calls.clear()
        for count, size in ((1, 1), (2, 2), (3, 4), (4, 4), (1, 1)):
            given_images = images(count)
            assert np.array_equal(protocol.call(lanes.lanes[1], given_images), sums(given_images))
            assert lanes.lanes[1]._size == size
        assert len(gpu.named("launch")) == 5


def test_without_a_graph_fewer_images_are_computed_as_they_are(gpu):
    with Lanes(plan(*[(2, 4, 8)] * 2), 2, 8, graph=False, sizes=(2,)) as lanes:
        for count, computed in ((8, 8), (3, 3), (1, 2), (8, 8)):
            assert np.array_equal(protocol.call(lanes.lanes[0], images(count)), sums(images(count)))
            assert gpu.contexts[0].count == computed


# Profiles


def test_contexts_of_8_get_a_profile_each_and_later_ones_share_the_first(gpu):
    with Lanes(eight(3), 3, 4) as lanes:
        own = [context.active_optimization_profile for context in gpu.contexts]
        assert own == ([0, 0, 0] if lanes.lanes[0]._of.shared_profiles else [0, 1, 2])


def test_lanes_of_8_without_profiles_of_their_own_are_refused(old):
    said = refused(Lanes(eight(2), 3, 4).__enter__)
    assert said.startswith("3 lanes of 4 images: this TensorRT wants an optimization profile for each, and 2 of this engine's fit; build")
    assert not old.held
    Lanes(eight(2), 2, 4).__enter__()


def test_one_profile_is_enough_for_later_versions_and_for_a_fixed_batch(new):
    with Lanes(plan((1, 4, 4)), 8, 4) as lanes:
        assert np.array_equal(lanes.answers(images(40)), sums(images(40)))


def test_a_fixed_batch_needs_no_profiles(old):
    assert lane.chosen(SimpleNamespace(profiles=[(4, 4, 4)], fixed=True, shared_profiles=False), 8, [4]) == [0] * 8


REGIMES = [(1, 1, 1), (2, 32, 64), (2, 64, 64), (65, 4096, 8192)]


def test_profiles_of_one_batch_are_one_for_each_lane_of_8(gpu):
    """Their engine's shape is as fixed as without any."""
    with Lanes(plan(*[(1, 1, 1)] * 3, dynamic=False), 3, 1) as lanes:
        own = [context.active_optimization_profile for context in gpu.contexts]
        assert own == ([0, 0, 0] if lanes.lanes[0]._of.shared_profiles else [0, 1, 2])
        assert np.array_equal(lanes.answers(images(9)), sums(images(9)))


def test_too_few_profiles_of_one_batch_are_refused(old):
    assert "and 2 of this engine's fit" in refused(Lanes(plan(*[(1, 1, 1)] * 2, dynamic=False), 3, 1).__enter__)


@pytest.mark.parametrize(
    ("batch", "sizes", "later", "eight"),
    [(1, [], [0, 0], None), (32, [], [1, 1], [1, 2]), (64, [], [2, 2], [1, 2]), (64, [2, 8], [2, 2], [1, 2]), (4096, [], [3, 3], None)],
)
def test_of_several_regimes_the_one_for_the_batch_is_taken(batch, sizes, later, eight):
    def engine(shared):
        return SimpleNamespace(profiles=REGIMES, fixed=False, shared_profiles=shared)

    assert lane.chosen(engine(True), 2, [*sizes, batch]) == later
    if eight:
        assert lane.chosen(engine(False), 2, [*sizes, batch]) == eight
    else:
        assert "and 1 of this engine's fit" in refused(lambda: lane.chosen(engine(False), 2, [*sizes, batch]))


def test_a_batch_that_no_profile_takes_is_refused(gpu):
    for batch, sizes in ((5, ()), (4, (1,))):
        said = refused(Lanes(plan((2, 4, 4), (2, 4, 4)), 1, batch, sizes=sizes).__enter__)
        assert said == f"batches of {', '.join(map(str, [*sizes, batch]))}: the optimization profiles of this engine take 2 to 4"
    for count, batch, sizes in ((0, 4, ()), (1, 0, ()), (1, 4, (8,)), (1, 4, (0,))):
        assert "at least one of each" in refused(lambda of=(count, batch, sizes): Lanes(eight(), of[0], of[1], sizes=of[2]))
    assert not gpu.held


# What goes wrong


@pytest.mark.parametrize("graph", [False, True])
def test_what_a_lane_refuses_leaves_it_right(gpu, graph):
    with Lanes(eight(), 2, 4, graph) as lanes:
        one = lanes.lanes[0]
        assert "nothing was submitted" in refused(one.result)
        assert refused(lambda: one.submit(images(5))) == "a batch of 5: this engine takes 1 to 4"
        assert "a batch of 0" in refused(lambda: one.submit(images(4)[:0]))
        assert "got float64" in refused(lambda: one.submit(images(4).astype(np.float64)))
        one.submit(images(4))
        assert "before the result of the last one" in refused(lambda: one.submit(images(3)))
        assert np.array_equal(one.result(), sums(images(4)))
        assert "nothing was submitted" in refused(one.result)
        assert "no images" in refused(lambda: lanes.answers(images(1)[:0]))
        assert np.array_equal(lanes.answers(images(7)), sums(images(7)))
    assert "after it was closed" in refused(lambda: one.submit(images(1)))


@pytest.mark.parametrize("graph", [False, True])
def test_an_error_in_the_middle_ends_all_lanes_and_the_next_run_is_right(gpu, graph):
    with Lanes(eight(), 3, 2, graph) as lanes:
        lanes.lanes[1]._stream.fails = cuda.CudaError("an illegal memory access was encountered")
        assert "illegal memory" in refused(lambda: lanes.answers(images(20)), cuda.CudaError)
        assert not gpu.busy()
        assert np.array_equal(lanes.answers(images(20)), sums(images(20)))
        lanes.lanes[2]._stream.fails = cuda.CudaError("gone")
        refused(lambda: lanes.timed(0.01, images(2)), cuda.CudaError)
        assert not gpu.busy()
        if not graph:
            gpu.contexts[2].works = False
            assert refused(lambda: lanes.answers(images(20))) == "execute_async_v3 failed: no launch"
            assert not gpu.busy()
            gpu.contexts[2].works = True
        assert np.array_equal(lanes.answers(images(20)), sums(images(20)))


@pytest.mark.parametrize("graph", [False, True])
def test_nothing_is_freed_before_everything_has_ended(gpu, graph):
    """The fakes know when memory or a graph is let go of while something runs."""
    with Lanes(eight(), 3, 2, graph) as lanes:
        for one in lanes.lanes:
            one.submit(images(2))
        assert gpu.busy()
        gpu.calls.clear()
    assert gpu.calls[:3] == [("wait", handle) for handle in gpu.named("wait")[:3]]
    assert len(gpu.named("free")) == 9
    assert not gpu.held

    def broken_off():
        with Lanes(eight(), 3, 2, graph) as lanes:
            lanes.lanes[2].submit(images(2))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    assert not gpu.held


@pytest.mark.parametrize("allowed", range(10))
def test_without_memory_for_all_lanes_nothing_stays(gpu, allowed):
    gpu.memory_for = allowed
    if allowed < 9:
        refused(Lanes(eight(), 3, 4).__enter__, cuda.CudaError)
    else:
        Lanes(eight(), 3, 4).__enter__().__exit__()
    assert not gpu.held


def test_without_graphs_in_this_driver_nothing_stays(gpu, monkeypatch):
    made = []

    def second_fails(stream, work):
        if made:
            raise cuda.CudaError("CUDA graphs: the NVIDIA driver is missing or too old")
        made.append(Graph(stream, work))
        return made[0]

    monkeypatch.setattr(cuda, "Graph", second_fails)
    assert "CUDA graphs" in refused(Lanes(eight(), 3, 4).__enter__, cuda.CudaError)
    assert not gpu.held


@pytest.mark.parametrize("graph", [False, True])
def test_closing_leaves_no_lane_to_the_garbage_collector(new, graph):
    """Pinned memory is freed with its array: at once, where a cycle does not hold it."""
    gc.disable()
    try:
        with Lanes(eight(), 2, 4, graph) as lanes:
            lanes.timed(0.001, images(2))
            held = [weakref.ref(one._host[name]) for one in lanes.lanes for name in ("images", "sums")]
            assert all(one() is not None for one in held)
        assert [one() for one in held] == [None] * 4
    finally:
        gc.enable()


# Times


class Clock:
    """Goes on by what every wait takes: `cost_ns`."""

    def __init__(self, gpu: Gpu, cost_ns: int) -> None:
        self.gpu, self.cost_ns = gpu, cost_ns

    def __call__(self) -> int:
        return self.cost_ns * len(self.gpu.named("wait"))


@pytest.mark.parametrize("count", [1, 3])
def test_latencies_are_from_the_end_of_one_batch_to_that_of_the_next(gpu, count, monkeypatch):
    with Lanes(eight(), count, 4) as lanes:
        one = lanes.timed(0.1, images(3), clock=Clock(gpu, 1_000_000))
        assert set(one.latencies_ms) == {1.0}
        assert len(one.latencies_ms) == (100 if count == 1 else 102)  # whole turns
        assert (one.gpu_ms is None) == (count > 1)
        assert one.gpu_ms is None or set(one.gpu_ms) == {1.5}
        assert np.array_equal(lanes.outputs(3), np.stack([sums(images(3))] * count))
        assert len(lanes.timed(0, images(4), clock=Clock(gpu, 1)).latencies_ms) == count
        monkeypatch.setattr(turns, "CALLS", 100)
        assert len(lanes.timed(1e9, images(4), clock=Clock(gpu, 1)).latencies_ms) == 100 // count * count


def test_a_lane_with_a_graph_times_computing_alone_as_one_too(gpu):
    with Lanes(eight(), 1, 4) as lanes:
        assert gpu.named("captured") == [3, 1, 2]
        lanes.timed(0, images(4))
        gpu.calls.clear()
        assert lanes.lanes[0].gpu_ms() == 1.5
        assert len(gpu.named("launch")) == 2  # one to keep the GPU busy
    with Lanes(eight(), 1, 4, graph=False) as lanes:
        lanes.timed(0, images(4))
        assert lanes.lanes[0].gpu_ms() == 1.5


@pytest.mark.parametrize("graph", [False, True])
def test_outputs_that_nothing_wrote_are_noticed(gpu, graph, monkeypatch):
    """A failed launch is very fast."""
    with Lanes(eight(), 2, 4, graph) as lanes:
        lanes.answers(images(8))  # right answers lie there before
        lanes.timed(0, images(4))
        monkeypatch.setattr(Context, "_compute", lambda *_: None)
        assert refused(lambda: lanes.timed(0, images(4))).startswith("lane 1 of 2 wrote no output")
        monkeypatch.undo()


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_an_output_of_numbers_that_are_none_is_one(gpu):
    bad = images(3)
    bad[1] = np.nan
    with Lanes(eight(), 1, 4) as lanes:
        lanes.timed(0, bad)
        assert np.isnan(lanes.outputs(3)[0, 1]).all()


def test_filling_copies_the_batch_with_every_launch(gpu):
    batch = images(4)
    with Lanes(eight(), 2, 4) as lanes:
        for fill in (False, True):
            given_images = batch.copy()

            def clock(given_images=given_images, now=[0]):  # noqa: B006  a time that changes the images
                given_images[:] = 0
                now[0] += 1
                return now[0]

            lanes.timed(0, given_images, fill, clock)
            found = lanes.outputs(4)
            assert np.array_equal(found[-1], np.zeros((4, 1)) if fill else sums(batch))


def test_launches_are_timed_alone(gpu):
    with Lanes(eight(), 2, 4) as lanes:
        lanes.timed(0, images(4))
        ticks = iter(range(10**6))
        assert set(lanes.enqueue_ms(1e-6, lambda: 1000 * next(ticks))) == {1e-3}
        assert not gpu.busy()


# In a worker


def test_a_worker_holds_lanes_beside_engines(gpu):
    one, given_plan = worker.Worker(), np.frombuffer(eight(), np.uint8)
    engine = one.open(given_plan)[0]["engine"]
    told, _ = one.lanes_open(given_plan, 2, 4)
    assert told.pop("load_ms") > 0
    layers = [("conv", "CaskConvolution", "fp16", "kernel", "[ONNX Layer: conv]")]
    assert told == {"number": 2, "device_bytes": 10, "output": "sums", "layers": layers}  # six buffers and four graphs
    alone = one.lanes_open(given_plan, 1, 4, graph=False, output="classes")[0]["number"]
    assert np.array_equal(one.lanes_answers(2, images(20))[1]["output"], sums(images(20)))
    found = one.lanes_time(2, 0.001, images(3))[1]
    assert found.keys() == {"latencies_ms", "enqueue_ms", "outputs"}
    assert np.array_equal(found["outputs"], np.stack([sums(images(3))] * 2))
    assert np.array_equal(one.lanes_time(2, 0.001)[1]["outputs"], found["outputs"])  # the batch that it has
    assert one.lanes_time(alone, 0.001, images(2), fill=True)[1]["gpu_ms"].min() == 1.5
    one.lanes_close(2)
    with pytest.raises(KeyError):
        one.lanes_answers(2, images(4))
    assert np.array_equal(one.infer(engine, images(2), "sums")[1]["output"], sums(images(2)))
    assert one.memory()[0]["host_bytes"] > 1 << 20
    one.end()
    assert not gpu.held


def test_a_plan_that_cannot_be_opened_is_not_held(old):
    one = worker.Worker()
    assert "wants an optimization profile for each" in refused(lambda: one.lanes_open(np.frombuffer(eight(1), np.uint8), 2, 4))
    assert one.lanes_open(np.frombuffer(eight(1), np.uint8), 1, 4)[0]["number"] == 1


def test_shared_profiles_are_told_by_what_a_version_has():
    from tensorrt_api import VERSIONS, fake

    assert [version for version in VERSIONS if not execution.shared_profiles(fake(version))] == ["8.5"]


def test_profiles_reach_the_builder():
    from lib.trt import build

    added = []

    class Profile:
        def set_shape(self, name, *shapes):
            added.append(shapes)

    one = SimpleNamespace(name="x", shape=(-1, 3))
    network = SimpleNamespace(num_inputs=1, get_input=lambda _: one)
    config = SimpleNamespace(
        set_memory_pool_limit=lambda *_: None, clear_flag=lambda _: None, add_optimization_profile=lambda _: len(added) - 1
    )
    builder = SimpleNamespace(create_builder_config=lambda: config, create_optimization_profile=Profile)
    module = SimpleNamespace(__version__=OLD, MemoryPoolType=SimpleNamespace(WORKSPACE=0), BuilderFlag=SimpleNamespace(TF32=1))
    numbers = SimpleNamespace(workspace_mib=1, min_batch=1, opt_batch=2, max_batch=3)
    build._config(module, builder, network, "fp32", numbers, False)
    build._config(module, builder, network, "fp32", numbers, False, [[1, 4, 8], [1, 4, 8], [2, 5, 9]])
    assert added == [tuple((size, 3) for size in sizes) for sizes in ((1, 2, 3), (1, 4, 8), (1, 4, 8), (2, 5, 9))]
    config.add_optimization_profile = lambda _: -1
    said = refused(lambda: build._config(module, builder, network, "fp32", numbers, False, [[1, 4, 8]]))
    assert said == "TensorRT 8.5.3.1 refuses the optimization profile 1/4/8 (min / opt / max)"


# In the worker of another environment


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A session on somebody's ONNX model of five classes."""
    path = make.shapes(tmp_path_factory.mktemp("model"), test=4, calibration=4)
    path.write_text(path.read_text(encoding="utf-8") + "\nengines: {calibration_images: 16, calibration_batch: 8}\n", encoding="utf-8")
    return Session(config.load(str(path)), "test")


def started(version: str, **more: str) -> Iterator[Worker]:
    with remote.workers([command(version, **more)]) as (one,):
        assert isinstance(one, Worker), one
        yield one


@pytest.fixture(scope="module")
def eight_five() -> Iterator[Worker]:
    yield from started(OLD)


@pytest.fixture(scope="module")
def ten_six() -> Iterator[Worker]:
    yield from started(NEW)


FOUR = Recipe("fp16", 4, 32, 64)


def inputs(session: Session, count: int) -> np.ndarray:
    return np.resize(session.to_input(session.images.x_test), (count, *session.to_input(session.images.x_test).shape[1:]))


def built_with(artifact: Any) -> dict[str, Any]:
    """What the plan of a stand-in says before its ONNX."""
    return json.loads(artifact.file(builds.PLAN).read_bytes().partition(b"\n")[0])


def test_an_engine_has_the_profiles_that_its_lanes_need(session, eight_five, ten_six):
    for one, count in ((eight_five, 4), (ten_six, 1)):
        made = plans.build(session, one, FOUR)
        assert built_with(made)["profiles"] == [[1, 32, 64]] * count
        assert made.inputs["profile"] == [[1, 32, 64]] * count
        assert plans.plan(one, made) == made.file(builds.PLAN).read_bytes()
        assert made.info["weights_bytes"] == export.onnx(session, "fp32").size(export.ONNX_FILE)
    assert "must grow" in refused(lambda: plans.build(session, ten_six, Recipe("fp16", 4, 64, 32)))


def test_an_engine_is_found_again_by_all_that_it_depends_on(session, ten_six, eight_five, tmp_path, monkeypatch):
    other = tmp_path / "other.onnx"
    other.write_bytes(export.onnx(session, "fp32").file(export.ONNX_FILE).read_bytes())
    changed = tmp_path / "changed.onnx"
    changed.write_bytes(other.read_bytes() + b"\x12\x01x")  # a producer's name
    plain = builds.build(session, ten_six, builds.Recipe("fp16", "", 9))  # that no other test file has built
    made = [
        plans.build(session, ten_six, FOUR),
        plans.build(session, ten_six, FOUR._replace(build=2)),
        plans.build(session, ten_six, FOUR._replace(max_batch=128)),
        plans.build(session, ten_six, FOUR, changed),
        plans.build(session, ten_six, FOUR, like=plain),
        plans.build(session, eight_five, FOUR),
    ]
    assert len({artifact.key for artifact in made}) == len(made)
    monkeypatch.setattr(ten_six, "ask", lambda *_, **__: pytest.fail("asked for what is stored"))
    assert plans.build(session, ten_six, FOUR, other).key == made[0].key  # it is the same ONNX
    assert plans.build(session, ten_six, FOUR._replace(lanes=8)).key == made[0].key  # which share a profile
    assert built_with(made[4])["kernel"] == built_with(plain)["kernel"] != built_with(made[0])["kernel"]


def test_an_engine_that_is_calibrated_takes_the_usual_calibration(session, eight_five):
    made = plans.build(session, eight_five, FOUR._replace(precision="int8"))
    assert "scales" in made.file(builds.LOG).read_text(encoding="utf-8")
    assert made.inputs["calibration"] == builds.build(session, eight_five, builds.Recipe("int8", "", 1)).inputs["calibration"]


def test_what_cannot_be_built_or_run_says_why(session, ten_six, eight_five):
    made = plans.build(session, ten_six, FOUR)
    line = refused(Held(eight_five, made, 4, 32).open, ArtifactError)
    assert "its TensorRT version is '10.6.0', here it is '8.5.3.1'" in line
    for without in started(NEW, gpu=""):
        assert "GPU" in refused(lambda without=without: plans.build(session, without, FOUR), NotMeasured)
    few = plans.build(session, eight_five, FOUR._replace(lanes=2))
    assert "wants an optimization profile for each" in refused(Held(eight_five, few, 4, 32).open)
    assert "take 1 to 64" in refused(Held(ten_six, made, 4, 65).open)


def test_lanes_in_a_worker_answer_in_order_and_are_timed(session, ten_six, monkeypatch):
    batch, seen = inputs(session, 6), []
    with Held(ten_six, plans.build(session, ten_six, FOUR), 4, 8, output=session.spec.output) as held:
        answers = held.answers(batch)
        assert answers.shape == (6, 5)
        assert np.array_equal(held.answers(batch[::-1]), answers[::-1])
        assert held.types == {"fp16": 2}
        assert held.told["device_bytes"] > 0
        timed = held.timer(batch, seen.append)
        one = timed(0.01)
        assert one.gpu_ms is None
        assert one.latencies_ms.min() > 0
        assert len(seen) == 4  # what every lane answered
        assert all(np.array_equal(output, answers) for output in seen)
        sent, ask = [], ten_six.ask

        def kept(what, *limit, arrays=None, **more):
            sent.append(set(arrays or {}))
            return ask(what, *limit, arrays=arrays, **more)

        monkeypatch.setattr(ten_six, "ask", kept)
        timed(0.01)
        held.timer(batch[:3], seen.append)(0.01)
        timed(0.01)
        assert sent == [set(), {"batch"}, {"batch"}]  # it has what it was given last
        assert len(held.enqueue_ms) == 4
        assert "a batch of 9" in refused(lambda: held.timer(inputs(session, 9), seen.append)(0.01))

        def wrong(_):
            raise WrongOutput("NaN")

        refused(lambda: held.timer(batch, wrong)(0.01), WrongOutput)
    with Held(ten_six, plans.build(session, ten_six, FOUR), 1, 8, graph=False) as held:
        assert held.timer(batch, seen.append)(0.01).gpu_ms is not None


def test_after_a_new_start_nothing_answers_for_lanes_that_are_gone(session):
    for mortal in started(NEW):
        made = plans.build(session, mortal, FOUR)
        lost, last = Held(mortal, made, 4, 8), Held(mortal, made, 2, 8)
        assert not lost.there
        lost.close()  # was never opened
        lost.open()
        os.kill(mortal._process.pid, signal.SIGKILL)
        refused(lambda lost=lost: lost.answers(inputs(session, 2)), WorkerEnded)
        with last:  # starts it again
            assert mortal.starts == 2
            assert "started again without these lanes" in refused(lambda lost=lost: lost.answers(inputs(session, 2)), WorkerEnded)
            lost.close()  # not the other's
            assert last.answers(inputs(session, 2)).shape == (2, 5)
        with lost:
            assert lost.answers(inputs(session, 2)).shape == (2, 5)


# Pipelines and scenarios


@pytest.mark.parametrize("graph", [False, True])
def test_a_lane_reads_pinned_memory_where_it_lies(gpu, graph):
    with Lanes(eight(1), 1, 4, graph) as held:
        (one,) = held.lanes
        for seed, count in enumerate((4, 3, 4, 1, 4)):
            given = images(count, seed)
            one.submit_pinned(given)
            sent = given.copy()
            own = one._host["images"].copy()
            if count == 4:
                assert not np.array_equal(own, sent)  # which was not copied there
                given += 1  # read when the GPU comes to it
                sent = given
            else:
                assert np.array_equal(own[:count], sent)
            assert np.array_equal(one.result(), sums(sent))
            assert np.array_equal(protocol.call(one, images(2, seed)), sums(images(2, seed)))
        one.submit_pinned(images(4))
        assert "before the result" in refused(lambda: one.submit_pinned(images(4)))
        one.drain()
        assert "input must be" in refused(lambda: one.submit_pinned(images(4).astype(np.float64)))
        assert "a batch of 5" in refused(lambda: one.submit_pinned(images(5)))
        launches = len(gpu.named("launch"))
        if not graph:
            gpu.contexts[-1].works = False
            assert "failed" in refused(lambda: one.submit_pinned(images(4)))
            gpu.contexts[-1].works = True
        one.submit_pinned(images(4))
        assert np.array_equal(one.result(), sums(images(4)))
        assert len(gpu.named("launch")) == launches + graph  # of all that follows the copy in
    assert "after it was closed" in refused(lambda: one.submit_pinned(images(4)))


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(("count", "batch"), [(24, 0), (25, 0), (7, 2), (3, 4)])
def test_a_worker_runs_a_pipeline_over_its_lanes(gpu, graph, count, batch):
    one = worker.Worker()
    number = one.lanes_open(np.frombuffer(eight(), np.uint8), 3, 4, graph)[0]["number"]
    kept = one.keep(images(count))[0]["kept"]
    for taken in (images(count), kept):
        told, found = one.lanes_pipeline(number, taken, batch, readers=2, classes=False, times=3)
        assert np.array_equal(found["answers"], sums(images(count)))
        assert told["images"] == 3 * count
        assert told["changed"] == 0
        assert told["ring_bytes"] == 6 * (batch or 4) * 12 * 4 <= told["peak_bytes"]
        spent = {"starved_s", "launched_s", "waited_s", "collected_s"}
        assert told.keys() == {"seconds", "busy_s", "changed", "images", "ring_bytes", "peak_bytes"} | spent
        assert 0 < told["launched_s"] <= told["seconds"] - sum(told[key] for key in spent - {"launched_s"})
        json.dumps(told)
    assert np.array_equal(one.lanes_answers(number, kept)[1]["output"], sums(images(count)))
    one.forget(kept)
    with pytest.raises(KeyError):
        one.lanes_pipeline(number, kept)
    gpu.streams[max(gpu.streams)].fails = cuda.CudaError("failed in the middle")
    assert "failed in the middle" in refused(lambda: one.lanes_pipeline(number, images(48), times=9), ReportError)
    assert not gpu.busy()
    assert np.array_equal(one.lanes_pipeline(number, images(48), classes=False)[1]["answers"], sums(images(48)))
    one.end()
    assert not gpu.held


def test_classes_of_an_engine_that_answers_them(gpu):
    one = worker.Worker()
    number = one.lanes_open(np.frombuffer(eight(), np.uint8), 2, 4, output="classes")[0]["number"]
    answers = one.lanes_pipeline(number, images(10))[1]["answers"]
    assert answers.dtype == np.int32
    assert answers.tolist() == (sums(images(10))[:, 0].astype(int) % 5).tolist()


@needs_loadgen
@pytest.mark.parametrize("kind", ["single_stream", "offline", "server"])
def test_a_worker_runs_scenarios_over_its_lanes(gpu, kind):
    one = worker.Worker()
    number = one.lanes_open(np.frombuffer(eight(), np.uint8), 2, 4, sizes=[1])[0]["number"]
    more = {"rate": 2000.0, "limit_ms": 100.0, "max_wait_ms": 0.0, "bound": None, "coalesce": False} if kind == "server" else {}
    told, _ = one.lanes_scenario(number, kind, images(16), sums(images(16)), 0.0, 0.1, **more)
    assert told["samples"] > 10
    assert told["latencies_ms"]["p50"] > 0
    json.dumps(told)
    wrong = sums(images(16)) + (np.arange(16) == 0)[:, None]
    assert "|Δ| = 1 > 0.5" in refused(lambda: one.lanes_scenario(number, kind, images(16), wrong, 0.5, 0.1, **more), WrongOutput)


def test_a_pipeline_of_a_worker_sends_images_once(session, ten_six, monkeypatch):
    batch, engine = inputs(session, 20), plans.build(session, ten_six, FOUR)
    sent, ask = list[str](), ten_six.ask

    def watched(what, *limit, **more):
        sent.append(what)
        return ask(what, *limit, **more)

    monkeypatch.setattr(ten_six, "ask", watched)
    with Held(ten_six, engine, 4, 8, output=session.spec.output) as held:
        right = held.answers(batch)
        piped = held.pipeline(batch, readers=2, times=5)
        assert piped.ran.answers.tolist() == right.argmax(1).tolist()
        assert piped.images == 100
        assert piped.images_s == 100 / piped.ran.seconds
        assert piped.ran.busy_s.keys() == {"decode", "copy"}
        assert np.allclose(held.pipeline(batch, classes=False).ran.answers, right, atol=1e-6)
        assert sent == ["lanes_open", "lanes_answers", "keep", "lanes_pipeline", "lanes_pipeline"]
        other = batch[::-1].copy()
        assert held.pipeline(other).ran.answers.tolist() == right[::-1].argmax(1).tolist()
        assert sent[5:] == ["forget", "keep", "lanes_pipeline"]
        assert "batches of 9; its lanes take 1 to 8" in refused(lambda: held.pipeline(batch, batch=9))
    assert sent[-2:] == ["lanes_close", "forget"]


@needs_loadgen
def test_scenarios_of_a_worker(session, ten_six, monkeypatch):
    batch = inputs(session, 16)
    with Held(ten_six, plans.build(session, ten_six, FOUR), 2, 8, output=session.spec.output) as held:
        asked = Asked(batch, held.answers(batch), 1e-5)
        scene = held.scenario("offline", asked, 0.1)
        assert (scene.outcome.scenario, scene.outcome.samples % 8) == ("Offline", 0)
        assert scene.peak_bytes >= 0
        served = held.scenario("server", asked, 0.2, rate=500, serving=Serving(limit_ms=1000)).outcome
        assert served.scheduled > 300
        assert held.scenario("single_stream", asked, 0.1).outcome.latencies_ms["p90"] > 0
        wrong = asked._replace(expected=asked.expected + 1)
        assert refused(lambda: held.scenario("offline", wrong, 0.1), WrongOutput).startswith("TensorRT 10.6.0: lane 1: |Δ| = 1 > 1e-05")
        assert "no scenario 'multi_stream'; there are" in refused(lambda: held.scenario("multi_stream", asked, 0.1))
        monkeypatch.setitem(ten_six.about, "loadgen", False)
        said = refused(lambda: held.scenario("offline", asked, 0.1), NotMeasured)
        assert said.startswith("TensorRT 10.6.0 Offline: ")
        assert "mlcommons-loadgen" in said


def test_layers_are_timed_with_what_they_do(session, ten_six, eight_five):
    for one, names in ((ten_six, ["__myl_0", "__myl_1", "__myl_2"]), (eight_five, ["conv", "dense", "softmax"])):
        made = plans.build(session, one, FOUR)
        found = plans.layer_times(one, made, inputs(session, 2), 3)
        assert [layer.name for layer, _ in found] == names
        assert [layer.metadata for layer, _ in found] == [
            f"[ONNX Layer: {name}]" if one is ten_six else "" for name in ("conv", "dense", "softmax")
        ]
        assert [times.tolist() for _, times in found] == [[0.4] * 3, [0.2] * 3, [0.02] * 3]


def test_a_worker_tells_the_times_of_layers(gpu):
    one = worker.Worker()
    engine = one.open(np.frombuffer(eight(), np.uint8))[0]["engine"]
    run = one._open[engine]
    run.profile_layers = lambda batch, repeats: [[("conv", 0.5 + k), ("dense", 0.25)] for k in range(repeats)]
    told, found = one.layer_times(engine, images(2), 2, warmup_s=0)
    assert told == {"names": ["conv", "dense"]}
    assert found["times_ms"].tolist() == [[0.5, 0.25], [1.5, 0.25]]
    run.profile_layers = lambda batch, repeats: [[("conv", 0.5)], [("dense", 0.25)]]
    assert "other layers from one run to the next" in refused(lambda: one.layer_times(engine, images(2), 2, warmup_s=0))
    one.end()
