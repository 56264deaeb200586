"""What a card reaches at most, measured by the TensorRT of a worker: FLOP a second in products of large matrices, bytes a second in copies.

The engine is a chain of products and nothing else, in FP16 or explicit INT8: x (rows, ends) by (ends, inner), by (inner, inner) several
times, by (inner, ends). Its ends are narrow, so that reading the input and writing the output take little of its time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lib import stats
from lib.errors import NotMeasured, WrongOutput
from lib.plans.remote import BUILD_S, Worker, WorkerEnded
from lib.stats import Interval
from lib.store.records import Reason
from lib.trt import ceiling, inspect
from lib.trt.versions import EngineError

if TYPE_CHECKING:
    import onnx

WITHIN, TO_GPU, FROM_GPU = "within", "to_gpu", "from_gpu"
COPIES = (WITHIN, TO_GPU, FROM_GPU)
PRECISION_OF = {"fp16": "fp16", "int8": "int8_qdq", "tf32": "tf32", "fp32": "fp32"}  # type of the products -> what is built
TYPES = ("fp16", "int8")  # that are measured where nobody asks otherwise
NEEDED_MIB = 3 << 10  # of device memory: 0.5 GiB of activations, 0.3 of weights (FP32), twice while it is built, and 1 GiB of workspace
SETTINGS = {"min_batch": 1, "opt_batch": 1, "max_batch": 1, "workspace_mib": 1024, "calibration_batch": 1}  # of a fixed shape: 1 counts
STEP = 1 / 32  # of INT8 activations, which spread as a standard normal: four deviations fit
Call = Callable[[], dict[str, tuple[int, float]]]  # of one round: what is measured -> FLOP or bytes of a call, and its ms
FEW = 4  # rows of the output that are computed again
CLOSE = 0.1  # of these, relative: sums in FP16 are off by some hundredths after five products; what was not run is off by 1


class Rate(NamedTuple):
    """How fast one thing is. amount: FLOP or bytes of a call; rounds_ms: mean of each round."""

    amount: int
    rounds_ms: list[float]

    @property
    def per_s(self) -> Interval:
        """FLOP or bytes a second, with the interval over rounds."""
        return stats.rate(self.rounds_ms, self.amount)


class Sizes(NamedTuple):
    """Of the chain: rows of x, values of a row at both ends and in between, products between the ends."""

    rows: int = 16384
    ends: int = 512
    inner: int = 4096
    depth: int = 4

    @property
    def widths(self) -> list[int]:
        """Values of a row, before and after each product."""
        return [self.ends, *[self.inner] * (self.depth + 1), self.ends]

    @property
    def flop(self) -> int:
        """Of all products: 2.3e12 as they are, 3 ms at 750 TFLOP/s."""
        return 2 * self.rows * sum(before * after for before, after in pairwise(self.widths))


LARGE = Sizes()


class Product(NamedTuple):
    """The chain in one type. onnx: serialized, from `x` to `y` (rows, ends); given: its input; rows, expected: some rows of its output."""

    onnx: bytes
    given: np.ndarray
    rows: list[int]
    expected: np.ndarray


def measure(
    worker: Worker, types: Sequence[str] = TYPES, rounds: int = 8, slice_s: float = 0.1, seed: str = "", sizes: Sizes = LARGE
) -> dict[str, Rate | Reason]:
    """How fast the products of each type (keys of PRECISION_OF) and the COPIES are, in rounds in random order, or why that is not known.

    Takes half a minute and more: an engine is built for each type. Raises WorkerEnded where the worker ends.
    """
    keys = [*types, *COPIES]
    if (reason := _unavailable(worker)) is not None:
        return dict.fromkeys(keys, reason)
    found: dict[str, Rate | Reason] = {}
    engines: list[int] = []
    arms: dict[tuple[str, ...], Call] = {COPIES: partial(_copied, worker, slice_s)}
    try:
        for kind in types:
            opened = _tried(partial(_opened, worker, kind, sizes, engines))
            if isinstance(opened, Reason):
                found[kind] = opened
            else:
                arms[kind,] = partial(_multiplied, worker, kind, *opened, sizes, slice_s)
        shuffled = random.Random(f"{seed}/ceiling")
        for _ in range(rounds):
            for arm in shuffled.sample(sorted(arms), len(arms)):
                told = _tried(arms[arm])
                if isinstance(told, Reason):
                    found |= dict.fromkeys(arm, told)
                    del arms[arm]
                else:
                    _add(found, told)
    finally:
        for engine in engines if worker.alive else []:
            with suppress(EngineError, WorkerEnded):
                worker.ask("close", engine=engine)
    return {key: found[key] for key in keys}


def product(kind: str, sizes: Sizes, seed: int = 0) -> Product:
    """The chain in a type, with weights that keep the spread of values: what clocks do depends on the power that real numbers take."""
    drawn = np.random.default_rng(seed)
    dtype = np.dtype(np.float16 if kind == "fp16" else np.float32)
    given = drawn.standard_normal((sizes.rows, sizes.ends), np.float32).astype(dtype)
    rows = sorted({*range(min(FEW // 2, sizes.rows)), *range(max(0, sizes.rows - FEW // 2), sizes.rows)})
    graph, values, tensor = _Chain(dtype), given[rows].astype(np.float64), "x"
    for number, (before, after) in enumerate(pairwise(sizes.widths)):
        if kind == "int8":
            stored = drawn.integers(-127, 128, (before, after), np.int8)
            step = np.float32(1 / (np.sqrt(127 * 128 / 3 * before)))
            tensor = graph.quantized(tensor, stored, step, number)
            values = np.clip(np.rint(values / STEP), -128, 127) * STEP @ (stored * float(step))
        else:
            stored = (drawn.standard_normal((before, after), np.float32) / np.sqrt(before)).astype(dtype)
            tensor = graph.plain(tensor, stored, number)
            values = values @ stored.astype(np.float64)
    return Product(graph.model(tensor, sizes), given, rows, values)


class _Chain:
    """The graph of products in the making."""

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def plain(self, tensor: str, weights: np.ndarray, number: int) -> str:
        """Multiply a tensor by weights; returns the name of the product."""
        return self._node("MatMul", [tensor, self._constant(f"weights{number}", weights)], f"product{number}")

    def quantized(self, tensor: str, weights: np.ndarray, step: np.float32, number: int) -> str:
        """The same in explicit INT8."""
        scale, own = self._constant(f"step{number}", np.float32(STEP)), self._constant(f"weights_step{number}", step)
        zero = self._constant(f"zero{number}", np.int8(0))
        given = self._node("QuantizeLinear", [tensor, scale, zero], f"quantized{number}")
        given = self._node("DequantizeLinear", [given, scale, zero], f"dequantized{number}")
        stored = self._constant(f"weights{number}", weights)
        return self._node("MatMul", [given, self._node("DequantizeLinear", [stored, own, zero], f"floats{number}")], f"product{number}")

    def model(self, last: str, sizes: Sizes) -> bytes:
        """The ONNX, in opset 13, which every TensorRT from 8.0 takes."""
        from onnx import helper

        self.nodes[-1].output[0] = "y"
        kind, shape = helper.np_dtype_to_tensor_dtype(self.dtype), (sizes.rows, sizes.ends)
        ends = [helper.make_tensor_value_info(name, kind, shape) for name in ("x", "y")]
        graph = helper.make_graph(self.nodes, "ceiling", ends[:1], ends[1:], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7).SerializeToString()

    def _node(self, operator: str, given: list[str], name: str) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, given, [name], name=name))
        return name

    def _constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name


def _unavailable(worker: Worker) -> Reason | None:
    """Why a worker can measure nothing, or None."""
    if not (gpu := worker.about["gpu"]):
        return Reason("no_gpu")
    if not worker.about["cuda"]:
        return Reason("not_installed", {"package": "pycuda"})
    there = str(gpu.get("memory.total", ""))
    if there.isdigit() and int(there) < NEEDED_MIB:  # it is not told of cards that share the host's memory
        return Reason("small_gpu", {"there": int(there), "needed": NEEDED_MIB})
    return None


def _opened(worker: Worker, kind: str, sizes: Sizes, engines: list[int]) -> tuple[int, Product]:
    """Build the chain and open it: its number, which is entered into `engines`, and what it must answer."""
    precision = PRECISION_OF[kind]
    if lacks := worker.about["lacking"].get(precision):
        raise NotMeasured(Reason(*lacks))
    made = product(kind, sizes)
    _, built = worker.ask("build", BUILD_S, {"onnx": made.onnx}, precision=precision, settings=SETTINGS)
    told, _ = worker.ask("open", arrays={"plan": built["plan"]})
    engines.append(told["engine"])
    types = inspect.product_types(inspect.EngineLayer(*layer) for layer in told["layers"])
    others = {name: count for name, count in types.items() if name not in ("", kind)}
    if sum(others.values()) > 2:  # the narrow ends may run in another type; one that is not told speaks neither for nor against
        raise EngineError(f"products were asked for in {kind} and run in {', '.join(others)}")
    return told["engine"], made


def _multiplied(worker: Worker, kind: str, engine: int, made: Product, sizes: Sizes, slice_s: float) -> dict[str, tuple[int, float]]:
    """A round of a chain that is open: FLOP of a call, and its ms on the GPU."""
    _, answer = worker.ask("time", arrays={"batch": made.given}, engine=engine, output="y", seconds=slice_s)
    got = answer["output"][made.rows].astype(np.float64)
    if not np.linalg.norm(got - made.expected) <= CLOSE * np.linalg.norm(made.expected):  # NaN is not either
        raise WrongOutput(f"products in {kind} are not what the matrices give")
    return {kind: (sizes.flop, float(answer["gpu_ms"].mean()))}


def _copied(worker: Worker, slice_s: float) -> dict[str, tuple[int, float]]:
    """A round of copies: bytes that are moved, within the card read and written, and ms."""
    _, times = worker.ask("copies", seconds=slice_s, size=ceiling.SIZE)
    return {key: ((2 if key == WITHIN else 1) * ceiling.SIZE, float(times[key].mean())) for key in COPIES}


def _tried(call: Callable[[], Any]) -> Any:
    """What a call gives, or why it gives nothing."""
    try:
        return call()
    except NotMeasured as error:
        return error.reason
    except WrongOutput as error:
        return Reason("wrong_output", {"message": str(error)})
    except EngineError as error:
        return Reason("failed", {"message": str(error)})


def _add(found: dict[str, Rate | Reason], told: dict[str, tuple[int, float]]) -> None:
    for key, (amount, ms) in told.items():
        known = found.setdefault(key, Rate(amount, []))
        assert isinstance(known, Rate)
        known.rounds_ms.append(ms)
