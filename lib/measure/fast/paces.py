"""Of what notebook 10 measures only how fast each way is, of one precision and the smallest and largest batches, in as many seconds as are
given, and what of that a pipeline keeps: for `make bench`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from lib import progress
from lib.measure.fast import blocks, engines, fastest, here, production, ways
from lib.measure.fast.blocks import Block
from lib.measure.fast.engines import Regimes
from lib.plans.remote import Worker
from lib.rivals.trtexec import SPINNING
from lib.runners.onnxrt import OnnxRuntime
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason, Record

LEAST_SLICE_S, MOST_SLICE_S = 0.02, 60.0
LONGER = 2  # times as long as its slices should take that a block may: copies into lanes, processes and the like are guesses
MOST_BYTES = 1 << 29  # of a batch of model inputs: every lane holds a copy in pinned memory, and a bench is to take minutes


def measure(session: Session, seconds: float | None) -> None:
    """Record the blocks of the profile's first precision, its small batches and the largest that runs, and a pipeline of each version; on
    a processor the blocks of FP32, as notebook 10 does.

    seconds: that slices take, None for those of the profile; opening the ways, engines that are missing and trtexec's processes take theirs
    besides. The session's profile is then the one with the precision and the slices that were measured.
    """
    _ask(session, precisions=session.profile.fast.precisions[:1])
    here.measured(session, partial(_on_gpu, seconds=seconds), partial(_on_cpu, seconds=seconds))


def _on_gpu(session: Session, team: list[Worker], seconds: float | None) -> None:
    asked, spec = session.profile.fast, session.spec
    (precision,), row_bytes = asked.precisions, math.prod(spec.row_shape) * np.dtype(spec.dtype).itemsize
    _ask(session, large_batches=[size for size in asked.large_batches if size * row_bytes <= MOST_BYTES])
    built = engines.regimes(session, team, precision)
    small = [_short(ways.small(session, precision, size, pairs)) for size, pairs in built.small.items()]
    large = [ways.large(session, precision, size, built.large) for size in reversed(_runnable(session, built))]
    fitted = _fitted(session, [*small, *large], [*small, *large[:1]], seconds)
    found = _measured(fitted[: len(small)])
    for block in fitted[len(small) :]:
        made = block.measured()
        found += made
        if fastest.ours(made):
            break  # else its memory ended: the next one is smaller
    session.record(*blocks.once(found))
    for place in range(len(team)):
        session.record(*production.pipelines(fastest.best(session, built, place, found)[0].feed(session), files=False))


def _on_cpu(session: Session, reasons: Sequence[Reason], seconds: float | None) -> None:
    here.lost(session, reasons[0])
    precision = ways.CPU_PRECISIONS[0]
    if not OnnxRuntime.unavailable(precision):
        planned = [ways.on_cpu(session, precision, size) for size in session.profile.fast.batch_sizes]
        session.record(*blocks.once(_measured(_fitted(session, planned, planned, seconds))))


def _measured(planned: Sequence[Block]) -> list[Record]:
    return [record for block in planned for record in block.measured()]


def _runnable(session: Session, built: Regimes) -> list[int]:
    """Large batches that an engine was built for, in order; that of a larger one could not be built is said."""
    there = [engine.batch for pair in built.large for engine in pair if isinstance(engine.built, Artifact)]
    if built.lost:
        progress.say(f"no engine for batches of {', '.join(map(str, sorted({pair.plain.batch for pair in built.lost})))} could be built")
    return [size for size in engines.large_sizes(session) if size <= max(there, default=0)]


def _fitted(session: Session, planned: Sequence[Block], timed: Sequence[Block], seconds: float | None) -> list[Block]:
    """Blocks with slices of such a length that those of the `timed` ones take so many seconds in all, None: of the profile's. Where single
    calls are too long for that, there are fewer rounds: a block may take LONGER times as long as it should, which is known about only."""

    def slices_s(slice_s: float) -> float:
        _ask(session, slice_s=slice_s)
        return sum(block.timed_s for block in timed)

    if seconds is not None:
        each = slices_s(1.0) - slices_s(0.0)  # without what processes take beyond theirs; 0 where no way opens
        _ask(session, slice_s=min(MOST_SLICE_S, max(LEAST_SLICE_S, seconds / each)) if each else LEAST_SLICE_S)
    return [block._replace(seconds=LONGER * block.timed_s) for block in planned]


def _short(block: Block) -> Block:
    """Without what is timed a second time in another way, in processes that take seconds to start."""
    return block._replace(arms=[arm for arm in block.arms if arm.candidate.way.api != SPINNING])


def _ask(session: Session, **fast: object) -> None:
    session.profile = session.profile.model_copy(update={"fast": session.profile.fast.model_copy(update=fast)})
