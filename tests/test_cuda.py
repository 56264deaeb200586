"""lib/cuda.py with a stand-in for pycuda: what it makes of CUDA's errors. tests/test_gpu.py runs the real one."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from lib import cuda
from lib.errors import ReportError


class Error(Exception):
    """pycuda.driver.Error."""


class OutOfMemory(Error):
    """pycuda.driver.MemoryError."""


@pytest.fixture
def driver(monkeypatch):
    """pycuda.driver on a GPU that works, to be broken by a test; `calls` lists what was asked of it."""
    calls: list[object] = []
    fake = ModuleType("pycuda.driver")
    fake.Error, fake.MemoryError, fake.calls = Error, OutOfMemory, calls
    context = SimpleNamespace(push=lambda: calls.append("push"), pop=lambda: calls.append("pop"))
    fake.init = lambda: calls.append("init")
    fake.Device = lambda number: SimpleNamespace(retain_primary_context=lambda: context)
    fake.mem_get_info = lambda: (64 << 20, 128 << 20)
    fake.Stream = lambda: SimpleNamespace(handle=7, synchronize=lambda: calls.append("wait"))

    class Event:
        made = 0

        def __init__(self) -> None:
            Event.made += 1
            self.number = Event.made

        def record(self, stream: SimpleNamespace) -> None:
            calls.append((self.number, "in stream", stream.handle))

        def synchronize(self) -> None:
            calls.append((self.number, "waited for"))

        def time_till(self, end: Event) -> float:
            return 1.5 * (end.number - self.number)

    fake.Event = Event
    fake.memcpy_htod_async = lambda address, host, stream: calls.append(("up", address, host.nbytes))
    fake.memcpy_dtoh_async = lambda host, address, stream: calls.append(("down", address, host.nbytes))
    fake.memcpy_dtod_async = lambda to, source, size, stream: calls.append(("within", to, source, size, stream.handle))
    fake.pagelocked_empty = np.empty

    class Memory:
        def __int__(self) -> int:
            return 4096

        def free(self) -> None:
            calls.append("free")

    fake.mem_alloc = lambda size: Memory()
    package = ModuleType("pycuda")
    package.driver = fake
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", fake)
    monkeypatch.setattr("atexit.register", lambda function: None)
    monkeypatch.setattr(cuda, "_thread", threading.local())
    cuda.activate.cache_clear()
    yield fake
    cuda.activate.cache_clear()


def broken(error):
    def call(*arguments: object) -> None:
        raise error

    return call


def test_the_primary_context_is_pushed_once_a_process(driver):
    for _ in range(3):
        cuda.activate()
    assert driver.calls == ["init", "push"]


def test_copies_go_to_the_address_and_wait_for_the_stream(driver):
    memory, stream = cuda.DeviceMemory(64), cuda.Stream()
    host = cuda.pinned((4, 2))
    stream.upload(host, memory)
    stream.download(memory, host[:1])
    stream.synchronize()
    assert driver.calls[2:] == [("up", 4096, 32), ("down", 4096, 8), "wait"]
    assert host.dtype == np.float32


def test_no_device_memory_says_how_much_there_is(driver):
    driver.mem_alloc = broken(OutOfMemory("cuMemAlloc failed"))
    with pytest.raises(cuda.CudaError, match=r"allocating 12 bytes on the GPU: no device memory left \(64 MiB are free\)"):
        cuda.DeviceMemory(12)


def test_no_memory_for_a_context_at_all_is_one_line_and_ends(driver):
    """Another process holds the whole GPU: asking how much is free needs a context too."""
    driver.Device = lambda number: SimpleNamespace(retain_primary_context=broken(OutOfMemory("out of memory")))
    driver.mem_get_info = broken(Error("no context"))
    for call in (cuda.activate, cuda.free_bytes, cuda.Stream):
        with pytest.raises(cuda.CudaError, match="starting CUDA: no device memory left; close other runners and programs"):
            call()


def test_no_pinned_memory_is_not_called_device_memory(driver):
    driver.pagelocked_empty = broken(OutOfMemory("cuMemHostAlloc failed: out of memory"))
    with pytest.raises(cuda.CudaError, match=r"pinned host memory of shape \(2, 3\): CUDA says: cuMemHostAlloc failed"):
        cuda.pinned((2, 3))


COPIES = [("memcpy_htod_async", "copying to the GPU"), ("memcpy_dtoh_async", "copying from the GPU")]


@pytest.mark.parametrize(("call", "said"), [*COPIES, ("memcpy_dtod_async", "copying within the GPU")])
def test_a_failed_copy_is_an_error_of_ours(driver, call, said):
    setattr(driver, call, broken(Error("launch\n failure")))
    stream, memory, host = cuda.Stream(), cuda.DeviceMemory(64), cuda.pinned((4,))
    with pytest.raises(cuda.CudaError, match=f"{said}: CUDA says: launch failure"):
        {"htod": lambda: stream.upload(host, memory), "dtoh": lambda: stream.download(memory, host)}.get(
            call[7:11], lambda: stream.copy(memory, memory)
        )()


def test_all_of_a_buffer_is_copied_within_the_gpu_but_not_into_a_smaller_one(driver):
    stream, small, large = cuda.Stream(), cuda.DeviceMemory(12), cuda.DeviceMemory(16)
    small.address, large.address = 100, 200
    stream.copy(small, large)
    assert driver.calls[-1] == ("within", 200, 100, 12, 7)
    with pytest.raises(cuda.CudaError, match="copying 16 bytes, the buffer on the GPU has 12"):
        stream.copy(large, small)


def test_nothing_of_ours_runs_beside_a_timed_call(driver):
    stream, memory, host, called = cuda.Stream(), cuda.DeviceMemory(64), cuda.pinned((4,)), []

    def profiled(frame, event, argument):
        if event == "call" and frame.f_code.co_filename == cuda.__file__:
            called.append(frame.f_code.co_name)

    sys.setprofile(profiled)
    try:
        stream.upload(host, memory)
        stream.download(memory, host)
        stream.synchronize()
    finally:
        sys.setprofile(None)
    assert called == ["upload", "download", "synchronize"]


def test_what_failed_in_a_stream_is_told_by_waiting_for_it(driver):
    stream = cuda.Stream()
    stream._stream.synchronize = broken(Error("launch\n failure"))
    with pytest.raises(cuda.CudaError, match="waiting for the GPU: CUDA says: launch failure"):
        stream.synchronize()


def test_work_is_timed_between_two_events(driver):
    stream = cuda.Stream()
    driver.calls.clear()
    assert stream.timed(lambda: driver.calls.append("work")) == 1.5
    assert driver.calls == [(1, "in stream", 7), "work", (2, "in stream", 7), (2, "waited for")]
    driver.Event.synchronize = broken(Error("launch failed"))
    with pytest.raises(cuda.CudaError, match="timing on the GPU: CUDA says: launch failed"):
        stream.timed(lambda: None)


def test_a_copy_larger_than_its_buffer_is_refused(driver):
    stream, memory = cuda.Stream(), cuda.DeviceMemory(12)
    for call in (lambda: stream.upload(cuda.pinned((4,)), memory), lambda: stream.download(memory, cuda.pinned((4,)))):
        with pytest.raises(cuda.CudaError, match="copying 16 bytes, the buffer on the GPU has 12"):
            call()


def test_closing_frees_once_and_hides_no_error_in_flight(driver):
    memory = cuda.DeviceMemory(12)
    memory.close()
    memory.close()
    assert driver.calls.count("free") == 1
    lost = cuda.DeviceMemory(12)
    lost._memory.free = broken(Error("the context is broken"))
    lost.close()


def test_pycuda_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not cuda.installed()


# Which GPUs CUDA sees


@pytest.fixture
def libcuda(monkeypatch):
    """The driver's library with two GPUs, to be broken by a test."""

    def bus(text, size, number):
        text.value = [b"0000:65:00.0", b"0001:17:00.0"][number]
        return 0

    def count(pointer):
        pointer._obj.value = 2
        return 0

    library = SimpleNamespace(cuInit=lambda flags: 0, cuDeviceGetCount=count, cuDeviceGetPCIBusId=bus)
    monkeypatch.setattr("ctypes.CDLL", lambda name: library)
    cuda.devices.cache_clear()
    yield library
    cuda.devices.cache_clear()


