"""Which arms a block has: the ways of our own engines, in every version, and what is measured beside them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lib.experiment import system
from lib.experiment.candidate import PLAIN, Candidate, Way
from lib.measure.fast import rivals
from lib.measure.fast.arms import Arm, Given, in_cpp, in_threads, in_worker
from lib.measure.fast.blocks import Block
from lib.measure.fast.engines import LARGE_LANES, Pair
from lib.runners.onnxrt import OnnxRuntime
from lib.session import Session

GRAPH = Way(graph=True)
CPU_PRECISIONS = ("fp32", "int8_qdq")
CPU_LANES = 2
BESIDE = 1024  # images of a batch, from which on PyTorch is timed too: it compiles anew for each


def lanes(count: int, compact: bool = False) -> Way:
    """So many lanes with graphs, floats in and outputs out, or compact: bytes in and classes out."""
    return Way(graph=True, lanes=count, byte_input=compact, classes=compact)


def small(session: Session, precision: str, size: int, pairs: Sequence[Pair]) -> Block:
    """A block of a small batch: every way in Python, the chief ones in C++, and the rivals. pairs: of each version."""
    given, counts = Given(session, size), sorted(session.profile.fast.lanes)
    most = [PLAIN, GRAPH, lanes(counts[-1]), lanes(counts[-1], compact=True)]
    ways = [*most, *(lanes(count) for count in counts[:-1]), lanes(1, compact=True)]
    ours = [in_worker(given, pair.of(way), way) for pair in pairs for way in ways]
    ours += [in_cpp(given, pair.of(way), way) for pair in pairs for way in most]
    engines, first = [pair.plain for pair in pairs], precision == session.profile.fast.precisions[0]
    return Block(given, precision, ours + rivals.of_batch(given, precision, engines, (1, counts[-1]), first))


def large(session: Session, precision: str, size: int, pairs: Sequence[Pair]) -> Block:
    """A block of a large batch: what reaches the highest throughput, one lane beside it for what the GPU alone can, and PyTorch."""
    given, most = Given(session, size), lanes(LARGE_LANES, compact=True)
    ours = list[Arm]()
    for pair in pairs:
        ours += [in_worker(given, pair.of(way), way) for way in (lanes(LARGE_LANES), lanes(1, compact=True), most)]
        ours.append(in_cpp(given, pair.of(most), most))
    beside = rivals.of_large_batch(given, precision) if size >= BESIDE else []
    return Block(given, precision, ours + beside)


def on_cpu(session: Session, precision: str, size: int) -> Block:
    """What a processor can: ONNX Runtime in one call after the other and on lanes that are threads; on a GPU without TensorRT, rivals."""
    given, plain = Given(session, size), Candidate(OnnxRuntime.name, precision)
    case, make = {"block": f"{precision} {size}"}, partial(OnnxRuntime, session, plain)
    arms = [in_threads(given, Candidate(plain.runner, precision, Way(lanes=count)), case, make) for count in (1, CPU_LANES)]
    beside = rivals.of_batch(given, precision, [], (), precision == CPU_PRECISIONS[0]) if system.gpus() else []
    return Block(given, precision, arms + beside)
