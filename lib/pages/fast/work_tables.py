"""Tables of notebook 10: the pipeline, the ceiling, the scenarios."""

from __future__ import annotations

from typing import Any

from lib import stats
from lib.experiment.candidate import Candidate
from lib.measure.roofline import furthest
from lib.pages import common
from lib.pages.fast import work
from lib.pages.fast.arms import PYTHON, Fast, W
from lib.pages.fast.shown import FORMS, MEGA, Row, called, nothing, sentences, shown
from lib.show.table import Table
from lib.stats import Interval
from lib.store.records import Record
from lib.store.run import Run

SCALES = {"TFLOP/s": 1e-12, "GB/s": 1e-9}
LIMITS = ("fp16", "int8", "within", "to_gpu", "from_gpu")  # what a card is measured to reach
FURTHEST = 5  # layers of an engine that are named


def pipeline(run: Run) -> Table:
    """One row a precision, TensorRT and source, its best batch size: images/s over the whole test set, its share of the GPU alone, memory
    over the ring."""
    found, rows = Fast(run), list[Row]()
    for one in work.fastest(found):
        row = _where(one.record) | {"source": W(f"sources.{one.source}"), "throughput": one.rate, "over_ring": one.memory}
        rows.append(row | {"share": one.share and common.percent(one.share)})
    known = [key for key in ("share", "over_ring") if any(row[key] is not None for row in rows)]  # neither of them on a processor
    columns = shown(found, "what", "version", "batch_size", "source", "throughput", *known)
    caption = W("captions.pipeline", more=sentences(W(f"parts.about_{key}", most=work.MOST_MEMORY) for key in known))
    return Table(rows, columns, caption, nothing=nothing(found, "pipeline"))


def pipeline_times(run: Run) -> Table:
    """Every batch size: how large its ring is, how many images went through, and what its parts waited for; folded."""
    found, rows = Fast(run), list[Row]()
    for one in work.pipelines(found):
        told: dict[str, Any] = one.record.stats
        row = _where(one.record) | {"source": W(f"sources.{one.source}"), "served": one.rate.value, "images": told.get("images")}
        row["ring"] = MEGA * told["ring_bytes"] if told.get("ring_bytes") else None
        row |= {key: (told.get("busy_s") or {}).get(key) for key in ("decode", "copy")}
        rows.append(row | {key: told.get(f"{key}_s") for key in ("starved", "waited")})
    keys = ("what", "version", "batch_size", "source", "served", "images", "ring", "decode", "copy", "starved", "waited")
    return Table(rows, shown(found, *keys), W("captions.pipeline_times"), folded=True, nothing=nothing(found, "pipeline"))


def ceiling(run: Run) -> Table:
    """One row an engine and batch size: its share of the ceiling, its times and what holds it back."""
    found, rows = Fast(run), list[Row]()
    for record in work.shares(found):
        told = record.stats
        row = _where(record) | {"share_of_ceiling": 100 * (record.value or 0.0), "held_back": work.held_back(record)}
        rows.append(row | {key: told.get(key) for key in ("compute_ms", "enqueue_ms", "copies_ms")})
    keys = ("precision", "version", "batch_size", "share_of_ceiling", "compute_ms", "enqueue_ms", "copies_ms", "held_back")
    return Table(rows, shown(found, *keys), W("captions.ceiling"), nothing=nothing(found, "ceiling_share"))


def remedies(run: Run) -> Table:
    """One row a thing that holds some engine back: at which batch sizes, in how many engines, and what to do about it."""
    found, by = Fast(run), dict[str, list[Record]]()
    for record in work.shares(found):
        by.setdefault(str(record.stats.get("held_back_by", "")), []).append(record)
    rows = []
    for why, told in by.items():
        if why in W.groups["remedies"]:
            sizes = sorted({record.batch_size or 1 for record in told})
            row: Row = {"held_back": W(f"held_back.{why}"), "count": len(told), "sizes": ", ".join(f"{size:,}" for size in sizes)}
            rows.append(row | {"remedy": W(f"remedies.{why}")})
    columns = shown(found, "held_back", "count", "sizes", "remedy")
    return Table(rows, columns, W("captions.remedies"), nothing=nothing(found, "ceiling_share"))


def ceilings(run: Run) -> Table:
    """One row a TensorRT: what the card reaches at most, as measured; folded."""
    found, by = Fast(run), dict[str, Row]()
    for record in run.records("ceiling"):
        what, version = str(record.case.get("what", "")), str(record.case.get("tensorrt", "–"))
        if what in LIMITS:
            by.setdefault(version, {"version": version})[what] = record.reason or _rate(record, SCALES[FORMS[what][0]])
    rows = list(by.values())
    return Table(rows, shown(found, "version", *LIMITS), W("captions.ceilings"), folded=True, nothing=nothing(found, "ceiling"))


def layers(run: Run) -> Table:
    """The layers that lose most time against the ceiling, a few of each engine; folded."""
    found, rows = Fast(run), list[Row]()
    for engine in work.engines(found):
        precision = Candidate(PYTHON, engine.precision).precision_label
        for one in furthest(work.placed(found, engine))[:FURTHEST]:
            row: Row = {"precision": precision, "batch_size": engine.batch_size, "version": engine.tensorrt, "layer": one.work.name}
            rows.append(row | {"took": 1e6 * one.seconds, "lost": 1e6 * one.lost_s, "share_of_ceiling": 100 * one.share})
    keys = ("precision", "batch_size", "version", "layer", "took", "share_of_ceiling", "lost")
    return Table(rows, shown(found, *keys), W("captions.layers", count=FURTHEST), folded=True)


def scenarios(run: Run) -> Table:
    """One row a scenario and engine: what MLPerf asks of it."""
    found, rows = Fast(run), list[Row]()
    for record in work.scenarios(found):
        told = record.stats
        number = {"p90": told.get("p90", record.value)} if record.unit == "ms" else {"served": record.value}
        row = _where(record) | number | {"scenario": W(f"scenarios.{record.metric}")}
        rows.append(row | {"p99": told.get("p99_ms"), "seconds": told.get("seconds")})
    keys = ("scenario", "what", "version", "batch_size", "served", "p90", "p99", "seconds")
    caption = W("captions.scenarios", limit=run.profile.fast.limit_ms)
    return Table(rows, shown(found, *keys), caption, nothing=nothing(found, *work.SCENARIOS))


def _where(record: Record) -> Row:
    return called(record.candidate) | {"batch_size": record.batch_size, "version": record.case.get("tensorrt", "–")}


def _rate(record: Record, factor: float) -> Interval | float:
    return Interval(*(factor * end for end in stats.time(record.samples))) if record.samples else factor * (record.value or 0.0)
