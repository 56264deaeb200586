"""The pipeline, the ceiling and the scenarios of notebook 10: typed views of their records."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lib import stats
from lib.experiment.candidate import Candidate
from lib.experiment.precision import PRECISIONS
from lib.experiment.system import version_order
from lib.measure.roofline import Ceiling, Placed
from lib.measure.work import Layer
from lib.pages.fast.arms import PYTHON, Fast, W
from lib.pages.fast.exhibits import PlacedEngine, Roofline
from lib.stats import Interval
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text

MOST_MEMORY = 1.2  # of the ring of buffers: what a pipeline may take of the host's memory
SMALL = 8 << 20  # bytes beyond the ring that threads and allocators take, whatever its size
WITHIN = "within"  # case of a ceiling: copies within the card
SCENARIOS = ("single_stream", "offline", "server", "server_overload")


@dataclass(frozen=True)
class Pipeline:
    """The whole test set through one engine. share: of its rate on the GPU alone, one lane, None where that was not timed; memory: of its
    ring of buffers, None where either is not known."""

    record: Record
    rate: Interval
    share: Interval | None
    memory: float | None

    @property
    def source(self) -> str:
        """Where its images lie: "memory" or "files"."""
        return str(self.record.case.get("source", "memory"))


def pipelines(found: Fast) -> list[Pipeline]:
    """Those that came to an end, from memory before from files, the fastest first."""
    there = [r for r in found.run.records("pipeline") if r.value is not None and r.candidate and r.samples]
    made = [Pipeline(r, _rate(r.samples), _share(found, r), _memory(r)) for r in there]
    return sorted(made, key=lambda one: (one.source != "memory", -one.rate.value))


def fastest(found: Fast) -> list[Pipeline]:
    """Of each runner, precision, TensorRT and source the one with the highest throughput, in their order."""
    kept: dict[tuple[object, ...], Pipeline] = {}
    for one in pipelines(found):
        candidate = one.record.candidate
        assert candidate is not None
        kept.setdefault((candidate.runner, candidate.precision, one.record.case.get("tensorrt"), one.source), one)
    return list(kept.values())


def best(found: Fast, source: str = "memory") -> Pipeline | None:
    """The fastest from a source."""
    return next((one for one in fastest(found) if one.source == source), None)


def _rate(samples: list[float]) -> Interval:
    """The mean of rates, on logarithms as of times."""
    return stats.time(samples)


def _share(found: Fast, record: Record) -> Interval | None:
    """Against the GPU alone, measured in other rounds."""
    alone = gpu_only(found, record.candidate, record.batch_size or 1, str(record.case.get("tensorrt", "")))
    if alone is None:
        return None
    own = [1e3 / rate for rate in record.samples]  # ms an image
    return stats.ratio(own, [ms / (record.batch_size or 1) for ms in alone.samples])


def gpu_only(found: Fast, candidate: Candidate | None, batch: int, version: str) -> Record | None:
    """The pace on the GPU alone of one lane of the same engine: as a graph where it was timed so, else called plainly."""
    if candidate is None:
        return None
    for graph in (True, False):
        way = replace(candidate.way, graph=graph, lanes=1)
        for arm in found.arms:
            if (arm.candidate, arm.batch, arm.version) == (replace(candidate, way=way), batch, version) and (told := found.on_gpu(arm)):
                return told
    return None


def _memory(record: Record) -> float | None:
    ring, peak = record.stats.get("ring_bytes"), record.stats.get("peak_bytes")
    return float(peak) / float(ring) if ring and peak is not None else None  # type: ignore[arg-type]


def ceiling(found: Fast, precision: str, version: str) -> Ceiling | None:
    """What the card was measured to reach at most in a precision by a TensorRT; None where that is not known."""
    row = PRECISIONS.get(precision)
    kinds = (row.layer_types[0] if row and row.layer_types else "", WITHIN)
    rates = [one.value for kind in kinds for one in found.run.records("ceiling", case={"what": kind, "tensorrt": version})]
    known = [rate for rate in rates if rate]
    return Ceiling(*known) if len(known) == len(kinds) else None


def engines(found: Fast) -> list[PlacedEngine]:
    """Those whose layers were recorded."""
    told = found.run.exhibit("roofline", Roofline)
    return told.engines if told else []


def placed(found: Fast, engine: PlacedEngine) -> list[Placed]:
    """The layers of an engine under its card's ceiling; none where that is not known."""
    above = ceiling(found, engine.precision, engine.tensorrt)
    working = [layer for layer in engine.layers if min(layer.ms, layer.flop, layer.bytes) > 0]
    return [Placed(Layer(one.name, "", (), round(one.flop), round(one.bytes)), one.ms / 1e3, above) for one in working] if above else []


def shares(found: Fast) -> list[Record]:
    """What share of the ceiling each whole engine reaches, in the order of the report."""
    there = [r for r in found.run.records("ceiling_share") if r.value is not None and r.candidate]
    return sorted(there, key=_place)


def _place(record: Record) -> tuple[object, ...]:
    assert record.candidate is not None
    return record.candidate.place, record.batch_size or 0, version_order(str(record.case.get("tensorrt", "")))


def held_back(record: Record) -> Text:
    """What holds an engine back, in words; its key where this version has none for it."""
    why = str(record.stats.get("held_back_by", ""))
    return W(f"held_back.{why}") if why in W.groups["held_back"] else Text(why, why)


def scenarios(found: Fast) -> list[Record]:
    """All that were run, in the order of SCENARIOS."""
    return [r for metric in SCENARIOS for r in found.run.records(metric) if r.value is not None]


def held(record: Record) -> bool:
    """Whether a server kept the rate that it tells: its 99th percentile is known and under its limit."""
    limit, p99 = (record.stats.get(key) for key in ("limit_ms", "p99_ms"))
    return bool(record.value) and limit is not None and p99 is not None and float(p99) <= float(limit)  # type: ignore[arg-type]


def tried(record: Record) -> list[tuple[float, float]]:
    """(rate, 99th percentile in ms) of every rate that a server was asked for and whose percentile is known, ascending."""
    told = record.stats.get("tried") or []
    return sorted((float(rate), float(p99)) for rate, p99 in told if p99)  # type: ignore[union-attr, misc, arg-type]


def too_much(one: Pipeline) -> bool:
    """Whether it takes more of the host's memory than it may, by more than next to nothing."""
    beyond = float(one.record.stats.get("peak_bytes") or 0) - float(one.record.stats.get("ring_bytes") or 0)  # type: ignore[arg-type]
    return one.memory is not None and one.memory > MOST_MEMORY and beyond > SMALL


def there(run: Run, metric: str) -> bool:
    """Whether a metric has a number, so that there is something to show beside it."""
    return any(record.value is not None for record in run.records(metric))


def why_none(found: Fast, *metrics: str) -> list[Reason]:
    """Each reason once why these metrics have no number: their own, else why there was no TensorRT to measure."""
    own = dict.fromkeys(r.reason for metric in metrics for r in found.run.records(metric) if r.reason is not None)
    return list(own) or no_tensorrt(found)


def no_tensorrt(found: Fast) -> list[Reason]:
    """Each reason once why nothing was timed on TensorRT; none where something was."""
    if found.versions:
        return []
    lost = (r for r in found.run.records("pace") if r.reason is not None and r.candidate and r.candidate.runner == PYTHON)
    return list(dict.fromkeys(r.reason for r in lost if r.reason is not None))
