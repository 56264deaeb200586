"""The tables of notebook 04: INT8 beside FP32, what engines cost, and one row a calibration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lib import stats
from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.int8 import rules
from lib.pages.int8.rules import ONNX, TENSORRT, Model, W
from lib.show.table import PRECISION, RUNNER, Column, Table, named
from lib.store.records import Reason
from lib.store.run import Run
from lib.text import Text
from lib.words import COMMON

CALIBRATION = Column("calibration", W("columns.calibration"))
ACCURACY = [
    Column("accuracy", COMMON("columns.accuracy"), "%", 2, interval=True),
    Column("difference", W("columns.difference"), "pp", 2, interval=True),
    Column("p", W("columns.p"), "", 3),
]


def comparison(run: Run) -> Table:
    """One row a model: accuracy (%) and its paired difference from the reference (percentage points), p adjusted by Holm."""
    models = rules.compared(run)
    rows = [named(m.candidate) | {"calibration": m.calibration} | _accuracy(run, m) for m in models if _reason(run, "accuracy", m) is None]
    _adjusted(rows)
    return _table(rows + _missing(run, "accuracy", models), [RUNNER, PRECISION, CALIBRATION, *ACCURACY], W("captions.comparison"))


def costs(run: Run) -> Table:
    """One row an engine: throughput (images/s), its ratio to FP32, GPU compute time (ms), size of the plan (MB) and its ratio."""
    timed, gpu = rules.latencies(run), rules.latencies(run, "gpu_compute")
    full, best, rows = Model(Candidate(TENSORRT, "fp32")), common.best_rates(run, timed), list[dict[str, Any]]()
    models = [model for model in rules.compared(run) if model.candidate.runner == TENSORRT]
    base = rules.found(run, "file_size", full)
    for model in models:
        if model not in timed:
            continue
        size = rules.found(run, "file_size", model)
        row: dict[str, Any] = {"precision": model.candidate.precision_label, "calibration": model.calibration}
        row |= {"throughput": common.rate(timed[model]), "ratio": rules.speedup(run, model, full)}
        row |= {"gpu": gpu[model].value if model in gpu else None, "best": {"throughput"} if model in best else set()}
        if size is not None and size.value is not None:
            row["size"] = size.value / 1e6
            row["size_ratio"] = size.value / base.value if base and base.value and model != full else None
        rows.append(row)
    common.mark(rows, "size", 2)
    columns = [
        PRECISION,
        CALIBRATION,
        Column("throughput", COMMON("columns.throughput"), "images/s", 0, interval=True),
        Column("ratio", W("columns.ratio"), "×", 2, interval=True),
        Column("gpu", COMMON("columns.gpu_compute"), "ms", 3),
        Column("size", W("columns.size"), "MB", 2),
        Column("size_ratio", W("columns.size_ratio"), "×", 3),
    ]
    sizes = sorted({latency.batch_size or 0 for latency in timed.values()})
    caption = W("captions.costs", batch=sizes or ["–"], gpu=COMMON("captions.gpu_compute"))
    return _table(rows + _missing(run, "latency", models, "throughput"), columns, caption)


def calibrations(run: Run) -> Table:
    """One row a calibration: accuracy (%), its paired difference (percentage points), answers that change (%); folded."""
    models = [model for runner in (ONNX, TENSORRT) for model in rules.calibrations(run, runner)]
    rows = []
    for model in models:
        if (changed := rules.changed(run, model)) is None:
            continue
        total = rules.found(run, "agreement", model).stats["total"]  # type: ignore[union-attr]
        row = {"runner": model.candidate.runner_label, "method": rules.method(model.method), "images": model.images}
        rows.append(row | _accuracy(run, model) | {"changed": common.percent(stats.wilson(changed, total))})
    _adjusted(rows)
    columns = [RUNNER, Column("method", W("columns.method")), Column("images", W("columns.images"), "", 0), *ACCURACY]
    columns.insert(-1, Column("changed", W("columns.changed"), "%", 2, interval=True))
    usual = rules.default(run)
    caption = W("captions.calibrations_default", how=usual.calibration) if usual else W("captions.calibrations")
    return _table(rows + _missing(run, "agreement", models, "accuracy"), columns, caption, folded=True)


def _accuracy(run: Run, model: Model) -> dict[str, Any]:
    """The cells of ACCURACY; p not adjusted yet."""
    one, only = rules.found(run, "accuracy", model), rules.counts(run, model)
    if one is None or one.value is None:
        return {"accuracy": common.NOT_RECORDED}
    row = {"accuracy": common.percent(stats.wilson(one.stats["correct"], one.stats["total"]))}
    if only is None:
        return row | {"difference": common.NOT_RECORDED}
    return row | {"difference": common.percent(stats.paired(*only)), "p": stats.mcnemar(*only[:2])}


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
        candidates, first = list(dict.fromkeys(model.candidate for model in lost)), lost[0]
        methods = list(dict.fromkeys(rules.method(model.method) for model in lost if model.method))
        row = {"runner": first.candidate.runner_label, "precision": _precisions(candidates), "method": W("parts.list", what=methods)}
        one = len(lost) == 1 and first.method
        row |= {"calibration": first.calibration, "images": first.images} if one else {}
        rows.append(row | {column: reason})
    return rows


def _precisions(candidates: list[Candidate]) -> Text:
    return W("parts.list", what=[candidate.precision_label for candidate in candidates])


def _table(rows: list[dict[str, Any]], columns: list[Column], caption: Text, folded: bool = False) -> Table:
    return Table(rows or [{columns[0].key: COMMON("table.not_recorded")}], columns, caption, folded)
