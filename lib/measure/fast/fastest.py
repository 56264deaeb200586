"""Which of the ways that were timed is the fastest: what a pipeline is tried with, and whether a larger batch brings more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from lib.experiment.candidate import Way
from lib.measure.fast import served, ways
from lib.measure.fast.blocks import PACE
from lib.measure.fast.engines import LARGE_LANES, Engine, Regimes, large_sizes
from lib.measure.fast.served import Feed
from lib.runners.tensorrt import TensorRT
from lib.session import Session
from lib.store.records import Record


class Chosen(NamedTuple):
    """An engine with the lanes that it is called with."""

    engine: Engine
    way: Way
    size: int

    def feed(self, session: Session) -> Feed:
        """These lanes, to be fed."""
        return served.in_worker(session, self.engine, replace(self.engine.candidate, way=self.way), self.size)


def best(session: Session, built: Regimes, place: int, known: Sequence[Record]) -> list[Chosen]:
    """The compact engine of a version, the `place`-th, with its lanes at every batch size of several that was timed, the fastest first;
    where none was, at the smallest."""
    most, tried = max(session.profile.fast.lanes), list[Chosen]()
    if built.small:
        largest = max(built.small)
        tried.append(Chosen(built.small[largest][place].compact, ways.lanes(most, compact=True), largest))
    if built.large:
        tried += [Chosen(built.large[place].compact, ways.lanes(LARGE_LANES, compact=True), size) for size in large_sizes(session)]
    rated = [(rate, one) for one in tried if (rate := of(known, *one))]
    return [one for _, one in sorted(rated, key=lambda each: -each[0])] or tried[:1]


def of(known: Sequence[Record], engine: Engine, way: Way, size: int) -> float:
    """Images a second of an engine in a way, 0 where it was not timed."""
    candidate = replace(engine.candidate, way=way)
    own = (one for one in known if (one.candidate, one.batch_size, one.case) == (candidate, size, engine.case))
    return max(map(images_s, own), default=0.0)


def ours(found: Sequence[Record]) -> float:
    """Images a second of the fastest of our own ways, 0 for none."""
    return max((rate for one in found if (rate := images_s(one)) and one.candidate and one.candidate.runner == TensorRT.name), default=0.0)


def images_s(one: Record) -> float:
    """Images a second of a pace from end to end, 0 of another record."""
    timed = one.metric == PACE and one.scope == "end_to_end" and one.value and one.batch_size
    return 1e3 * one.batch_size / one.value if timed and one.batch_size and one.value else 0.0
