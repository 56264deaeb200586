"""The roofline: how fast a piece of work can be on a machine that computes and moves bytes at these rates, and what share of that it is.

Source: Williams, Waterman & Patterson, "Roofline: an insightful visual performance model for multicore architectures", CACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lib.errors import NotMeasured, ReportError
from lib.experiment.precision import PRECISIONS
from lib.measure import work
from lib.measure.work import Layer
from lib.models import onnx_graph
from lib.plans.ceiling import WITHIN, Rate
from lib.store.records import Reason

ARITHMETIC, MEMORY, LAUNCHES, COPIES, KERNELS = "arithmetic", "memory", "launches", "copies", "kernels"
LAUNCHING = 0.8  # of the time that the GPU computes: from here on the host's enqueueing is what limits. Source: trtexec's warning
NEAR = 0.5  # of the time: where the layers' least times are less than that, neither limit is what holds them back
WIDTHS = {"fp16": 2, "int8": 1}  # bytes of a value where TensorRT computes in another type than its ONNX says


@dataclass(frozen=True)
class Ceiling:
    """What a machine was measured to reach at most: FLOP a second in products of large matrices, bytes a second in copies within it."""

    flop_s: float
    bytes_s: float

    def __post_init__(self) -> None:
        if not (self.flop_s > 0 and self.bytes_s > 0):
            raise ReportError(f"a ceiling of {self.flop_s} FLOP/s and {self.bytes_s} bytes/s is none; measure it again")

    @classmethod
    def of(cls, rates: Mapping[str, Rate | Reason], precision: str) -> Ceiling:
        """That of an engine of a precision, from what lib.plans.ceiling.measure found. Raises NotMeasured where it is not known."""
        found = [rates.get(key, Reason("not_recorded")) for key in (PRECISIONS[precision].layer_types[0], WITHIN)]
        if unknown := [one for one in found if isinstance(one, Reason)]:
            raise NotMeasured(unknown[0], f"the ceiling of {precision}")
        return cls(*(one.per_s.value for one in found if isinstance(one, Rate)))

    @property
    def ridge(self) -> float:
        """FLOP a byte from which on arithmetic is what limits."""
        return self.flop_s / self.bytes_s

    def attainable(self, intensity: float) -> float:
        """FLOP a second at most, of work with so many FLOP a byte."""
        return min(self.flop_s, self.bytes_s * intensity)

    def least_s(self, work: Layer) -> float:
        """Seconds that a piece of work takes at least: those of its FLOP or those of its bytes, whichever are more."""
        return max(work.flop / self.flop_s, work.bytes / self.bytes_s)

    def limit(self, work: Layer) -> str:
        """What limits a piece of work: ARITHMETIC or MEMORY."""
        return ARITHMETIC if work.flop / self.flop_s >= work.bytes / self.bytes_s else MEMORY


@dataclass(frozen=True)
class Placed:
    """A piece of work that took so many seconds, under a ceiling."""

    work: Layer
    seconds: float
    ceiling: Ceiling

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ReportError(f"layer '{self.work.name}' took {self.seconds} s: nothing ran")

    @property
    def flop_s(self) -> float:
        """FLOP a second that it reached."""
        return self.work.flop / self.seconds

    @property
    def share(self) -> float:
        """Of the ceiling. Over 1: of a layer, its tensors stayed in a cache; of a whole network (`work.whole`), something was not run or
        not measured right, and the number must not be believed."""
        return self.ceiling.least_s(self.work) / self.seconds

    @property
    def lost_s(self) -> float:
        """Seconds that it took beyond what the ceiling asks for; which layers to look at first."""
        return max(0.0, self.seconds - self.ceiling.least_s(self.work))


def furthest(placed: Iterable[Placed]) -> list[Placed]:
    """Pieces of work by the time that they lose against the ceiling, most first."""
    return sorted(placed, key=lambda one: one.lost_s, reverse=True)


def least_s(layers: Iterable[Layer], ceiling: Ceiling) -> float:
    """Seconds of layers one after the other, each as fast as the ceiling lets it be: at least those of all of them as one piece."""
    return sum(map(ceiling.least_s, layers))


def held_back_by(layers: Iterable[Layer], ceiling: Ceiling, compute_s: float, enqueue_s: float = 0.0, copies_s: float = 0.0) -> str:
    """What holds a whole network back: LAUNCHES where the host takes over 0.8 of `compute_s` to enqueue a batch, COPIES where those to or
    from the GPU (the longer direction, `copies_s`) take as long as computing, KERNELS where all layers at the ceiling would take less than
    half of `compute_s`, so that they reach neither limit (too small to fill the card, or kernels that do not), else MEMORY or ARITHMETIC,
    whichever limits them for more of their least time. Source of the first two: trtexec's warnings (samples/common/sampleReporting.cpp)."""
    if enqueue_s > LAUNCHING * compute_s:
        return LAUNCHES
    if copies_s >= compute_s:
        return COPIES
    limited = dict.fromkeys((ARITHMETIC, MEMORY), 0.0)
    for layer in layers:
        limited[ceiling.limit(layer)] += ceiling.least_s(layer)
    if sum(limited.values()) < NEAR * compute_s:
        return KERNELS
    return max(limited, key=lambda kind: limited[kind])


