"""What runs on the GPU beside TensorRT: pinned and device memory, streams, events, through pycuda, and graphs, of which pycuda has none.

On the primary context, which TensorFlow and ONNX Runtime use too, so that all of them live in one process.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib.util
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from lib.errors import ReportError
from lib.timer import uncollected

CAPTURE_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
CALLS = {  # of the driver's library: what each takes; a context, stream or graph is a pointer
    "cuDevicePrimaryCtxRetain": (ctypes.c_void_p, ctypes.c_int),
    "cuCtxSetCurrent": (ctypes.c_void_p,),
    "cuStreamBeginCapture_v2": (ctypes.c_void_p, ctypes.c_int),
    "cuStreamEndCapture": (ctypes.c_void_p, ctypes.c_void_p),
    "cuGraphGetNodes": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p),
    "cuGraphInstantiateWithFlags": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulonglong),  # the newest here: CUDA 11.4
    "cuGraphLaunch": (ctypes.c_void_p, ctypes.c_void_p),
    "cuGraphExecDestroy": (ctypes.c_void_p,),
    "cuGraphDestroy": (ctypes.c_void_p,),
    "cuGetErrorString": (ctypes.c_int, ctypes.c_void_p),
}

_thread = threading.local()  # .current: whether the primary context is, in this thread


class CudaError(ReportError):
    """A CUDA call failed: the text says which, what CUDA said and what to do."""


def installed() -> bool:
    """Whether pycuda is there. Imports nothing."""
    return importlib.util.find_spec("pycuda") is not None


@cache
def devices() -> list[str]:
    """PCI bus ids, as `bus_id` spells them, of the GPUs that CUDA lets this process use; the first is the one that everything runs on.

    Asked of the driver: nvidia-smi orders otherwise and knows no CUDA_VISIBLE_DEVICES. Source: CUDA Driver API, cuDeviceGetPCIBusId.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        count, text = ctypes.c_int(), ctypes.create_string_buffer(32)
        if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
            return []
        found = []
        for number in range(count.value):
            if driver.cuDeviceGetPCIBusId(text, len(text), number):  # a CUdevice is its number
                return []
            found.append(bus_id(text.value.decode()))
        return found
    except (OSError, AttributeError):
        return []


def bus_id(text: str) -> str:
    """A PCI bus id, domain:bus:device.function in hex, in one spelling: nvidia-smi writes eight digits of domain, CUDA four."""
    domain, _, rest = text.strip().lower().partition(":")
    return f"{int(domain, 16):08x}:{rest}"


@cache
def activate() -> Any:
    """Make the primary context of the first of `devices` current for as long as the process lives; returns the module pycuda.driver.

    Raises CudaError where there is none.
    """
    import pycuda.driver as driver

    with checked("starting CUDA"):
        driver.init()
        context = driver.Device(0).retain_primary_context()
        context.push()
    atexit.register(context.pop)  # pycuda aborts the process at its end where a context is still current
    _thread.current = True
    return driver


