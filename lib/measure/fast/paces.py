"""Of what notebook 10 measures only how fast each way is, of one precision, in as many seconds as are given: for `make bench`."""

from __future__ import annotations

from collections.abc import Sequence

from lib.measure.fast import blocks, engines, here, ways
from lib.measure.fast.blocks import Block
from lib.plans.remote import Worker
from lib.rivals.trtexec import SPINNING
from lib.runners.onnxrt import OnnxRuntime
from lib.session import Session
from lib.store.records import Reason

LEAST_SLICE_S, MOST_SLICE_S = 0.02, 60.0


def measure(session: Session, seconds: float) -> None:
    """Record the blocks of the profile's first precision, on a processor of FP32, as notebook 10 does.

    seconds: that it takes, but for engines that are missing: what opening the ways leaves of it is filled with slices. The session's
    profile is then the one with the precision and the slices that were measured.
    """
    asked = session.profile.fast
    _ask(session, precisions=asked.precisions[:1], large_batches=[])

    def on_gpu(session: Session, team: list[Worker]) -> None:
        (precision,) = session.profile.fast.precisions
        built = engines.small(session, team, precision)
        _fill(session, [_short(ways.small(session, precision, size, pairs)) for size, pairs in built.items()], seconds)

    def on_cpu(session: Session, reasons: Sequence[Reason]) -> None:
        here.lost(session, reasons[0])
        precision = ways.CPU_PRECISIONS[0]
        if not OnnxRuntime.unavailable(precision):
            _fill(session, [ways.on_cpu(session, precision, size) for size in asked.batch_sizes], seconds)

    here.measured(session, on_gpu, on_cpu)


def _fill(session: Session, planned: Sequence[Block], seconds: float) -> None:
    """Measure blocks in slices so long that all take so many seconds; where single calls are too long for that, in fewer rounds."""

    def needed(slice_s: float) -> list[float]:
        _ask(session, slice_s=slice_s)
        return [block.needed_s for block in planned]

    opening, full = needed(0.0), needed(1.0)
    each = sum(full) - sum(opening)  # 0 where no way can be opened
    timed = needed(min(MOST_SLICE_S, max(LEAST_SLICE_S, (seconds - sum(opening)) / each)) if each else LEAST_SLICE_S)
    fitted = [block._replace(seconds=whole - before) for block, whole, before in zip(planned, timed, opening, strict=True)]
    session.record(*blocks.once([record for block in fitted for record in block.measured()]))


def _short(block: Block) -> Block:
    """Without what is timed a second time in another way, in processes that take seconds to start."""
    return block._replace(arms=[arm for arm in block.arms if arm.candidate.way.api != SPINNING])


def _ask(session: Session, **fast: object) -> None:
    session.profile = session.profile.model_copy(update={"fast": session.profile.fast.model_copy(update=fast)})
