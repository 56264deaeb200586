"""The ceiling and the scenarios of notebook 10: typed views of their records; the pipeline has a module of its own."""

from __future__ import annotations

from dataclasses import replace

from lib.experiment.precision import PRECISIONS
from lib.experiment.system import version_order
from lib.measure.roofline import Ceiling, Placed, held_back_by
from lib.measure.work import Layer
from lib.pages.fast.arms import PYTHON, Fast, W
from lib.pages.fast.exhibits import PlacedEngine, Roofline
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text

SLOWED = 1.1  # times as long as an engine: from here on it matters that its profiler times one layer after the other
WITHIN = "within"  # case of a ceiling: copies within the card
SCENARIOS = ("single_stream", "offline", "server", "server_overload")


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


def why(record: Record) -> str:
    """What holds an engine back as it was called, as lib.measure.roofline names it."""
    return str(record.stats.get("held_back_by", ""))


def graphed(found: Fast, record: Record) -> float | None:
    """Milliseconds that the host takes to launch an engine that was called plainly as a CUDA graph, None where that was not timed."""
    if record.candidate is None or record.candidate.way.graph:
        return None
    graph = replace(record.candidate, way=replace(record.candidate.way, graph=True))
    same = (arm for arm in found.arms if (arm.candidate, arm.batch, arm.record.case) == (graph, record.batch_size or 1, record.case))
    told = next((arm.record.stats.get("enqueue_ms") for arm in same), None)
    return None if told is None else float(told)  # type: ignore[arg-type]


def why_graphed(found: Fast, record: Record) -> str | None:
    """What holds it back as a CUDA graph, None where that is not known."""
    launch, version = graphed(found, record), str(record.case.get("tensorrt", ""))
    layers = [one.work for engine in engines(found) if _same(engine, record) for one in placed(found, engine)]
    above = ceiling(found, record.candidate.precision, version) if record.candidate else None
    if launch is None or above is None or not layers or not record.stats.get("compute_ms"):
        return None
    compute, copies = (float(record.stats.get(key) or 0.0) / 1e3 for key in ("compute_ms", "copies_ms"))  # type: ignore[arg-type]
    return held_back_by(layers, above, compute, launch / 1e3, copies)


def slowed(found: Fast) -> float | None:
    """How many times as long as the engine all of its layers take, as its profiler tells them: the most of any, None where it is little."""
    whole = [(record, float(record.stats.get("compute_ms") or 0.0)) for record in shares(found)]  # type: ignore[arg-type]
    each = (
        sum(layer.ms for layer in engine.layers) / ms for engine in engines(found) for record, ms in whole if ms and _same(engine, record)
    )
    most = max(each, default=0.0)
    return most if most >= SLOWED else None


def _same(engine: PlacedEngine, record: Record) -> bool:
    own = (record.case.get("tensorrt"), record.candidate and record.candidate.precision, record.batch_size)
    return own == (engine.tensorrt, engine.precision, engine.batch_size)


def held_back(key: str | None) -> Text | None:
    """What holds an engine back, in words; its key where this version has none for it."""
    return W(f"held_back.{key}") if key in W.groups["held_back"] else Text(key, key) if key else None


def scenarios(found: Fast) -> list[Record]:
    """All that were run, in the order of SCENARIOS."""
    return [r for metric in SCENARIOS for r in found.run.records(metric) if r.value is not None]


def of_lanes(found: Fast, record: Record) -> float | None:
    """The throughput of a scenario over what the same lanes do as they are timed by themselves; None where either is not known."""
    arm = found.at(record.candidate, record.batch_size or 1, str(record.case.get("tensorrt", "")))
    return record.value / arm.rate.value if arm and record.value and record.unit == "images/s" else None


def held(record: Record) -> bool:
    """Whether a server kept the rate that it tells: its 99th percentile is known and under its limit."""
    limit, p99 = (record.stats.get(key) for key in ("limit_ms", "p99_ms"))
    return bool(record.value) and limit is not None and p99 is not None and float(p99) <= float(limit)  # type: ignore[arg-type]


def tried(record: Record) -> list[tuple[float, float]]:
    """(rate, 99th percentile in ms) of every rate that a server was asked for and whose percentile is known, ascending."""
    told = record.stats.get("tried") or []
    return sorted((float(rate), float(p99)) for rate, p99 in told if p99)  # type: ignore[union-attr, misc, arg-type]


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
