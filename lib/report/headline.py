"""The headline table: one row a runner and precision, each number the one that the run holds of it."""

from __future__ import annotations

from typing import Any

from lib import stats
from lib.experiment.candidate import HARNESS, Candidate, ordered
from lib.pages import common
from lib.show.table import BEST, PRECISION, RUNNER, Column, Table, named
from lib.store.records import Record
from lib.store.run import Run
from lib.text import Text
from lib.words import COMMON, Words

WORDS = Words(__file__)
ACCURACY = Column("accuracy", COMMON("columns.accuracy"), "%", 2, interval=True)
SIZE = Column("size", WORDS("columns.size"), "MB", 2)
LOAD = Column("load", WORDS("columns.load"), "s", 3)
LATENCY = Column("latency", COMMON("columns.latency"), "ms", 2)
THROUGHPUT = Column("throughput", COMMON("columns.throughput"), "images/s", 0, interval=True)
GPU = Column("gpu", COMMON("columns.gpu_compute"), "ms", 3)
# Column -> metric, scope, and what one of its records shows.
NUMBERS: dict[Column, tuple[str, str, Any]] = {
    ACCURACY: ("accuracy", "", lambda record: _share(record)),
    SIZE: ("file_size", "", lambda record: record.value / 1e6),
    LOAD: ("load_time", "", lambda record: record.value),
    LATENCY: ("latency", "end_to_end", lambda record: record.value),
    THROUGHPUT: ("latency", "end_to_end", lambda record: _rate(record)),
    GPU: ("latency", "gpu_compute", lambda record: record.value),
}


def table(run: Run, doubtful: bool = False) -> Table:
    """The table of what a run has measured, empty where it measured nothing of it; latencies at the recorded profile's batch size.

    doubtful: the machine was disturbed, so no best is marked. Its rows also carry `candidate`. The column of GPU time is there
    where any was measured.
    """
    rows = [_row(run, candidate) for candidate in _candidates(run)]
    if not rows:
        return Table([], [RUNNER, PRECISION], Text("", ""))
    if not doubtful:
        _mark(run, rows)
    columns = [column for column in NUMBERS if column != GPU or any(measured(row, GPU) for row in rows)]
    caption = WORDS("headline.caption", batch=batch_size(run))
    return Table(rows, [RUNNER, PRECISION, *columns], WORDS("headline.doubtful", caption=caption) if doubtful else caption)


def batch_size(run: Run) -> int:
    """Images a call at which runners are compared, as the run's own profile says."""
    return run.profile.precision.batch_size


def number(run: Run, candidate: Candidate, column: Column) -> Record | None:
    """The one record that a run holds of a candidate's number, None where there is none."""
    metric, scope, _ = NUMBERS[column]
    size = batch_size(run) if scope else None
    return run.find(metric, candidate, scope=scope, batch_size=size, case={})


def measured(row: dict[str, Any], column: Column) -> bool:
    """Whether a row carries a number in this column."""
    return isinstance(row[column.key], (int, float, stats.Interval))


def _candidates(run: Run) -> list[Candidate]:
    """What any number is of, called the plain way, but for the harness, which is no candidate for production."""
    metrics = {metric for metric, _, _ in NUMBERS.values()}
    found = [record.candidate for record in run.everywhere() if record.metric in metrics and not record.case and record.candidate]
    return ordered(candidate for candidate in found if candidate == candidate.plain and candidate.runner != HARNESS)


def _row(run: Run, candidate: Candidate) -> dict[str, Any]:
    row: dict[str, Any] = {"candidate": candidate} | named(candidate)
    for column, (_, _, shown) in NUMBERS.items():
        record = number(run, candidate, column)
        row[column.key] = None if record is None else record.reason or shown(record)
    return row


def _share(record: Record) -> stats.Interval | float:
    """An accuracy in percent, with its interval where it is a count of images."""
    if "correct" not in record.stats:
        return 100 * (record.value or 0)
    return common.percent(stats.wilson(record.stats["correct"], record.stats["total"]))


def _rate(record: Record) -> stats.Interval | float:
    """Images per second, with the interval over rounds; without one where an earlier version timed each in one block, which has none."""
    rate = common.rate(record)
    return rate.value if _in_one_block(record) else rate


def _in_one_block(record: Record) -> bool:
    return record.stats.get("rounds") == "windows"  # lib/store/migrate.py


def _mark(run: Run, rows: list[dict[str, Any]]) -> None:
    """Mark the fastest and all that cannot be told from it, where one page has timed them all in the same rounds."""
    found = {candidate: number(run, candidate, LATENCY) for candidate in (row["candidate"] for row in rows)}
    timed = {candidate: record for candidate, record in found.items() if record is not None and record.value is not None}
    if any(map(_in_one_block, timed.values())):
        return
    together = any(all(record in file.records for record in timed.values()) for file in run.files.values())
    if len(timed) < 2 or not together or len({len(record.samples) for record in timed.values()}) > 1:
        return
    best = stats.best({candidate: record.samples for candidate, record in timed.items()}, run.profile.measuring.least_ratio)
    for row in rows:
        row[BEST] = {LATENCY.key, THROUGHPUT.key} if row["candidate"] in best and len(best) < len(timed) else set()