def test_devices_are_in_cudas_order(libcuda):
    assert cuda.devices() == ["00000000:65:00.0", "00000001:17:00.0"]


@pytest.mark.parametrize("name", ["cuInit", "cuDeviceGetCount", "cuDeviceGetPCIBusId"])
def test_a_driver_that_refuses_has_no_devices(libcuda, name):
    setattr(libcuda, name, lambda *arguments: 100)  # CUDA_ERROR_NO_DEVICE
    assert cuda.devices() == []


def test_no_driver_no_devices(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", missing)
    cuda.devices.cache_clear()
    assert cuda.devices() == []
    cuda.devices.cache_clear()


@pytest.mark.parametrize("text", ["0000:3B:00.0", "00000000:3b:00.0\n", "0:3b:00.0"])
def test_a_bus_id_has_one_spelling(text):
    assert cuda.bus_id(text) == "00000000:3b:00.0"


# Graphs, and further threads


class Library:
    """The driver's library as far as graphs go: what it is told, in order; `fails`: function -> code."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.fails: dict[str, int] = {}
        self.nodes = 3
        for name in cuda.CALLS:
            setattr(self, name, self._function(name))

    def _function(self, name):
        def call(*arguments):
            self.told.append((name, *(argument for argument in map(_plain, arguments) if argument is not None)))
            if code := self.fails.get(name):
                return code
            for argument in arguments:
                if isinstance(getattr(argument, "_obj", None), ctypes.c_char_p):
                    argument._obj.value = b"out of\tluck"
                elif hasattr(argument, "_obj"):
                    argument._obj.value = self.nodes if name == "cuGraphGetNodes" else len(self.told) + 100
            return 0

        return call

    def names(self):
        return [name for name, *_ in self.told]


def _plain(argument):
    """A pointer as its number, None for what is written through."""
    return None if hasattr(argument, "_obj") else argument.value if isinstance(argument, ctypes.c_void_p) else argument


@pytest.fixture
def library(driver, monkeypatch):
    made = Library()
    monkeypatch.setattr("ctypes.CDLL", lambda name: made)
    cuda._libcuda.cache_clear()
    yield made
    cuda._libcuda.cache_clear()


def test_a_graph_is_captured_made_and_launched_in_its_stream(library):
    seen = []
    graph = cuda.Graph(cuda.Stream(), lambda: seen.append((library.names(), gc.isenabled())))
    assert seen == [(["cuStreamBeginCapture_v2"], False)]  # the work is done once, inside, and no garbage is collected meanwhile
    assert gc.isenabled()
    assert library.told[0] == ("cuStreamBeginCapture_v2", 7, cuda.CAPTURE_THREAD_LOCAL)
    made = ["cuStreamEndCapture", "cuGraphGetNodes", "cuGraphInstantiateWithFlags", "cuGraphDestroy"]
    assert library.names()[1:] == made
    captured, executable = 102, 104  # by the call that told them
    assert library.told[3:] == [("cuGraphInstantiateWithFlags", captured, 0), ("cuGraphDestroy", captured)]
    for _ in range(2):
        graph.launch()
    graph.close()
    graph.close()
    assert library.told[5:] == [("cuGraphLaunch", executable, 7)] * 2 + [("cuGraphExecDestroy", executable)]


@pytest.mark.parametrize("name", ["cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphGetNodes", "cuGraphInstantiateWithFlags"])
def test_a_graph_that_cannot_be_made_is_an_error_and_nothing_of_it_stays(library, name):
    library.fails = {name: 900}
    with pytest.raises(cuda.CudaError, match=rf"^{name}: CUDA says: out of luck \(900\)$"):
        cuda.Graph(cuda.Stream(), lambda: None)
    begun = name not in ("cuStreamBeginCapture_v2", "cuStreamEndCapture")
    assert ("cuGraphDestroy" in library.names()) == begun
    assert gc.isenabled()


def test_an_error_while_capturing_ends_the_capture_and_is_what_is_told(library):
    for fails in ({}, {"cuStreamEndCapture": 901}):
        library.told.clear()
        library.fails = fails
        with pytest.raises(ReportError, match="no launch"):
            cuda.Graph(cuda.Stream(), broken(ReportError("no launch")))
        assert library.names() == ["cuStreamBeginCapture_v2", "cuStreamEndCapture"] + ["cuGraphDestroy"] * (not fails)


def test_a_graph_of_nothing_is_refused(library):
    library.nodes = 0
    with pytest.raises(cuda.CudaError, match="nothing was put into its stream"):
        cuda.Graph(cuda.Stream(), lambda: None)
    assert library.names()[-1] == "cuGraphDestroy"


def test_a_launch_that_fails_is_an_error(library):
    graph = cuda.Graph(cuda.Stream(), lambda: None)
    library.fails = {"cuGraphLaunch": 700}
    with pytest.raises(cuda.CudaError, match=r"^cuGraphLaunch: CUDA says: out of luck \(700\)$"):
        graph.launch()


def test_no_graphs_without_a_driver_that_has_them(library, monkeypatch):
    del library.cuGraphInstantiateWithFlags
    with pytest.raises(
        cuda.CudaError, match=r"driver is missing or too old \(.*cuGraphInstantiateWithFlags.*\); install one for CUDA 11.4"
    ):
        cuda.Graph(cuda.Stream(), lambda: None)
    monkeypatch.setattr("ctypes.CDLL", broken(OSError("libcuda.so.1: cannot open shared object file")))
    with pytest.raises(cuda.CudaError, match="cannot open shared object file"):
        cuda.Graph(cuda.Stream(), lambda: None)


def test_every_thread_enters_the_context_once(library, driver):
    cuda.activate()
    cuda.enter()
    assert library.told == []  # this thread has it
    errors = []

    def work():
        try:
            cuda.enter()
            cuda.enter()
        except BaseException as error:
            errors.append(error)

    for _ in range(2):
        library.told.clear()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert library.told == [("cuDevicePrimaryCtxRetain", 0), ("cuCtxSetCurrent", 101)]
    assert not errors
    assert driver.calls == ["init", "push"]
