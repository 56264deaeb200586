"""Of what notebook 10 measures only how fast each way is, of the smallest and largest batches, in as many seconds as are given, and what
of that a pipeline keeps: for `make bench`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from lib import progress
from lib.measure.fast import blocks, engines, fastest, here, production, ways
from lib.measure.fast.blocks import Block
from lib.measure.fast.engines import Regimes
from lib.plans.remote import Worker
from lib.rivals.trtexec import SPINNING
from lib.runners.onnxrt import OnnxRuntime
from lib.session import Session
from lib.store.records import Reason, Record

LEAST_SLICE_S, MOST_SLICE_S = 0.02, 60.0
LONGER = 2  # times as long as its slices should take that a block may: copies into lanes, processes and the like are guesses
IMAGES = 1000  # that answers are checked on: with one image a call some rivals need a minute for ten thousand
MOST_BYTES = 1 << 29  # of a batch of model inputs: every lane holds a copy in pinned memory, and a bench is to take minutes


class Planned(NamedTuple):
    """A precision: its engines, the blocks of its small batches, and those of large ones, the largest first."""

    built: Regimes
    small: list[Block]
    large: list[Block]

    def measured(self) -> list[Record]:
        """What the small ones measure, and the largest that finds memory."""
        found = _measured(self.small)
        for block in self.large:
            made = _measured([block])
            found += made
            if fastest.ours(made):
                break  # else its memory ended: the next one is smaller
        return found


def measure(session: Session, seconds: float | None) -> None:
    """Record the blocks of the profile's first precision at its small batches, those of every precision at the largest batch that runs (at
    the small ones where it has no large ones), and a pipeline of each version; on a processor the blocks of FP32, as notebook 10 does.

    seconds: that slices take, None for those of the profile; opening the ways, engines that are missing and trtexec's processes take theirs
    besides. The session's profile is then the one with the slices that were measured, without batches of more than MOST_BYTES.
    """
    here.measured(session, partial(_on_gpu, seconds=seconds), partial(_on_cpu, seconds=seconds))


def _on_gpu(session: Session, team: list[Worker], seconds: float | None) -> None:
    asked = session.profile.fast
    _ask(session, large_batches=[size for size in asked.large_batches if size * session.spec.row_bytes <= MOST_BYTES])
    large = bool(engines.large_sizes(session))
    planned = [_planned(session, team, precision, large and place > 0) for place, precision in enumerate(asked.precisions)]
    _fill(session, [block for one in planned for block in (*one.small, *one.large[:1])], seconds)
    built, found = [one.built for one in planned], list[Record]()
    while planned:  # blocks hold their batches until they are let go of
        found += planned.pop(0).measured()
    session.record(*blocks.once(found))
    for one in built:
        for place in range(len(team)):
            session.record(*production.pipelines(fastest.best(session, one, place, found)[0].feed(session), files=False))


def _planned(session: Session, team: list[Worker], precision: str, only_large: bool) -> Planned:
    built = engines.regimes(session, team, precision, only_large)
    if built.lost:
        progress.say(
            f"{precision}: no engine for batches of {', '.join(map(str, sorted({pair.plain.batch for pair in built.lost})))} could be built"
        )
    small = [_short(ways.small(session, precision, size, pairs)) for size, pairs in built.small.items()]
    sizes = reversed(engines.fitting(session, built.large))
    return Planned(built, small, [ways.large(session, precision, size, built.large) for size in sizes])


def _on_cpu(session: Session, reasons: Sequence[Reason], seconds: float | None) -> None:
    here.lost(session, reasons[0])
    precision = ways.CPU_PRECISIONS[0]
    if not OnnxRuntime.unavailable(precision):
        planned = [ways.on_cpu(session, precision, size) for size in session.profile.fast.batch_sizes]
        _fill(session, planned, seconds)
        session.record(*blocks.once(_measured(planned)))


def _fill(session: Session, planned: Sequence[Block], seconds: float | None) -> None:
    """Have slices of such a length that those of these blocks take so many seconds in all; None: they stay as they are."""

    def slices_s(slice_s: float) -> float:
        _ask(session, slice_s=slice_s)
        return sum(block.timed_s for block in planned)

    if seconds is not None:
        each = slices_s(1.0) - slices_s(0.0)  # without what processes take beyond theirs; 0 where no way opens
        _ask(session, slice_s=min(MOST_SLICE_S, max(LEAST_SLICE_S, seconds / each)) if each else LEAST_SLICE_S)


def _measured(planned: Sequence[Block]) -> list[Record]:
    """What blocks measure. Where single calls are too long there are fewer rounds: a block may take LONGER times as long as it should,
    which is known about only."""
    return [record for block in planned for record in block._replace(seconds=LONGER * block.timed_s, images=IMAGES).measured()]


def _short(block: Block) -> Block:
    """Without what is timed a second time in another way, in processes that take seconds to start."""
    return block._replace(arms=[arm for arm in block.arms if arm.candidate.way.api != SPINNING])


def _ask(session: Session, **fast: object) -> None:
    session.profile = session.profile.model_copy(update={"fast": session.profile.fast.model_copy(update=fast)})
