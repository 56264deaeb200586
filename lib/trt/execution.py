"""A deserialized engine that runs: contexts with their buffers and streams, and the calls that TensorRT's versions have for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from typing import Any

import numpy as np

from lib import cuda
from lib.trt import inspect, versions
from lib.trt.log import errors, logger
from lib.trt.versions import EngineError

DTYPES = {"FLOAT": np.float32, "HALF": np.float16, "UINT8": np.uint8, "INT32": np.int32}  # by TensorRT's name
NAMED, BINDINGS = "execute_async_v3", "execute_async_v2"  # tensors by name (8.5 on), a list of addresses (8.x)


def apis() -> list[str]:
    """The calls that run an engine in this TensorRT, the one for every version first."""
    context = versions.module().IExecutionContext
    return [api for api in (NAMED, BINDINGS) if hasattr(context, api)]


def shared_profiles(trt: Any) -> bool:
    """Whether several contexts of an engine may run with one of its optimization profiles: not in 8.x, which alone has binding calls.

    Source: NvInfer.h of 10.6, kPROFILE_SHARING_0806 (on, and cannot be changed); of 8.5, setOptimizationProfileAsync ("unique").
    """
    return not hasattr(trt.ICudaEngine, "num_bindings")


class Engine:
    """A plan on the GPU, for any number of contexts: one input, any number of outputs, each of a type of DTYPES, first dimension the batch.

    profiles: (min, opt, max) batch of each of its optimization profiles; fixed: whether it has none to choose, for its network has one
    batch. Profiles of one batch make a fixed shape too, but 8.x wants one of them for each context all the same.
    """

    def __init__(self, plan: bytes) -> None:
        """Raises EngineError for what TensorRT does not load and for an engine with other inputs and outputs."""
        trt = versions.module()
        cuda.activate()
        self.shared_profiles = shared_profiles(trt)
        self._log, self._told = logger(trt), 0
        self._runtime = trt.Runtime(self._log)
        self.loaded = self._runtime.deserialize_cuda_engine(plan)
        if self.loaded is None:
            raise EngineError(f"TensorRT {trt.__version__} does not load this plan: {self.said()}")
        self._io(trt)

    def context(self, profile: int, stream: cuda.Stream) -> Any:
        """A new context with an optimization profile. Raises EngineError."""
        made = self.loaded.create_execution_context()
        if made is None:
            raise EngineError(f"no execution context: {self.said()} ({cuda.free_bytes() >> 20} MiB of device memory are free)")
        if not self.fixed and made.active_optimization_profile != profile:
            try:
                made.set_optimization_profile_async(profile, stream.handle)
            except RuntimeError:  # so the bindings say that it refuses
                raise EngineError(f"TensorRT refuses optimization profile {profile}: {self.said()}") from None
            stream.synchronize()
        self.said()  # 8.x may complain that profile 0 is taken, which has been seen to
        return made

    def said(self) -> str:
        """What TensorRT logged as errors since it was asked last."""
        since, self._told = self._told, len(self._log.lines)
        return errors(self._log, since)

    def close(self) -> None:
        """Drop TensorRT's objects, after those of its contexts, in the order that it asks for: engine, runtime."""
        self.loaded = self._runtime = None

    def _io(self, trt: Any) -> None:
        """Names, shapes and profiles of inputs and outputs; refuses what this module does not feed."""
        engine = self.loaded
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        types = {name: engine.get_tensor_dtype(name).name for name in names}
        for name, kind in types.items():
            if kind not in DTYPES:
                raise EngineError(f"tensor '{name}' of this plan is {kind}; {', '.join(DTYPES)} are run")
        self.dtypes = {name: DTYPES[kind] for name, kind in types.items()}
        if len(inputs) != 1:
            raise EngineError(f"this plan has {len(inputs)} inputs, only plans with one are run")
        self.input, self.outputs = inputs[0], [name for name in names if name not in inputs]
        shapes = [engine.get_tensor_profile_shape(self.input, i) for i in range(engine.num_optimization_profiles)]
        self.profiles = [tuple(int(shape[0]) for shape in shapes_of) for shapes_of in shapes]
        self.row = tuple(shapes[0][-1])[1:]
        self.fixed = engine.get_tensor_shape(self.input)[0] >= 0 and len(self.profiles) == 1


