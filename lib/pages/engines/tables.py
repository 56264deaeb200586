"""The tables of notebook 03: the engines, the time of their layers, every layer, and what this TensorRT can do."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.engines import layers, rules
from lib.pages.engines.exhibits import Features, Network
from lib.pages.engines.rules import W
from lib.show.table import PRECISION, Column, Table
from lib.stats import Interval
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text
from lib.words import COMMON

US = 1e3  # a ms


def engines(run: Run) -> Table:
    """One row an engine: sizes in MB (10^6 bytes), times in s, the types asked for and found; or why there is none."""
    inside = rules.networks(run)
    rows = [_engine(run, candidate, inside.get(candidate)) for candidate in rules.built(run)]
    common.mark(rows, "size", 2)
    columns = [
        Column("size", W("columns.size"), "MB", 2),
        Column("ratio", W("columns.size_ratio"), "", 3),
        Column("weights", W("columns.weights"), "MB", 2),
        Column("build", W("columns.build"), "s", 2, interval=True),
        Column("calibration", W("columns.calibration"), "s", 2),
    ]
    rows = _complete(rows, run.records("file_size"), columns)
    words = [Column(key, W(f"columns.{key}")) for key in ("cache", "asked", "found")]
    return Table(rows, [PRECISION, Column("onnx", W("columns.onnx")), *columns, *words], W("captions.engines"))


def summary(run: Run) -> Table:
    """One row an engine: layers, their sum (µs), its ratio to the FP32 engine's, the longest layer; or why it was not timed."""
    rows = list[dict[str, Any]]()
    for candidate, own in rules.profiles(run).items():
        top, heavy = layers.longest(own), layers.heavy(own)
        right = len(heavy) - len(layers.not_as_asked(candidate.precision, heavy))
        row = {"precision": candidate.precision_label, "layers": len(own), "sum": US * layers.total_ms(own)}
        row |= {"ratio": rules.time_ratio(run, candidate), "share": 100 * layers.share(top, own), "longest": layers.short(top.name)}
        rows.append(row | {"heavy": W("labels.heavy", right=right, count=len(heavy))})
    columns = [
        Column("layers", W("columns.layers"), "", 0),
        Column("sum", W("columns.sum"), "µs", 1),
        Column("ratio", W("columns.sum_ratio"), "", 3),
        Column("share", W("columns.share_longest"), "%", 1),
    ]
    rows = _complete(rows, run.records("layers_time"), columns)
    words = [Column("longest", W("columns.longest")), Column("heavy", W("columns.heavy"))]
    return Table(rows, [PRECISION, *columns, *words], W("captions.summary"))


def all_layers(run: Run) -> Table:
    """One row a layer, in the order of its engine: times in µs, shares in %; folded."""
    rows = [
        {"precision": candidate.precision_label, "index": index, "layer": layer.name, "kind": layer.kind, "tactic": layer.tactic}
        | {"type": rules.type_label(layer.type), "share": 100 * layers.share(layer, own)}
        | {"time": Interval(US * layer.ms, US * layer.p10_ms, US * layer.p90_ms)}
        for candidate, own in rules.profiles(run).items()
        for index, layer in enumerate(own)
    ]
    columns = [
        PRECISION,
        Column("index", W("columns.index"), "", 0),
        Column("layer", W("columns.layer")),
        Column("kind", W("columns.kind")),
        Column("type", W("columns.type")),
        Column("time", W("columns.time"), "µs", 1, interval=True),
        Column("share", W("columns.share"), "%", 1),
        Column("tactic", W("columns.tactic")),
    ]
    return Table(rows, columns, W("captions.all_layers") if rows else COMMON("table.not_recorded"), folded=True)


def features(run: Run) -> Table:
    """Every feature that this project branches by, and whether the TensorRT of this system has it; folded."""
    found = run.exhibit("features", Features)
    rows = [
        {
            "feature": _word("features", f.key),
            "path": f.path,
            "since": _word("since", f.key),
            "here": _yes(f.here) or W("labels.no_tensorrt"),
        }
        for f in (found.features if found else [])
    ]
    columns = [Column(key, W(f"columns.{key}")) for key in ("feature", "path", "since", "here")]
    caption = W("captions.features", tensorrt=rules.tensorrt(run)) if rules.tensorrt(run) else W("captions.no_tensorrt")
    return Table(rows, columns, caption if rows else COMMON("table.not_recorded"), folded=True)


def _engine(run: Run, candidate: Candidate, inside: Network | None) -> dict[str, Any]:
    size, weights, build, calibration = (
        run.find(metric, candidate, case={}) for metric in ("file_size", "weights_size", "build_time", "calibration_time")
    )
    row = {"precision": candidate.precision_label, "size": _number(size, 1e-6), "ratio": rules.size_ratio(run, candidate)}
    row |= {"weights": _number(weights, 1e-6), "build": _number(build), "calibration": _number(calibration) if calibration else None}
    if build is not None and build.value is not None:
        row["build"] = Interval(median(build.samples), min(build.samples), max(build.samples)) if build.samples else build.value
        row["cache"] = _yes(build.stats.get("timing_cache"))
    if inside is None:
        return row
    found = W("labels.needs_gpu") if inside.found is None else rules.types(inside.found) if any(inside.found) else W("labels.untold_inside")
    return row | {"onnx": inside.onnx, "asked": rules.types(inside.asked), "found": found}


def _number(record: Record | None, factor: float = 1.0) -> float | Reason:
    if record is None or record.value is None:
        return (record and record.reason) or common.NOT_RECORDED
    return factor * record.value


def _complete(rows: list[dict[str, Any]], records: Iterable[Record], columns: list[Column]) -> list[dict[str, Any]]:
    """With rows of what has no number, whose reason stands across the columns; one such row where nothing is recorded at all."""
    keys = [column.key for column in columns]
    missing = [row | dict.fromkeys(keys, row[keys[0]]) for row in common.missing_rows(records, keys[0])]
    return [*rows, *missing] or [dict.fromkeys(keys, common.NOT_RECORDED)]


def _yes(here: bool | None) -> Text | None:
    return None if here is None else W("labels.yes" if here else "labels.no")


def _word(group: str, key: str) -> Text:
    """What a feature of lib.trt is called; its key where this version has no words for it."""
    return W.groups[group].get(key, Text(key, key))