@dataclass(frozen=True)
class Roofline:
    """An engine under a ceiling, for one batch.

    placed: its layers that do work, by their names, in its order; others: seconds of those that do none (copies into other memory
    layouts), by theirs; missing: work that no layer of it names, or one that took no time, None for none; whole: the network as one piece
    in the time that all of it takes, whose `share` is that of the ceiling; held_back_by: as the function of that name.
    """

    placed: dict[str, Placed]
    others: dict[str, float]
    missing: Layer | None
    whole: Placed
    held_back_by: str


def of_engine(
    onnx_file: Path,
    precision: str,
    batch: int,
    times_ms: Iterable[tuple[str, float]],
    ceiling: Ceiling,
    *,
    compute_ms: float | None = None,
    enqueue_ms: float = 0.0,
    copies_ms: float = 0.0,
    told: Mapping[str, str] | None = None,
) -> Roofline:
    """Where the layers of an engine stand under a ceiling, and what holds the whole back.

    onnx_file, precision: what the engine was built from, and in; times_ms: (layer, ms) as TensorRT's profiler names them, those of one
    name add up; compute_ms: a batch on the GPU without the profiler, which adds to each layer (None: the sum of times_ms); enqueue_ms:
    that the host takes to launch it; copies_ms: of the longer direction; told: as to work.done_by.
    Raises ReportError where no layer took any time.
    """
    import onnx

    model = onnx.load(onnx_file, load_external_data=False)
    (given,) = onnx_graph.real_inputs(model.graph)
    shape = [batch, *(dim.dim_value for dim in given.type.tensor_type.shape.dim[1:])]
    row = PRECISIONS[precision]
    width = WIDTHS.get(row.layer_types[0]) if row.trt_onnx == "fp32" else None
    parts, seconds = work.layers(model, given.name, shape, width), dict[str, float]()
    for name, ms in times_ms:
        seconds[name] = seconds.get(name, 0.0) + ms / 1e3
    done = work.done_by(parts, seconds, told)
    missing = [one for name, one in done.items() if one is not None and not seconds.get(name)]
    compute_s = sum(seconds.values()) if compute_ms is None else compute_ms / 1e3
    return Roofline(
        placed={name: Placed(one, seconds[name], ceiling) for name, one in done.items() if one is not None and seconds.get(name)},
        others={name: took for name, took in seconds.items() if done[name] is None},
        missing=work.total(missing) if missing else None,
        whole=Placed(work.whole(model, given.name, shape, width), compute_s, ceiling),
        held_back_by=held_back_by(parts, ceiling, compute_s, enqueue_ms / 1e3, copies_ms / 1e3),
    )