class Bound:
    """A context of an engine with a stream and buffers of its own, pinned on the host, for the largest batch. Not for several threads."""

    api = NAMED

    def layers(self) -> list[inspect.EngineLayer]:
        """The layers of the finished engine, in its order, as the engine inspector describes them."""
        return inspect.engine_layers(versions.module(), self._of.loaded, self._context)

    def _bind(self, engine: Engine, profile: int, stack: ExitStack, largest: int | None = None) -> None:
        """Make them, to be let go of by `stack`, for batches of an optimization profile and up to `largest` (None: all of these)."""
        self._of, self.input, self.outputs = engine, engine.input, engine.outputs
        self.min_batch, _, most = engine.profiles[profile]
        self.max_batch = most if largest is None else largest
        self._stream = cuda.Stream()
        stack.callback(self._forget)
        self._context = engine.context(profile, self._stream)
        self._shaped(self.max_batch)
        self._host: dict[str, np.ndarray] = {}
        self._device: dict[str, cuda.DeviceMemory] = {}
        for name in (self.input, *self.outputs):
            self._host[name] = cuda.pinned(self._shape(name), engine.dtypes[name])
            self._device[name] = stack.enter_context(closing(cuda.DeviceMemory(self._host[name].nbytes)))
        stack.callback(self._drain)  # before any buffer is freed
        self._launch = self._launcher()

    def _check(self, batch: np.ndarray) -> int:
        dtype = np.dtype(self._of.dtypes[self.input])
        if batch.dtype != dtype or batch.ndim != 1 + len(self._of.row) or batch.shape[1:] != self._of.row:
            raise EngineError(f"input must be {dtype} of shape (n, {', '.join(map(str, self._of.row))}), got {batch.dtype} {batch.shape}")
        if not 1 <= len(batch) <= self.max_batch:
            raise EngineError(f"a batch of {len(batch)}: this engine takes 1 to {self.max_batch}")
        return len(batch)

    def _shaped(self, count: int) -> None:
        """Tell the context the batch size; it then knows the shape of every output."""
        shape = (count, *self._of.row)
        if self.api == BINDINGS:
            done = self._context.set_binding_shape(self._of.loaded.get_binding_index(self.input), shape)
        else:
            done = self._context.set_input_shape(self.input, shape)
        if not done:
            raise EngineError(f"TensorRT refuses input shape {shape}: {self._of.said()}")

    def _shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor for the batch size that was set last."""
        if self.api == BINDINGS:  # the two ways of setting shapes do not know of each other
            return tuple(self._context.get_binding_shape(self._of.loaded.get_binding_index(name)))
        return tuple(self._context.get_tensor_shape(name))

    def _launcher(self) -> Callable[[], None]:
        """The call that puts the engine's work into the stream; raises EngineError where TensorRT says that it did not."""
        addresses = {name: memory.address for name, memory in self._device.items()}
        if self.api == BINDINGS:
            bindings = [addresses[self._of.loaded.get_binding_name(i)] for i in range(self._of.loaded.num_bindings)]
            return lambda: self._done(self._context.execute_async_v2(bindings, self._stream.handle))
        for name, address in addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise EngineError(f"TensorRT refuses the address of tensor '{name}': {self._of.said()}")
        return lambda: self._done(self._context.execute_async_v3(self._stream.handle))

    def _done(self, launched: bool) -> None:
        if not launched:
            raise EngineError(f"{self.api} failed: {self._of.said()}")

    def _drain(self) -> None:
        """Wait for what is still in the stream; after an error there is nothing to wait for."""
        with suppress(cuda.CudaError):
            self._stream.synchronize()

    def _forget(self) -> None:
        """Drop the context, before the engine is, and what only it used."""
        self._launch = self._context = self._profiler = None
        self._host, self._stream = {}, None


class Execution(Bound):
    """A plan on the GPU, as Engine and Bound say. min_batch, max_batch: of its first optimization profile."""

    def __init__(self, plan: bytes, api: str = NAMED) -> None:
        if api not in apis():
            raise EngineError(f"this TensorRT has no {api}; it has {', '.join(apis())}")
        self._plan, self.api = plan, api

    def __enter__(self) -> Execution:
        with ExitStack() as stack:
            engine = Engine(self._plan)
            stack.callback(engine.close)
            self._bind(engine, 0, stack)
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


def chosen(engine: Engine, count: int, sizes: Sequence[int]) -> list[int]:
    """The optimization profile of each of `count` lanes for batches of `sizes` (growing): one that takes all of them, best for the largest.

    Raises EngineError where there is none, or not one for each lane where this TensorRT wants that.
    """
    fitting = [i for i, (least, _, most) in enumerate(engine.profiles) if least <= sizes[0] and sizes[-1] <= most]
    if not fitting:
        ranges = ", ".join(f"{least} to {most}" for least, _, most in dict.fromkeys(engine.profiles))
        raise EngineError(f"batches of {', '.join(map(str, sizes))}: the optimization profiles of this engine take {ranges}")
    best = sorted(fitting, key=lambda i: abs(engine.profiles[i][1] - sizes[-1]))
    if engine.shared_profiles or engine.fixed:
        return best[:1] * count
    if len(best) < count:
        raise EngineError(
            f"{count} lanes of {sizes[-1]} images: this TensorRT wants an optimization profile for each, and {len(best)} of this engine's "
            "fit; build it with as many"
        )
    return sorted(best[:count])  # the first context is given profile 0 by itself
