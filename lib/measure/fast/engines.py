"""The engines of notebook 10: of each version and precision one for a regime of batches, and one like it with bytes in and classes out.

Those that are called in several ways are one and the same; the compact one goes on from the timings of the other, so that both have the
same kernels, and takes little time to build.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from lib import deadline, export, plans, progress
from lib.errors import ReportError
from lib.experiment.candidate import PLAIN, Candidate, Way
from lib.export import compact
from lib.measure import sweep
from lib.plans import available, builds, lanes
from lib.plans.lanes import Recipe
from lib.plans.remote import Worker
from lib.runners.tensorrt import TensorRT
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason, Record

COMPACT = Way(byte_input=True, classes=True)
UNITS = {"build_time": "s", "file_size": "bytes"}
LARGE_LANES = 3  # beyond the smallest batches one lane copies in, one computes, one copies out


class Engine(NamedTuple):
    """An engine for lanes of a worker: its artifact, or why there is none. batch: that it is built for, its largest."""

    worker: Worker
    precision: str
    batch: int
    way: Way
    built: Artifact | Reason

    @property
    def candidate(self) -> Candidate:
        """As records name it, called plainly."""
        return Candidate(TensorRT.name, self.precision, self.way)

    @property
    def case(self) -> dict[str, Any]:
        """As records name its version."""
        return {"tensorrt": self.worker.tensorrt}

    @property
    def sha256(self) -> str:
        """The hash of its plan, "" for none."""
        return "" if isinstance(self.built, Reason) else plans.plan_sha256(self.built)

    def records(self) -> list[Record]:
        """build_time (s) and file_size (bytes), or why there are none."""
        common: dict[str, Any] = {"candidate": self.candidate, "batch_size": self.batch, "case": self.case}
        if isinstance(self.built, Reason):
            return [
                Record(metric, unit, None, reason=self.built, **common) for metric, unit in (("build_time", "s"), ("file_size", "bytes"))
            ]
        info, common["artifact_sha256"] = self.built.info, self.built.sha256
        stats = {"timing_cache": info["timing_cache"], "profiles": len(self.built.inputs["profile"])}
        return [
            Record("build_time", "s", sum(info["build_s"]), stats=stats, **common),
            Record("file_size", "bytes", self.built.size(builds.PLAN), stats={"plan_sha256": self.sha256}, **common),
        ]


class Pair(NamedTuple):
    """Both engines of a worker for one regime."""

    plain: Engine
    compact: Engine

    def of(self, way: Way) -> Engine:
        """The one that is called in a way."""
        return self.compact if way.byte_input else self.plain


class Regimes(NamedTuple):
    """The engines of a precision. small: of each batch size, large: for all large ones, each of every version; lost: those for larger
    ones that no version could build."""

    small: dict[int, list[Pair]]
    large: list[Pair]
    lost: list[Pair]

    @property
    def every(self) -> list[Engine]:
        """Each of them."""
        return [engine for pairs in (*self.small.values(), self.large, self.lost) for pair in pairs for engine in pair]


def regimes(session: Session, team: Sequence[Worker], precision: str, only_large: bool = False) -> Regimes:
    """Every engine of a precision, built now unless it is stored. only_large: none for small batches."""
    asked = session.profile.fast
    sizes = [] if only_large else asked.batch_sizes
    small = {size: [_pair(session, worker, precision, size, max(asked.lanes)) for worker in team] for size in sizes}
    large, lost = list[Pair](), list[Pair]()
    for size in reversed(large_sizes(session)):
        lost += large  # the memory may do for a smaller one
        large = [_pair(session, worker, precision, size, LARGE_LANES) for worker in team]
        if _any_built(large):
            break
    return Regimes(small, large, lost)


def _any_built(pairs: Sequence[Pair]) -> bool:
    """Whether there is any engine of these."""
    return any(isinstance(engine.built, Artifact) for pair in pairs for engine in pair)


def fitting(session: Session, pairs: Sequence[Pair]) -> list[int]:
    """The large batches that engines for large ones take, in order; none of no engines."""
    return [size for size in large_sizes(session) if pairs and size <= pairs[0].plain.batch]


def large_sizes(session: Session) -> list[int]:
    """Of the profile's large batches those that are larger than the others, in order."""
    asked = session.profile.fast
    return sorted(size for size in asked.large_batches if size > max(asked.batch_sizes))


def _pair(session: Session, worker: Worker, precision: str, batch: int, lane_count: int) -> Pair:
    """Both, built now unless they are stored; what fails is a reason, and the other is tried all the same."""
    recipe = Recipe(precision, lane_count, batch, batch)
    plain = _built(session, worker, recipe, PLAIN, None)
    return Pair(plain, _built(session, worker, recipe, COMPACT, None if isinstance(plain.built, Reason) else plain.built))


def _built(session: Session, worker: Worker, recipe: Recipe, way: Way, like: Artifact | None) -> Engine:
    deadline.check()
    started = time.perf_counter()
    one = Engine(worker, recipe.precision, recipe.max_batch, way, Reason("failed"))
    try:
        if not worker.alive:
            worker.start()
        onnx = None
        if way.byte_input:
            variant = available.onnx_variant(recipe.precision, worker.about["typed"])
            onnx = compact.onnx(session, variant, byte_input=True, classes=True).file(export.ONNX_FILE)
        one = one._replace(built=lanes.build(session, worker, recipe, onnx, like))
    except ReportError as error:
        one = one._replace(built=sweep.why(error))
    took = progress.duration(time.perf_counter() - started)
    progress.say(f"engine of TensorRT {worker.tensorrt}, {one.candidate.key}, up to batch {one.batch}: {took}")
    return one
