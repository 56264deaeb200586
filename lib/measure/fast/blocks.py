"""A block: all arms of one precision and batch size, open at the same time, in the same rounds; then asked about all test images."""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from lib import deadline, progress
from lib.errors import ReportError, WrongOutput
from lib.experiment.candidate import Way
from lib.experiment.sections import Measuring, paced
from lib.measure import predictions, rounds, state, sweep
from lib.measure.fast.arms import Arm, Given, Opened, taken
from lib.measure.kept import kept
from lib.measure.rounds import Series
from lib.session import Session
from lib.store.records import Reason, Record

PACE, AGREEMENT, ACCURACY, MEMORY = "pace", "agreement", "accuracy", "device_memory"
ANSWERS_S = 1.0  # that an arm takes, about, to answer all test images


class Block(NamedTuple):
    """What goes through the same rounds. precision, given.size: what records call it after; seconds: as to `rounds.run`; images: of the
    test images that answers are checked on, the first ones, None for all."""

    given: Given
    precision: str
    arms: Sequence[Arm]
    seconds: float = math.inf
    images: int | None = None

    @property
    def name(self) -> str:
        """As records have it."""
        return f"{self.precision} {self.given.size}"

    @property
    def able(self) -> list[Arm]:
        """The arms that can be opened."""
        return [arm for arm in self.arms if not isinstance(arm.open, Reason)]

    @property
    def needed_s(self) -> float:
        """About how long it takes, for whom it matters to stop in time."""
        warmup_s = timing(self.given.session).warmup_s
        return self.timed_s + sum(arm.start_s + ANSWERS_S + warmup_s for arm in self.able)

    @property
    def timed_s(self) -> float:
        """About how long its rounds take, and one more."""
        settings = timing(self.given.session)
        slices = sum(arm.slices if arm.candidate.way.lanes == 1 else 1.1 for arm in self.able)
        return (settings.rounds + 1) * (settings.slice_s * slices + sum(arm.turn_s for arm in self.able))

    def measured(self) -> list[Record]:
        """`pace` of each arm end to end and, of one lane, on the GPU; `agreement` and `accuracy` of what it answers; `device_memory`; and
        what else the machine did. Of this batch size, measured once a run; what fails is a reason."""
        settings = timing(self.given.session)
        arms = [[arm.candidate.key, arm.case, arm.identity] for arm in self.arms]
        about = {"arms": arms, "measuring": settings.model_dump(), "images": self.images}
        return kept(self.given.session, self.name, about, lambda: self._measured(settings))

    def _measured(self, settings: Measuring) -> list[Record]:
        deadline.check(self.needed_s)
        session = self.given.session
        progress.say(f"{self.name}: {len(self.arms)} ways, about {progress.duration(self.needed_s)}")
        made, count = list[Record](), len(self.arms)
        with ExitStack() as stack:
            opened = {place: _opened(arm, stack) for place, arm in progress.each(enumerate(self.arms), count, "opening")}
            timers = {place: one.timer for place, one in opened.items() if isinstance(one, Opened)}
            gc.collect()
            with state.watch() as seen:
                seed = f"{session.run_id}/{session.stage}/{self.name}"
                series, failed = rounds.run(timers, settings, seed, ended=seen.mark, seconds=self.seconds)
            for place, arm in progress.each(enumerate(self.arms), count, "answering the test images"):
                one = opened[place]
                reason = one if isinstance(one, Reason) else sweep.why(failed[place]) if place in failed else None
                made += self._records(arm, one, reason, series.get(place))
        return [*made, state_of(seen, self.name)] if timers else made

    def _records(self, arm: Arm, one: Opened | Reason, reason: Reason | None, series: Series | None) -> list[Record]:
        """All that is recorded of an arm, now that the clock has stopped."""
        common: dict[str, Any] = {"candidate": arm.candidate, "batch_size": self.given.size, "case": arm.case}
        judged: Reason | list[Record] = reason or Reason("failed")
        if isinstance(one, Opened) and reason is None:
            judged = _judged(self.given, one, common, self.images)
        if isinstance(judged, Reason) or isinstance(one, Reason) or series is None:
            assert isinstance(judged, Reason)
            units = {PACE: "ms", AGREEMENT: "share", ACCURACY: "share"}
            scopes: dict[str, Any] = {PACE: "end_to_end"}
            return [Record(name, unit, None, scope=scopes.get(name, ""), reason=judged, **common) for name, unit in units.items()]
        made = [*_paced(series, one, common), *judged]
        if one.device_bytes is not None:
            made.append(Record(MEMORY, "bytes", one.device_bytes, artifact_sha256=one.sha256, **common))
        return made


def timing(session: Session) -> Measuring:
    """How a block is timed."""
    return paced(session.profile.measuring, session.profile.fast)


