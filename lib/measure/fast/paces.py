"""Of what notebook 10 measures only how fast each way is, of one precision and the smallest and largest batches, in as many seconds as are
given, and what of that a pipeline keeps: for `make bench`."""

from __future__ import annotations

from collections.abc import Sequence

from lib.measure.fast import blocks, engines, fastest, here, production, ways
from lib.measure.fast.blocks import Block
from lib.plans.remote import Worker
from lib.rivals.trtexec import SPINNING
from lib.runners.onnxrt import OnnxRuntime
from lib.session import Session
from lib.store.records import Reason, Record

LEAST_SLICE_S, MOST_SLICE_S = 0.02, 60.0


def measure(session: Session, seconds: float) -> None:
    """Record the blocks of the profile's first precision, its small batches and the largest, and a pipeline of each version; on a
    processor the blocks of FP32, as notebook 10 does.

    seconds: that slices take; opening the ways, engines that are missing and trtexec's processes take theirs besides. The session's profile
    is then the one with the precision and the slices that were measured.
    """
    asked = session.profile.fast
    _ask(session, precisions=asked.precisions[:1])

    def on_gpu(session: Session, team: list[Worker]) -> None:
        (precision,) = session.profile.fast.precisions
        built = engines.regimes(session, team, precision)
        planned = [_short(ways.small(session, precision, size, pairs)) for size, pairs in built.small.items()]
        if built.large:
            planned.append(ways.large(session, precision, built.large[0].plain.batch, built.large))
        found = _fill(session, planned, seconds)
        best = [fastest.best(session, built, place, found)[0] for place in range(len(team))]
        session.record(*blocks.once(found), *(one for each in best for one in production.pipelines(each.feed(session), files=False)))

    def on_cpu(session: Session, reasons: Sequence[Reason]) -> None:
        here.lost(session, reasons[0])
        precision = ways.CPU_PRECISIONS[0]
        if not OnnxRuntime.unavailable(precision):
            planned = [ways.on_cpu(session, precision, size) for size in asked.batch_sizes]
            session.record(*blocks.once(_fill(session, planned, seconds)))

    here.measured(session, on_gpu, on_cpu)


def _fill(session: Session, planned: Sequence[Block], seconds: float) -> list[Record]:
    """What blocks measure in slices that take so many seconds in all; where single calls are too long for that, in fewer rounds."""

    def timed(slice_s: float) -> list[float]:
        _ask(session, slice_s=slice_s)
        return [block.timed_s for block in planned]

    slices = sum(timed(1.0)) - sum(timed(0.0))  # without what processes take beyond theirs; 0 where no way opens
    each = timed(min(MOST_SLICE_S, max(LEAST_SLICE_S, seconds / slices)) if slices else LEAST_SLICE_S)
    fitted = [block._replace(seconds=whole) for block, whole in zip(planned, each, strict=True)]
    return [record for block in fitted for record in block.measured()]


def _short(block: Block) -> Block:
    """Without what is timed a second time in another way, in processes that take seconds to start."""
    return block._replace(arms=[arm for arm in block.arms if arm.candidate.way.api != SPINNING])


def _ask(session: Session, **fast: object) -> None:
    session.profile = session.profile.model_copy(update={"fast": session.profile.fast.model_copy(update=fast)})
