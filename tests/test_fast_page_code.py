"""The code that notebook 10 shows is run: of ONNX Runtime as it is, in NVIDIA's bindings on stand-ins of TensorRT and cuda-python."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_fast import Made
from test_fast_page import run_of

from lib.pages.fast import code

BATCH, WIDTH = 32, 3
Work = Callable[[], None]


class Cuda(ModuleType):
    """Streams that do what is put into them when they are waited for, so that an answer that nobody waited for is not there."""

    def __init__(self) -> None:
        super().__init__("cuda.cudart")
        self.cudaError_t = SimpleNamespace(cudaSuccess=0)
        self.cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
        self.cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
        self.memory: list[Any] = []
        self.waiting: dict[int, list[Work]] = {}
        self.captured: dict[int, list[Work]] = {}
        self.launched = 0

    def cudaMallocHost(self, size: int) -> tuple[int, int]:
        self.memory.append((ctypes.c_uint8 * size)())
        return 0, ctypes.addressof(self.memory[-1])

    cudaMalloc = cudaMallocHost

    def cudaStreamCreate(self) -> tuple[int, int]:
        self.waiting[stream := len(self.waiting) + 1] = []
        return 0, stream

    def put(self, stream: int, work: Work) -> None:
        self.captured.get(stream, self.waiting[stream]).append(work)

    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: int, stream: int) -> tuple[int]:
        self.put(stream, lambda: ctypes.memmove(target, source, size) and None)
        return (0,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[int]:
        assert stream not in self.captured
        work, self.waiting[stream] = self.waiting[stream], []
        for each in work:
            each()
        return (0,)

    def cudaStreamBeginCapture(self, stream: int, mode: int) -> tuple[int]:
        assert not self.waiting[stream]  # nothing that is needed once is captured
        self.captured[stream] = []
        return (0,)

    def cudaStreamEndCapture(self, stream: int) -> tuple[int, list[Work]]:
        return 0, self.captured.pop(stream)

    def cudaGraphInstantiate(self, graph: list[Work], flags: int) -> tuple[int, list[Work]]:
        assert len(graph) == 3  # copy in, compute, copy out
        return 0, graph

    def cudaGraphLaunch(self, graph: list[Work], stream: int) -> tuple[int]:
        self.launched += 1
        self.waiting[stream] += graph
        return (0,)


class Context:
    """Twice the input plus one."""

    def __init__(self, cuda: Cuda) -> None:
        self.cuda, self.addresses, self.shape = cuda, dict[str, int](), (0, 0)

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        return profile == 0

    def set_input_shape(self, name: str, shape: tuple[int, int]) -> bool:
        self.shape = shape
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, int]:
        return self.shape

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        def array(name: str) -> np.ndarray:
            return np.frombuffer((ctypes.c_float * (BATCH * WIDTH)).from_address(self.addresses[name]), np.float32)

        def compute() -> None:
            array("out")[:] = 2 * array("in") + 1

        self.cuda.put(stream, compute)
        return True


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Cuda:
    made, package, trt = Cuda(), ModuleType("cuda"), ModuleType("tensorrt")
    engine = SimpleNamespace(
        num_io_tensors=2,
        get_tensor_name=["in", "out"].__getitem__,
        get_tensor_mode=lambda name: name,
        get_tensor_shape=lambda name: (-1, WIDTH),
        get_tensor_dtype=lambda name: "float",
        create_execution_context=lambda: Context(made),
    )
    names: dict[str, Any] = {
        "DataType": SimpleNamespace(FLOAT="float", INT32="int32", UINT8="uint8"),
        "TensorIOMode": SimpleNamespace(INPUT="in"),
        "ICudaEngine": SimpleNamespace,
        "Logger": SimpleNamespace,
        "Runtime": lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda plan: engine if plan == b"plan" else None),
    }
    vars(trt).update(names)
    package.cudart = made  # type: ignore[attr-defined]
    for name, module in (("cuda", package), ("cuda.cudart", made), ("tensorrt", trt)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "engine.plan").write_bytes(b"plan")
    return made


def test_the_ways_in_bindings_alone_answer_every_batch_in_its_order(cuda: Cuda) -> None:
    images = np.random.default_rng(1).random((19 * BATCH, WIDTH), np.float32)
    batches = np.split(images, 19)
    names: dict[str, Any] = {"batches": batches, "images": batches[5]}
    setup, plain, graph, lanes = (one.lines for one in code.bare(run_of(Made())))
    exec(setup, names)
    exec(plain, names)
    assert np.array_equal(names["run"](batches[3]), 2 * batches[3] + 1)
    assert cuda.launched == 0
    exec(graph, names)
    assert np.array_equal(names["lane"].host_out, 2 * batches[5] + 1)
    assert cuda.launched == 1
    exec(lanes, names)
    assert np.array_equal(np.concatenate(names["answers"]), 2 * images + 1)
    assert cuda.launched == 1 + len(batches)


def test_fewer_batches_than_lanes_are_answered_too(cuda: Cuda) -> None:
    images = np.ones((BATCH, WIDTH), np.float32)
    names: dict[str, Any] = {"batches": [images, 2 * images], "images": images}
    for one in code.bare(run_of(Made())):
        exec(one.lines, names)
    assert [answer[0, 0] for answer in names["answers"]] == [3.0, 5.0]


def test_an_error_of_cuda_is_raised(cuda: Cuda) -> None:
    names: dict[str, Any] = {"images": np.ones((BATCH, WIDTH), np.float32)}
    setup, plain, *_ = code.bare(run_of(Made()))
    exec(setup.lines, names)
    exec(plain.lines, names)
    cuda.cudaStreamSynchronize = lambda stream: (700,)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="700"):
        names["run"](names["images"])