def enter() -> None:
    """Make the context of `activate` current in the thread that calls this: pycuda's calls need that, in each thread, once.

    Not through pycuda, which ends the process where a thread ends whose context is on its stack. Raises CudaError.
    """
    if getattr(_thread, "current", False):
        return
    activate()
    driver, context = _libcuda(), ctypes.c_void_p()
    _called(driver, "cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)  # as `activate` did: it is never given back
    _called(driver, "cuCtxSetCurrent", context)
    _thread.current = True


@contextmanager
def checked(doing: str) -> Iterator[None]:
    """Turn pycuda's errors into CudaError; `doing` names the call, for example "allocating 12 bytes"."""
    import pycuda.driver as driver

    try:
        yield
    except driver.MemoryError:
        raise CudaError(f"{doing}: no device memory left{_free()}; close other runners and programs") from None
    except driver.Error as error:
        raise _failed(doing, error) from None


def free_bytes() -> int:
    """Bytes of device memory that are free now."""
    with checked("asking for free memory"):
        return int(activate().mem_get_info()[0])


def pinned(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """An empty array of a NumPy type in page-locked host memory, which the GPU reads and writes by itself; freed with the array."""
    driver = activate()
    try:
        return driver.pagelocked_empty(shape, dtype)
    except (driver.Error, MemoryError) as error:  # pycuda calls it device memory, but it is the host's
        raise _failed(f"allocating pinned host memory of shape {shape}", error) from None


class DeviceMemory:
    """`bytes` of device memory, freed by `close`. address: for TensorRT and for copies."""

    def __init__(self, size: int) -> None:
        with checked(f"allocating {size} bytes on the GPU"):
            self._memory: Any = activate().mem_alloc(size)
        self.size, self.address = size, int(self._memory)

    def close(self) -> None:
        """Give the memory back now. Nothing is raised: after an error that broke the context it is gone with it."""
        memory, self._memory = self._memory, None
        if memory is not None:
            with contextlib.suppress(activate().Error):
                memory.free()


class Stream:
    """A CUDA stream of its own. handle: for TensorRT. Its methods lie in what is timed: they call no function of Python's but CUDA's."""

    def __init__(self) -> None:
        driver = activate()
        with checked("creating a stream"):
            self._stream: Any = driver.Stream()
            self._start, self._end = driver.Event(), driver.Event()
        self.handle: int = self._stream.handle
        self._upload, self._download, self._error = driver.memcpy_htod_async, driver.memcpy_dtoh_async, driver.Error
        self._copy = driver.memcpy_dtod_async

    def upload(self, host: np.ndarray, device: DeviceMemory) -> None:
        """Start copying a pinned array to the GPU. Raises CudaError, also for an array that is larger than `device`."""
        if host.nbytes > device.size:
            raise _too_large(host.nbytes, device)
        try:
            self._upload(device.address, host, self._stream)
        except self._error as error:
            raise _failed("copying to the GPU", error) from None

    def download(self, device: DeviceMemory, host: np.ndarray) -> None:
        """Start copying from the GPU into a pinned array. Raises CudaError, also for an array that is larger than `device`."""
        if host.nbytes > device.size:
            raise _too_large(host.nbytes, device)
        try:
            self._download(host, device.address, self._stream)
        except self._error as error:
            raise _failed("copying from the GPU", error) from None

    def copy(self, source: DeviceMemory, target: DeviceMemory) -> None:
        """Start copying all of `source` within the GPU. Raises CudaError, also where it is larger than `target`."""
        if source.size > target.size:
            raise _too_large(source.size, target)
        try:
            self._copy(target.address, source.address, source.size, self._stream)
        except self._error as error:
            raise _failed("copying within the GPU", error) from None

    def timed(self, work: Callable[[], None]) -> float:
        """Milliseconds between two events around what `work` puts into the stream; waits for its end.

        The GPU's wait for work that is still being launched counts. Raises CudaError, and what `work` raises.
        """
        try:
            self._start.record(self._stream)
            work()
            self._end.record(self._stream)
            self._end.synchronize()
            return float(self._start.time_till(self._end))
        except self._error as error:
            raise _failed("timing on the GPU", error) from None

    def synchronize(self) -> None:
        """Wait for everything in the stream. Raises CudaError for what failed in it."""
        try:
            self._stream.synchronize()
        except self._error as error:
            raise _failed("waiting for the GPU", error) from None


class Graph:
    """What `work` puts into a stream, captured once and launched again and again as one: copies read and write the same memory each time.

    `work` is called, but nothing of it runs meanwhile. To be closed, after what was launched has ended. Through the driver's own library:
    pycuda captures nothing, and cuda-python would be one more package in the environment of every worker.
    Source: CUDA Driver API, "Stream Management" and "Graph Management".
    """

    def __init__(self, stream: Stream, work: Callable[[], None]) -> None:
        """Raises CudaError where there is no graph, also for an empty one, and what `work` raises."""
        self._driver, self._exec, self._stream = _libcuda(), ctypes.c_void_p(), ctypes.c_void_p(stream.handle)
        graph = self._captured(work)
        try:
            count = ctypes.c_size_t()
            _called(self._driver, "cuGraphGetNodes", graph, None, ctypes.byref(count))
            if not count.value:
                raise CudaError("capturing a graph: nothing was put into its stream")
            _called(self._driver, "cuGraphInstantiateWithFlags", ctypes.byref(self._exec), graph, 0)
        finally:
            self._driver.cuGraphDestroy(graph)
        self._launch = self._driver.cuGraphLaunch

    def launch(self) -> None:
        """Put it all into the stream again. Raises CudaError."""
        if code := self._launch(self._exec, self._stream):
            raise _told(self._driver, "cuGraphLaunch", code)

    def close(self) -> None:
        """Let go of it, once. Nothing is raised: after an error that broke the context it is gone with it."""
        held, self._exec = self._exec, ctypes.c_void_p()  # a launch from now on is an error of CUDA's
        if held:
            self._driver.cuGraphExecDestroy(held)

    def _captured(self, work: Callable[[], None]) -> ctypes.c_void_p:
        """The graph of `work`. Calls of this thread that no graph can hold are refused meanwhile, as trtexec has it; freeing memory is one
        of them, so garbage is not collected."""
        graph = ctypes.c_void_p()
        with uncollected():
            _called(self._driver, "cuStreamBeginCapture_v2", self._stream, CAPTURE_THREAD_LOCAL)
            try:
                work()
            except BaseException:
                if not self._driver.cuStreamEndCapture(self._stream, ctypes.byref(graph)) and graph:
                    self._driver.cuGraphDestroy(graph)
                raise
            _called(self._driver, "cuStreamEndCapture", self._stream, ctypes.byref(graph))
        return graph


@cache
def _libcuda() -> Any:
    """The driver's library with all of CALLS. Raises CudaError where it lacks one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        for name, arguments in CALLS.items():
            getattr(driver, name).argtypes = arguments
    except (OSError, AttributeError) as error:
        raise CudaError(f"CUDA graphs: the NVIDIA driver is missing or too old ({error}); install one for CUDA 11.4 or newer") from None
    return driver


def _called(driver: Any, name: str, *arguments: Any) -> None:
    if code := getattr(driver, name)(*arguments):
        raise _told(driver, name, code)


def _told(driver: Any, name: str, code: int) -> CudaError:
    said = ctypes.c_char_p()
    driver.cuGetErrorString(code, ctypes.byref(said))
    return CudaError(f"{name}: CUDA says: {' '.join((said.value or b'no words').decode().split())} ({code})")


def _too_large(size: int, device: DeviceMemory) -> CudaError:
    return CudaError(f"copying {size} bytes, the buffer on the GPU has {device.size}")


def _free() -> str:
    """How much device memory is free, in words, "" where even that cannot be asked."""
    import pycuda.driver as driver

    try:
        return f" ({driver.mem_get_info()[0] >> 20} MiB are free)"
    except driver.Error:
        return ""


def _failed(doing: str, error: Exception) -> CudaError:
    return CudaError(f"{doing}: CUDA says: {' '.join(str(error).split())}")
