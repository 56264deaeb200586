"""The headline table: one row a runner and precision, each number the one that the run holds of it."""

from __future__ import annotations

from typing import Any

from lib import stats
from lib.experiment.candidate import HARNESS, Candidate, ordered
from lib.pages import against, common
from lib.report.shell import WORDS
from lib.show.columns import columns
from lib.show.table import BEST, PRECISION, RUNNER, Column, Table, named
from lib.store.records import Record
from lib.store.run import Run
from lib.text import Text

ACCURACY, AGREEMENT, SIZE, LATENCY, THROUGHPUT, GPU = columns(WORDS, "accuracy agreement size latency throughput gpu_compute")
LOAD = Column("load", WORDS("columns.load"), "s", 3)
# Column -> metric, scope, and what one of its records shows.
NUMBERS: dict[Column, tuple[str, str, Any]] = {
    ACCURACY: ("accuracy", "", common.share),
    AGREEMENT: ("agreement", "", common.share),
    SIZE: ("file_size", "", lambda record: common.number(record, 1e-6)),
    LOAD: ("load_time", "", common.number),
    LATENCY: ("latency", "end_to_end", common.number),
    THROUGHPUT: ("latency", "end_to_end", common.told_rate),
    GPU: ("latency", "gpu_compute", common.number),
}


def table(run: Run, doubtful: bool = False) -> Table:
    """The table of what a run has measured, empty where it measured nothing of it; latencies at the recorded profile's batch size.

    doubtful: the machine was disturbed, so no best is marked. Its rows also carry `candidate`. The column of GPU time is there
    where any was measured, agreement with the reference in the place of accuracy where nobody labelled the test images.
    """
    rows = [_row(run, candidate) for candidate in _candidates(run)]
    if not rows:
        return Table([], [RUNNER, PRECISION], Text("", ""))
    if not doubtful:
        _mark(run, rows)
    lacking = {AGREEMENT if against.labelled(run) else ACCURACY} | (set() if any(measured(row, GPU) for row in rows) else {GPU})
    shown = [column for column in NUMBERS if column not in lacking]
    caption = WORDS("headline.caption", batch=batch_size(run))
    if not against.labelled(run):
        caption = WORDS("headline.unlabelled", batch=batch_size(run), reference=against.reference(run))
    return Table(rows, [RUNNER, PRECISION, *shown], WORDS("headline.doubtful", caption=caption) if doubtful else caption)


def batch_size(run: Run) -> int:
    """Images a call at which runners are compared, as the run's own profile says."""
    return run.profile.precision.batch_size


def number(run: Run, candidate: Candidate, column: Column) -> Record | None:
    """The one record that a run holds of a candidate's number, None where there is none."""
    metric, scope, _ = NUMBERS[column]
    return common.latency(run, candidate, scope=scope, batch_size=batch_size(run)) if scope else run.find(metric, candidate)


def measured(row: dict[str, Any], column: Column) -> bool:
    """Whether a row carries a number in this column; one of reasons alone has none."""
    return isinstance(row.get(column.key), (int, float, stats.Interval))


def _candidates(run: Run) -> list[Candidate]:
    """What any number is of, called the plain way, but for the harness, which is no candidate for production."""
    without = AGREEMENT if against.labelled(run) else None
    metrics = {metric for column, (metric, _, _) in NUMBERS.items() if column != without}
    found = [record.candidate for record in run.everywhere() if record.metric in metrics and not record.case and record.candidate]
    return ordered(candidate for candidate in found if candidate == candidate.plain and candidate.runner != HARNESS)


def _row(run: Run, candidate: Candidate) -> dict[str, Any]:
    row: dict[str, Any] = {"candidate": candidate} | named(candidate)
    for column, (_, _, shown) in NUMBERS.items():
        record = number(run, candidate, column)
        row[column.key] = None if record is None else record.reason or shown(record)
    return row


def _mark(run: Run, rows: list[dict[str, Any]]) -> None:
    """Mark the fastest and all that cannot be told from it, where one page has timed them all in the same rounds."""
    timed = {row["candidate"]: record for row in rows if (record := number(run, row["candidate"], LATENCY)) and record.value is not None}
    for stage, file in run.files.items():
        if timed and all(record in file.records for record in timed.values()):
            best = common.best_rates(run.of(stage), timed)
            for row in rows:
                row[BEST] = {LATENCY.key, THROUGHPUT.key} if row["candidate"] in best else set()
