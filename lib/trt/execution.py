"""A deserialized engine that runs: context, buffers, stream, and the calls that TensorRT's versions have for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from typing import Any

import numpy as np

from lib import cuda
from lib.trt import inspect, versions
from lib.trt.log import errors, logger
from lib.trt.versions import EngineError

DTYPES = {"FLOAT": np.float32, "HALF": np.float16, "UINT8": np.uint8}  # by TensorRT's name
NAMED, BINDINGS = "execute_async_v3", "execute_async_v2"  # tensors by name (8.5 on), a list of addresses (8.x)


def apis() -> list[str]:
    """The calls that run an engine in this TensorRT, the one for every version first."""
    context = versions.module().IExecutionContext
    return [api for api in (NAMED, BINDINGS) if hasattr(context, api)]


class Execution:
    """A plan on the GPU: one input, any number of outputs, each of a type of DTYPES, first dimension the batch.

    min_batch, max_batch: of its optimization profile. Buffers for the largest batch are allocated once, pinned on the host; each
    Execution has a stream of its own. Not for several threads.
    """

    def __init__(self, plan: bytes, api: str = NAMED) -> None:
        if api not in apis():
            raise EngineError(f"this TensorRT has no {api}; it has {', '.join(apis())}")
        self._plan, self.api = plan, api

    def __enter__(self) -> Execution:
        with ExitStack() as stack:
            stack.callback(self._forget)
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def infer(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        """Output name -> array (n, …) of the input (n, …), 1 <= n <= max_batch; copies, so they stay.

        Fewer than min_batch are filled up with the first one. Raises EngineError for another shape, type or batch size, and where TensorRT
        refuses the launch; CudaError where the GPU fails. After an error the next call may be right again.
        """
        given = self._check(batch)
        count = max(given, self.min_batch)
        host = self._host[self.input][:count]
        host[:given], host[given:] = batch, batch[:1]
        self._stream.upload(host, self._device[self.input])
        self._shaped(count)
        self._launch()
        for name in self.outputs:
            self._stream.download(self._device[name], self._host[name][:count])
        self._stream.synchronize()
        return {name: self._host[name][:given].copy() for name in self.outputs}

    def gpu_ms(self) -> float:
        """Milliseconds on the GPU of computing the batch of the last `infer` once more, without copies, by CUDA events.

        Raises EngineError where TensorRT refuses the launch, CudaError where the GPU fails. Before any `infer` the input is arbitrary.
        """
        return self._stream.timed(self._launch)

    def layers(self) -> list[inspect.EngineLayer]:
        """The layers of the finished engine, in its order, as the engine inspector describes them."""
        return inspect.engine_layers(versions.module(), self._engine, self._context)

    def profile_layers(self, batch: np.ndarray, repeats: int) -> list[list[tuple[str, float]]]:
        """(layer, ms) of every layer, in order, for each of `repeats` runs of one batch, from TensorRT's profiler.

        It times layers one by one, so their sum is more than the engine takes without, and it stays: what runs afterwards is slower too.
        """
        trt = versions.module()
        runs: list[list[tuple[str, float]]] = []

        class Profiler(trt.IProfiler):  # type: ignore[misc]
            def report_layer_time(self, layer_name: str, ms: float) -> None:
                runs[-1].append((layer_name, ms))

        self._context.profiler = self._profiler = Profiler()  # the context may keep no reference of its own
        for _ in range(repeats):
            runs.append([])
            self.infer(batch)
        return runs

    def _open(self, stack: ExitStack) -> None:
        trt = versions.module()
        cuda.activate()
        self._log, self._told = logger(trt), 0
        self._runtime = trt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(self._plan)
        if self._engine is None:
            raise EngineError(f"TensorRT {trt.__version__} does not load this plan: {self._said()}")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError(f"no execution context: {self._said()} ({cuda.free_bytes() >> 20} MiB of device memory are free)")
        self._io(trt)
        self._stream = cuda.Stream()
        self._shaped(self.max_batch)
        self._host, self._device = {}, {}
        for name in (self.input, *self.outputs):
            shape = self._shape(name)
            self._host[name] = cuda.pinned(shape, self._dtypes[name])
            self._device[name] = stack.enter_context(closing(cuda.DeviceMemory(self._host[name].nbytes)))
        stack.callback(self._drain)  # before any buffer is freed
        self._launch = self._launcher()

    def _io(self, trt: Any) -> None:
        """Names, shapes and profile of inputs and outputs; refuses what this class does not feed."""
        engine = self._engine
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        types = {name: engine.get_tensor_dtype(name).name for name in names}
        for name, kind in types.items():
            if kind not in DTYPES:
                raise EngineError(f"tensor '{name}' of this plan is {kind}; {', '.join(DTYPES)} are run")
        self._dtypes = {name: DTYPES[kind] for name, kind in types.items()}
        if len(inputs) != 1:
            raise EngineError(f"this plan has {len(inputs)} inputs, only plans with one are run")
        self.input, self.outputs = inputs[0], [name for name in names if name not in inputs]
        smallest, _, largest = engine.get_tensor_profile_shape(self.input, 0)
        self.min_batch, self.max_batch = int(smallest[0]), int(largest[0])
        self._row = tuple(largest)[1:]

    def _check(self, batch: np.ndarray) -> int:
        dtype = np.dtype(self._dtypes[self.input])
        if batch.dtype != dtype or batch.ndim != 1 + len(self._row) or batch.shape[1:] != self._row:
            raise EngineError(f"input must be {dtype} of shape (n, {', '.join(map(str, self._row))}), got {batch.dtype} {batch.shape}")
        if not 1 <= len(batch) <= self.max_batch:
            raise EngineError(f"a batch of {len(batch)}: this engine takes 1 to {self.max_batch}")
        return len(batch)

    def _shaped(self, count: int) -> None:
        """Tell the context the batch size; it then knows the shape of every output."""
        shape = (count, *self._row)
        if self.api == BINDINGS:
            done = self._context.set_binding_shape(self._engine.get_binding_index(self.input), shape)
        else:
            done = self._context.set_input_shape(self.input, shape)
        if not done:
            raise EngineError(f"TensorRT refuses input shape {shape}: {self._said()}")

    def _shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor for the batch size that was set last."""
        if self.api == BINDINGS:  # the two ways of setting shapes do not know of each other
            return tuple(self._context.get_binding_shape(self._engine.get_binding_index(name)))
        return tuple(self._context.get_tensor_shape(name))

    def _launcher(self) -> Callable[[], None]:
        """The call that puts the engine's work into the stream; raises EngineError where TensorRT says that it did not."""
        addresses = {name: memory.address for name, memory in self._device.items()}
        if self.api == BINDINGS:
            bindings = [addresses[self._engine.get_binding_name(i)] for i in range(self._engine.num_bindings)]
            return lambda: self._done(self._context.execute_async_v2(bindings, self._stream.handle))
        for name, address in addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise EngineError(f"TensorRT refuses the address of tensor '{name}': {self._said()}")
        return lambda: self._done(self._context.execute_async_v3(self._stream.handle))

    def _said(self) -> str:
        """What TensorRT logged as errors since it was asked last."""
        since, self._told = self._told, len(self._log.lines)
        return errors(self._log, since)

    def _done(self, launched: bool) -> None:
        if not launched:
            raise EngineError(f"{self.api} failed: {self._said()}")

    def _drain(self) -> None:
        """Wait for what is still in the stream; after an error there is nothing to wait for."""
        with suppress(cuda.CudaError):
            self._stream.synchronize()

    def _forget(self) -> None:
        """Drop TensorRT's objects in the order that it asks for: context, engine, runtime."""
        self._launch = self._context = self._profiler = self._engine = self._runtime = None
        self._host, self._stream = {}, None
