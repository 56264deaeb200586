"""The tables of notebook 04: INT8 beside FP32, what engines cost, and one row a calibration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lib import stats
from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.int8 import rules
from lib.pages.int8.rules import ONNX, TENSORRT, Model, W
from lib.show.columns import columns
from lib.show.table import Table, named
from lib.store.records import Reason
from lib.store.run import Run
from lib.words import COMMON


def comparison(run: Run) -> Table:
    """One row a model: accuracy (%) and its paired difference from the reference (percentage points), p adjusted by Holm."""
    models = rules.compared(run)
    rows = [named(m.candidate) | {"calibration": m.calibration} | _accuracy(run, m) for m in models if _reason(run, "accuracy", m) is None]
    _adjusted(rows)
    keys = "runner precision calibration accuracy difference p"
    return Table(rows + _missing(run, "accuracy", models), columns(W, keys), W("captions.comparison"))


def costs(run: Run) -> Table:
    """One row an engine: throughput (images/s), its ratio to FP32, GPU compute time (ms), size of the plan (MB) and its ratio."""
    timed, gpu = rules.latencies(run), rules.latencies(run, "gpu_compute")
    full, best, rows = Model(Candidate(TENSORRT, "fp32")), common.best_rates(run, timed), list[dict[str, Any]]()
    models = [model for model in rules.compared(run) if model.candidate.runner == TENSORRT]
    base = common.value(run, "file_size", full.candidate)
    for model in (model for model in models if model in timed):
        size = common.value(run, "file_size", model.candidate, case=model.case)
        row: dict[str, Any] = {"precision": model.candidate.precision_label, "calibration": model.calibration}
        row |= {"throughput": common.rate(timed[model]), "ratio": rules.speedup(run, model, full)}
        row |= {"gpu_compute": gpu[model].value if model in gpu else None, "best": {"throughput"} if model in best else set()}
        rows.append(row | ({"size": size / 1e6, "size_ratio": size / base if base and model != full else None} if size else {}))
    common.mark(rows)
    sizes = sorted({latency.batch_size or 0 for latency in timed.values()})
    caption = W("captions.costs", batch=sizes or ["–"], gpu=COMMON("captions.gpu_compute"))
    keys = "precision calibration throughput ratio gpu_compute size size_ratio"
    return Table(rows + _missing(run, "latency", models, "throughput"), columns(W, keys), caption)


def calibrations(run: Run) -> Table:
    """One row a calibration: accuracy (%), its paired difference (percentage points), answers that change (%); folded."""
    models = [model for runner in (ONNX, TENSORRT) for model in rules.calibrations(run, runner)]
    rows = [
        {"runner": model.candidate.runner_label, "method": rules.method(model.method), "images": model.images}
        | _accuracy(run, model)
        | {"changed": common.share(rules.found(run, "agreement", model), "others")}
        for model in models
        if rules.changed(run, model) is not None
    ]
    _adjusted(rows)
    usual = rules.default(run)
    caption = W("captions.calibrations_default", how=usual.calibration) if usual else W("captions.calibrations")
    keys = "runner method images accuracy difference changed p"
    return Table(rows + _missing(run, "agreement", models), columns(W, keys), caption, folded=True)


def _accuracy(run: Run, model: Model) -> dict[str, Any]:
    """Accuracy, its difference from the reference's, and p, which is not adjusted yet."""
    one = rules.found(run, "accuracy", model)
    row: dict[str, Any] = {"accuracy": common.share(one), "difference": common.points(one) or common.NOT_RECORDED}
    only = common.only(one)
    return row | {"p": stats.mcnemar(*only[:2])} if only else row


def _adjusted(rows: list[dict[str, Any]]) -> None:
    """Holm's adjustment of the p-values of one table."""
    tested = [row for row in rows if "p" in row]
    for row, p in zip(tested, stats.holm([row["p"] for row in tested]), strict=True):
        row["p"] = p


def _reason(run: Run, metric: str, model: Model) -> Reason | None:
    """Why a model has no number; a number of gpu_compute scope is none."""
    where = {"scope": "end_to_end"} if metric == "latency" else {}
    one = run.find(metric, model.candidate, case=model.case, **where)
    return common.NOT_RECORDED if one is None else one.reason


def _missing(run: Run, metric: str, models: Iterable[Model], column: str = "accuracy") -> list[dict[str, Any]]:
    """One row a backend and reason for the models without a number."""
    groups: dict[tuple[str, Reason], list[Model]] = {}
    for model in models:
        if reason := _reason(run, metric, model):
            groups.setdefault((model.candidate.runner, reason), []).append(model)
    rows = []
    for (_, reason), lost in groups.items():
        methods = dict.fromkeys(rules.method(model.method) for model in lost if model.method)
        row = common.missing_row(model.candidate for model in lost) | ({"method": common.joined(methods)} if methods else {})
        row |= {"calibration": lost[0].calibration, "images": lost[0].images} if len(lost) == 1 and methods else {}
        rows.append(row | {column: reason})
    return rows