def state_of(seen: state.Seen, name: str) -> Record:
    """What else the machine did while a block was timed."""
    return sweep.disturbance(seen, block=name)


def once(found: Sequence[Record]) -> list[Record]:
    """Records of blocks, with `agreement` and `accuracy` once for each candidate, of no batch size: those over most images, and of these
    the worst. stats `batch_size` says of which one. A reason stands only where no batch size has a number."""
    chosen: dict[Any, Record] = {}
    others = list[Record]()
    for record in found:
        if record.metric not in (AGREEMENT, ACCURACY):
            others.append(record)
            continue
        key = record.metric, record.candidate, record.case.get("tensorrt")
        if key not in chosen or _weight(record) < _weight(chosen[key]):
            chosen[key] = record
    return others + [replace(one, batch_size=None, stats={**one.stats, "batch_size": one.batch_size}) for one in chosen.values()]


def _weight(record: Record) -> tuple[bool, int, float]:
    """Sorts what a candidate answered at several batch sizes: what counts first."""
    total = record.stats.get("total")
    return record.value is None, -total if isinstance(total, int) else 0, record.value or 0.0


def _opened(arm: Arm, stack: ExitStack) -> Opened | Reason:
    """An arm, open, or why it is not. What it has opened when it fails is let go of at once: the others may need the memory."""
    if isinstance(arm.open, Reason):
        return arm.open
    own = ExitStack()
    try:
        with own:
            one = arm.open(own)
            stack.push(own.pop_all())
            return one
    except ReportError as error:
        return sweep.why(error)


def _judged(given: Given, one: Opened, common: dict[str, Any], most: int | None) -> list[Record] | Reason:
    """agreement and accuracy of its answers to the first `most` test images; or why its times do not count."""
    try:
        classes = _classes(given, one, common["candidate"].way, most)
    except ReportError as error:
        return sweep.why(error)
    session, count, labels = given.session, len(classes), given.session.images.y_test
    more, stats = common | {"artifact_sha256": one.sha256}, dict[str, Any]()
    right = None if labels is None else classes == labels[:count]
    try:
        expected = predictions.of(session, session.profile.reference)[:count].argmax(axis=1)
        same = int((classes == expected).sum())
        made = [Record(AGREEMENT, "share", same / count, stats={"correct": same, "total": count}, **more)]
        if right is not None and labels is not None:
            known = expected == labels[:count]
            stats = {"only_reference": int((known & ~right).sum()), "only_candidate": int((right & ~known).sum())}
    except ReportError as error:  # there are no answers of the reference here
        made = [Record(AGREEMENT, "share", None, reason=sweep.why(error), **common)]
    if right is None or labels is None:
        return [*made, Record(ACCURACY, "share", None, reason=Reason("no_labels"), **common)]
    stats = {"correct": int(right.sum()), "total": count, "largest_class": int(np.bincount(labels[:count]).max())} | stats
    return [*made, Record(ACCURACY, "share", stats["correct"] / count, stats=stats, **more)]


def _classes(given: Given, one: Opened, way: Way, most: int | None) -> np.ndarray:
    """The class that it gives each of the first `most` test images, int (n,), all lanes in turn. Raises ReportError,
    WrongOutput for what are no numbers."""
    session, parts = given.session, list[np.ndarray]()
    images = session.images.x_test[:most][: one.most]
    step = given.chunk(given.size * way.lanes)
    for start in range(0, len(images), step):
        part = images[start : start + step]
        found = one.answers(taken(session, part, way))
        if len(found) != len(part):
            raise WrongOutput(f"{len(found)} ≠ {len(part)}")
        if found.dtype.kind == "f" and not np.isfinite(found).all():
            raise WrongOutput("NaN, ∞")
        parts.append(found if way.classes else found.reshape(len(found), -1).argmax(axis=1))
    return np.concatenate(parts)


def _paced(series: Series, one: Opened, common: dict[str, Any]) -> list[Record]:
    """pace, end to end and, where it is told, on the GPU."""
    told = {"end_to_end": (series.latencies_ms, series.rounds_ms)}
    if series.gpu_rounds_ms is not None and series.gpu_latencies_ms is not None:
        told["gpu_compute"] = (series.gpu_latencies_ms, series.gpu_rounds_ms)
    made = []
    for scope, (latencies_ms, rounds_ms) in told.items():
        stats = rounds.percentiles(latencies_ms) | {"n": len(latencies_ms), "fill": False} | one.told()
        more: dict[str, Any] = {"scope": scope, "stats": stats, "samples": list(rounds_ms), "artifact_sha256": one.sha256}
        made.append(Record(PACE, "ms", float(np.mean(rounds_ms)), **common, **more))
    return made
