"""The tables of notebook 03: the engines, the time of their layers, every layer, and what this TensorRT can do."""

from __future__ import annotations

from statistics import median
from typing import Any

from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.engines import layers, rules
from lib.pages.engines.exhibits import Network
from lib.pages.engines.rules import W
from lib.show.columns import columns
from lib.show.table import Table
from lib.stats import Interval
from lib.store.run import Run
from lib.text import Text

US = 1e3  # a ms


def engines(run: Run) -> Table:
    """One row an engine: sizes in MB (10^6 bytes), times in s, the types asked for and found; or why there is none."""
    inside = rules.networks(run)
    rows = [_engine(run, candidate, inside.get(candidate)) for candidate in rules.built(run)]
    common.mark(rows)
    numbers = "size size_ratio weights build calibration_time"
    rows += common.missing_rows(run.records("file_size"), *numbers.split())
    return Table(rows, columns(W, f"precision onnx {numbers} cache asked found"), W("captions.engines"))


def summary(run: Run) -> Table:
    """One row an engine: layers, their sum (µs), its ratio to the FP32 engine's, the longest layer; or why it was not timed."""
    rows = list[dict[str, Any]]()
    for candidate, own in rules.profiles(run).items():
        top, heavy = layers.longest(own), layers.heavy(own)
        right = len(heavy) - len(layers.not_as_asked(candidate.precision, heavy))
        row = {"precision": candidate.precision_label, "layers": len(own), "sum": US * layers.total_ms(own)}
        row |= {"sum_ratio": rules.time_ratio(run, candidate), "longest": layers.short(top.name)}
        row |= {"share_longest": 100 * layers.share(top, own)}
        rows.append(row | {"heavy": W("labels.heavy", right=right, count=len(heavy))})
    numbers = "layers sum sum_ratio share_longest"
    rows += common.missing_rows(run.records("layers_time"), *numbers.split())
    return Table(rows, columns(W, f"precision {numbers} longest heavy"), W("captions.summary"))


def all_layers(run: Run) -> Table:
    """One row a layer, in the order of its engine: times in µs, shares in %; folded."""
    rows = [
        {"precision": candidate.precision_label, "index": index, "layer": layer.name, "kind": layer.kind, "tactic": layer.tactic}
        | {"type": rules.type_label(layer.type), "share": 100 * layers.share(layer, own)}
        | {"time": Interval(US * layer.ms, US * layer.p10_ms, US * layer.p90_ms)}
        for candidate, own in rules.profiles(run).items()
        for index, layer in enumerate(own)
    ]
    return Table(rows, columns(W, "precision index layer kind type time share tactic"), W("captions.all_layers"), folded=True)


def features(run: Run) -> Table:
    """Every feature that this project branches by, and whether the TensorRT of this system has it; folded."""
    found = rules.features(run)
    rows = [
        {"path": f.path, "here": _yes(f.here) or W("labels.no_tensorrt")}
        | {key: W.groups[group].get(f.key, Text(f.key, f.key)) for key, group in (("feature", "features"), ("since", "since"))}
        for f in found.features  # one that this version has no words for is shown by its key
    ]
    caption = W("captions.features", tensorrt=found.tensorrt) if found.tensorrt else W("captions.no_tensorrt")
    return Table(rows, columns(W, "feature path since here"), caption, folded=True)


def _engine(run: Run, candidate: Candidate, inside: Network | None) -> dict[str, Any]:
    size, weights, build, calibration = (
        run.find(metric, candidate) for metric in ("file_size", "weights_size", "build_time", "calibration_time")
    )
    row = {"precision": candidate.precision_label, "size": common.number(size, 1e-6), "size_ratio": rules.size_ratio(run, candidate)}
    row |= {"weights": common.number(weights, 1e-6), "build": common.number(build)}
    row |= {"calibration_time": common.number(calibration) if calibration else None}
    if build is not None and build.value is not None:
        row["build"] = Interval(median(build.samples), min(build.samples), max(build.samples)) if build.samples else build.value
        row["cache"] = _yes(build.stats.get("timing_cache"))
    if inside is None:
        return row
    found = W("labels.needs_gpu") if inside.found is None else rules.types(inside.found) if any(inside.found) else W("labels.untold_inside")
    return row | {"onnx": inside.onnx, "asked": rules.types(inside.asked), "found": found}


def _yes(here: bool | None) -> Text | None:
    return None if here is None else W("labels.yes" if here else "labels.no")
