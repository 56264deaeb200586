"""The pipeline of notebook 10: what goes through it, the host memory that it takes, and what holds it back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from lib import stats
from lib.experiment.candidate import Candidate
from lib.pages.fast.arms import Fast, W
from lib.serving.pipeline import SPENT
from lib.stats import Interval
from lib.store.records import Record
from lib.text import Text

MOST_MEMORY = 1.2  # of the ring of buffers: what a pipeline may take of the host's memory
# Bytes beyond the ring that threads and allocators take, whatever its size; Linux counts resident memory to some pages a thread only
# (proc_pid_statm(5))
SMALL = 8 << 20
DRIFTS = 5  # repeats that tell a drift
STEPS = tuple(key.removesuffix("_s") for key in SPENT)
REST, OWN = "rest", "own"  # what is left of its time; the same where launching and collecting were not timed


class Held(NamedTuple):
    """What holds a pipeline back: the step of STEPS, REST or OWN that takes most of the time, its share and its µs a batch."""

    step: str
    share: float
    us: float

    @property
    def text(self) -> Text:
        """In a table."""
        return W("parts.held_by", why=W(f"piped.{self.step}"), share=self.share)


@dataclass(frozen=True)
class Pipeline:
    """The whole test set through one engine. share: of its rate on the GPU alone, one lane, None where that was not timed; alone: the pace
    of its lanes as they are timed without a pipeline, ms a batch, None likewise; lanes_share: theirs of the GPU alone."""

    record: Record
    rate: Interval
    share: Interval | None
    alone: float | None
    lanes_share: float | None

    @property
    def drift(self) -> tuple[float, float] | None:
        """The first and the last of its repeats (images/s) where each is slower, or each faster, than the one before: its interval, which
        takes them to scatter, does not cover that. Of DRIFTS repeats two in their factorial are so by chance."""
        rates = self.record.samples
        ordered = len(rates) >= DRIFTS and list(rates) in (sorted(rates), sorted(rates, reverse=True))
        return (rates[0], rates[-1]) if ordered else None

    @property
    def source(self) -> str:
        """Where its images lie: "memory" or "files"."""
        return str(self.record.case.get("source", "memory"))

    @property
    def version(self) -> str:
        """Its TensorRT, "" for none."""
        return str(self.record.case.get("tensorrt", ""))

    @property
    def ring(self) -> float | None:
        """Bytes of its ring of buffers, where that is known."""
        return float(self._told["ring_bytes"]) if self._told.get("ring_bytes") else None

    @property
    def memory(self) -> float | None:
        """Host memory over the ring, None where either is not known."""
        return None if self.beyond is None or self.ring is None else 1 + self.beyond / self.ring

    @property
    def beyond(self) -> float | None:
        """Bytes of host memory beyond the ring, None where either is not known."""
        peak = self._told.get("peak_bytes")
        return None if self.ring is None or peak is None else float(peak) - self.ring

    @property
    def too_much(self) -> bool:
        """Whether it takes more of the host's memory than it may, by more than next to nothing."""
        return self.memory is not None and self.memory > MOST_MEMORY and (self.beyond or 0.0) > SMALL

    @property
    def whole_us(self) -> float | None:
        """µs that a batch takes, of the slowest repeat."""
        return self._each(self._seconds)

    @cached_property
    def steps(self) -> dict[str, float]:
        """µs a batch that the thread which feeds the lanes spends in each of STEPS that was timed, and in what is left: REST or OWN."""
        known = {step: float(self._told[f"{step}_s"]) for step in STEPS if self._told.get(f"{step}_s") is not None}
        if self._seconds is None or not known:
            return {}
        known[REST if "launched" in known else OWN] = max(0.0, self._seconds - sum(known.values()))
        return {step: us for step, seconds in known.items() if (us := self._each(seconds)) is not None}

    @property
    def reading(self) -> dict[str, float | None]:
        """µs a batch of all readers together, decoding and copying, beside what feeds the lanes."""
        return {key: self._each((self._told.get("busy_s") or {}).get(key)) for key in ("decode", "copy")}

    @property
    def held(self) -> Held | None:
        """What holds it back, None where its times are not known."""
        if not self.steps:
            return None
        step = max(self.steps, key=lambda one: self.steps[one])
        return Held(step, self.steps[step] / sum(self.steps.values()), self.steps[step])

    @property
    def _told(self) -> dict[str, Any]:
        return self.record.stats

    @property
    def _seconds(self) -> float | None:
        told, images, rates = self._told.get("seconds"), self._told.get("images"), self.record.samples
        return float(told) if told else float(images) / min(rates) if images and rates else None

    def _each(self, seconds: float | None) -> float | None:
        images = self._told.get("images")
        return 1e6 * seconds / math.ceil(images / (self.record.batch_size or 1)) if images and seconds is not None else None


def pipelines(found: Fast) -> list[Pipeline]:
    """Those that came to an end, from memory before from files, the fastest first."""
    there = [r for r in found.run.records("pipeline") if r.value is not None and r.candidate and r.samples]
    made = [_pipeline(found, record) for record in there]
    return sorted(made, key=lambda one: (one.source != "memory", -one.rate.value))


def fastest(found: Fast) -> list[Pipeline]:
    """Of each runner, precision, TensorRT and source the one with the highest throughput, in their order."""
    kept: dict[tuple[object, ...], Pipeline] = {}
    for one in pipelines(found):
        candidate = one.record.candidate
        assert candidate is not None
        kept.setdefault((candidate.runner, candidate.precision, one.version, one.source), one)
    return list(kept.values())


def best(found: Fast, source: str = "memory") -> Pipeline | None:
    """The fastest from a source."""
    return next((one for one in fastest(found) if one.source == source), None)


def _pipeline(found: Fast, record: Record) -> Pipeline:
    """With what the GPU alone and its lanes do, measured in other rounds."""
    batch, version = record.batch_size or 1, str(record.case.get("tensorrt", ""))
    gpu, lanes = gpu_only(found, record.candidate, batch, version), found.at(record.candidate, batch, version)
    alone = stats.time(lanes.record.samples).value if lanes else None
    own = [1e3 / rate for rate in record.samples]  # ms an image
    share = stats.ratio(own, [ms / batch for ms in gpu.samples]) if gpu else None
    lanes_share = stats.time(gpu.samples).value / alone if gpu and alone else None
    return Pipeline(record, stats.time(record.samples), share, alone, lanes_share)  # rates on logarithms, as times


def gpu_only(found: Fast, candidate: Candidate | None, batch: int, version: str) -> Record | None:
    """The pace on the GPU alone of one lane of the same engine: as a graph where it was timed so, else called plainly."""
    if candidate is None:
        return None
    for graph in (True, False):
        arm = found.at(replace(candidate, way=replace(candidate.way, graph=graph, lanes=1)), batch, version)
        if arm and (told := found.on_gpu(arm)):
            return told
    return None
