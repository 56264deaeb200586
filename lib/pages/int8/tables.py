"""The tables of notebook 04: INT8 beside FP32, what engines cost, and one row a calibration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from lib import stats
from lib.experiment.candidate import Candidate
from lib.pages import against, common
from lib.pages.int8 import rules
from lib.pages.int8.rules import ONNX, TENSORRT, Model, W
from lib.show.columns import columns
from lib.show.table import Table, named
from lib.store.records import Record
from lib.store.run import Run
from lib.text import joined
from lib.words import COMMON


def comparison(run: Run) -> Table:
    """One row a model: accuracy (%) and its paired difference from the reference (percentage points), p adjusted by Holm; where nobody
    labelled the images, answers that change (%)."""
    if not against.labelled(run):
        return _changed(run)
    asked = _asked(run, "accuracy", rules.compared(run))
    rows = [named(m.candidate) | {"calibration": m.calibration} | _accuracy(run, one) for m, one in asked.items() if one.reason is None]
    _adjusted(rows)
    keys = "runner precision calibration accuracy difference p"
    return Table(rows + common.missing_rows(asked.values(), "accuracy", more=_lost), columns(W, keys), W("captions.comparison"))


def _changed(run: Run) -> Table:
    """`comparison` where nobody knows the right classes."""
    reference = against.reference(run)
    asked = _asked(run, "agreement", [model for model in rules.compared(run) if model != Model(reference)])
    rows = [
        named(m.candidate) | {"calibration": m.calibration, "changed": common.share(one, "others")}
        for m, one in asked.items()
        if one.value is not None
    ]
    lost = common.missing_rows(asked.values(), "changed", more=_lost)
    caption = against.said(W("captions.comparison_changed"), COMMON("captions.no_labels"))
    return Table(rows + lost, columns(W, "runner precision calibration changed"), caption)


def costs(run: Run) -> Table:
    """One row an engine: throughput (images/s), its ratio to FP32, GPU compute time (ms), size of the plan (MB) and its ratio."""
    timed, gpu = rules.latencies(run), rules.latencies(run, "gpu_compute")
    full, best, rows = Model(Candidate(TENSORRT, "fp32")), common.best_rates(run, timed), list[dict[str, Any]]()
    models = [model for model in rules.compared(run) if model.candidate.runner == TENSORRT]
    base = common.value(run, "file_size", full.candidate)
    for model in (model for model in models if model in timed):
        size = common.value(run, "file_size", model.candidate, case=model.case)
        row: dict[str, Any] = {"precision": model.candidate.precision_label, "calibration": model.calibration}
        row |= {"throughput": common.told_rate(timed[model]), "ratio": common.speedup(timed[model], timed.get(full))}
        row |= {"gpu_compute": gpu[model].value if model in gpu else None, "best": {"throughput"} if model in best else set()}
        rows.append(row | ({"size": size / 1e6, "size_ratio": size / base if base and model != full else None} if size else {}))
    common.mark(rows)
    sizes = sorted({latency.batch_size or 0 for latency in timed.values()})
    caption = against.said(W("captions.costs", batch=sizes or ["–"]), *against.marking(rows), COMMON("captions.gpu_compute"))
    keys = "precision calibration throughput ratio gpu_compute size size_ratio"
    lost = common.missing_rows(_asked(run, "latency", models, scope="end_to_end").values(), "throughput", more=_lost)
    return Table(rows + lost, columns(W, keys), caption)


def calibrations(run: Run) -> Table:
    """One row a calibration: accuracy (%), its paired difference (percentage points), answers that change (%); folded."""
    asked = _asked(run, "agreement", [model for runner in (ONNX, TENSORRT) for model in rules.calibrations(run, runner)])
    rows = [
        {"runner": model.candidate.runner_label, "method": rules.method(model.method), "images": model.images}
        | _accuracy(run, rules.found(run, "accuracy", model))
        | {"changed": common.share(one, "others")}
        for model, one in asked.items()
        if one.value is not None
    ]
    _adjusted(rows)
    usual = rules.default(run)
    labelled = against.labelled(run)
    keys = "runner method images accuracy difference changed p" if labelled else "runner method images changed"
    sentences = [W("captions.calibrations"), W("captions.holm") if labelled else COMMON("captions.no_labels")]
    caption = against.said(*sentences, *([W("captions.default", how=usual.calibration)] if usual else []))
    lost = common.missing_rows(asked.values(), "accuracy" if labelled else "changed", more=_lost)
    return Table(rows + lost, columns(W, keys), caption, folded=True)


def _accuracy(run: Run, one: Record | None) -> dict[str, Any]:
    """Accuracy, its difference from the reference's (none for the reference itself), and p, which is not adjusted yet."""
    itself = one is not None and one.candidate == against.reference(run) and not one.case
    row: dict[str, Any] = {"accuracy": common.share(one), "difference": None if itself else common.points(one) or common.NOT_RECORDED}
    only = common.only(one)
    return row | {"p": stats.mcnemar(*only[:2])} if only else row


def _adjusted(rows: list[dict[str, Any]]) -> None:
    """Holm's adjustment of the p-values of one table."""
    tested = [row for row in rows if "p" in row]
    for row, p in zip(tested, stats.holm([row["p"] for row in tested]), strict=True):
        row["p"] = p


def _asked(run: Run, metric: str, models: Iterable[Model], **where: Any) -> dict[Model, Record]:
    """The record of each model, or one that says that there is none."""
    none = Record(metric, "ms" if metric == "latency" else "share", None, reason=common.NOT_RECORDED)
    return {m: run.find(metric, m.candidate, case=m.case, **where) or replace(none, candidate=m.candidate, case=m.case) for m in models}


def _lost(records: list[Record]) -> dict[str, Any]:
    """Calibrations that have no number for one reason."""
    models = [model for model in map(Model.of, records) if model.method]
    methods = {"method": joined(dict.fromkeys(rules.method(model.method) for model in models))} if models else {}
    alone = len(records) == len(models) == 1
    return methods | ({"calibration": models[0].calibration, "images": models[0].images} if alone else {})
