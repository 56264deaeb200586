"""The headline table of the index page: one row a runner and precision, read from the records of whatever has run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lib.experiment.candidate import PRECISION, RUNNER
from lib.experiment.precision import PRECISIONS, named
from lib.measure import sweep
from lib.runners import RUNNERS
from lib.show.table import Column
from lib.store.records import Record
from lib.text import Text

STAGE = "07_precision"  # measures all of it together; other stages stand in while it has not run
HARNESS = "null"  # runs no model: what it measures is the harness, which is no candidate for production


@dataclass(frozen=True)
class Figure:
    """One column: which metric, `scale` from the record's unit to the one shown, and whether it belongs to a batch size."""

    column: Column
    metrics: tuple[str, ...]
    scale: float
    batched: bool = False


FIGURES = (
    Figure(Column("accuracy", Text("Accuracy", "正解率"), "%", 2, None, ("accuracy_low", "accuracy_high")), ("accuracy",), 100),
    Figure(Column("size", Text("File size", "ファイルサイズ"), "MB", 2, "min"), ("file_size", "plan_size"), 1e-6),
    Figure(Column("load", Text("Load time", "読み込み時間"), "s", 3, "min"), ("load_time",), 1),
    Figure(Column("latency", Text("Latency, median", "レイテンシ中央値"), "ms", 2, "min"), ("latency",), 1, batched=True),
    Figure(Column("throughput", Text("Throughput", "スループット"), "images/s", 0, "max"), ("throughput",), 1, batched=True),
)
COLUMNS = [RUNNER, PRECISION, *(f.column for f in FIGURES)]


def rows(found: Iterable[Record], batch_size: int) -> list[dict[str, Any]]:
    """Rows for lib.show.table, in the order of RUNNERS and PRECISIONS: keys of COLUMNS, `accuracy_low`, `accuracy_high`
    (%), `colour` and `label` (Text). A cell is the number in the column's unit, the Text that says why there is none, or None.

    Stages other than 07 count where they measured nothing but runner and precision: without a case (how it was calibrated, say), or
    the very model that another record without a case is of.
    """
    found, table = list(found), dict[tuple[str, str], dict[str, Record]]()
    models = {_model(record) for record in found if not record.case and record.artifact_sha256}
    counted = [record for record in found if record.stage == STAGE or not record.case or _model(record) in models]
    for record in sorted(counted, key=_rank):  # stable: the first one of a cell stays
        figure = _figure(record, batch_size)
        if figure is not None:
            table.setdefault((record.runner, record.precision), {}).setdefault(figure.column.key, record)
    order = [(runner, precision) for runner in RUNNERS for precision in PRECISIONS if runner != HARNESS]
    return [_row(runner, precision, table[runner, precision]) for runner, precision in order if (runner, precision) in table]


def _rank(record: Record) -> tuple[bool, bool]:
    """A number goes before a reason why there is none, unless 07 failed there or found the output wrong; then 07 before the others."""
    return record.value is None and not (record.stage == STAGE and sweep.invalid(record)), record.stage != STAGE


def measured(row: dict[str, Any], key: str) -> bool:
    """Whether a row carries a number in this column."""
    return isinstance(row[key], (int, float))


def _model(record: Record) -> tuple[str, str, str]:
    return record.runner, record.precision, record.artifact_sha256


def _figure(record: Record, batch_size: int) -> Figure | None:
    """The column that a record belongs to."""
    for figure in FIGURES:
        if record.metric in figure.metrics:
            fits = record.scope == "end_to_end" and record.batch_size == batch_size if figure.batched else record.batch_size is None
            return figure if fits or (record.stage == STAGE and not figure.batched) else None
    return None


def _row(runner: str, precision: str, cells: dict[str, Record]) -> dict[str, Any]:
    row: dict[str, Any] = {"runner": RUNNERS[runner].label, "precision": PRECISIONS[precision].label}
    row |= {"colour": PRECISIONS[precision].colour, "accuracy_low": None, "accuracy_high": None}
    for figure in FIGURES:
        record = cells.get(figure.column.key)
        row[figure.column.key] = None if record is None else _value(record, figure.scale)
    accuracy = cells.get("accuracy")
    if accuracy is not None and "ci_low" in accuracy.stats:
        row |= {"accuracy_low": 100 * accuracy.stats["ci_low"], "accuracy_high": 100 * accuracy.stats["ci_high"]}
    row["label"] = named(row["runner"], precision)
    return row


def _value(record: Record, scale: float) -> float | Text | None:
    return record.reason if record.value is None else record.value * scale
