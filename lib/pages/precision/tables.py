"""The tables of notebook 07: accuracy against the reference, and what each candidate costs."""

from __future__ import annotations

from typing import Any

from lib import stats
from lib.pages import common
from lib.pages.precision import rules
from lib.pages.precision.rules import W
from lib.show.table import PRECISION, RUNNER, Column, Table, named
from lib.store.records import Record
from lib.store.run import Run
from lib.words import COMMON


def accuracy(run: Run) -> Table:
    """Accuracy with its interval (%), and the paired comparison with the reference (percentage points)."""
    found = {candidate: run.find("accuracy", candidate, case={}) for candidate in rules.candidates(run)}
    rows, missing = list[dict[str, Any]](), list[Record]()
    for candidate, one in found.items():
        if one is None or one.value is None:
            missing += [one] if one else []
            continue
        counts = one.stats
        row = named(candidate) | {
            "accuracy": common.percent(stats.wilson(counts["correct"], counts["total"])),
            "correct": counts["correct"],
        }
        if "only_reference" in counts:
            only = counts["only_reference"], counts["only_candidate"]
            row |= {"difference": common.percent(stats.paired(*only, counts["total"])), "p": stats.mcnemar(*only)}
            row |= {"only_reference": only[0], "only_candidate": only[1]}
        rows.append(row)
    columns = [
        RUNNER,
        PRECISION,
        Column("accuracy", COMMON("columns.accuracy"), "%", 2, interval=True),
        Column("difference", W("columns.difference"), "", 2, interval=True),
        Column("correct", W("columns.correct"), "", 0),
        Column("only_reference", W("columns.only_reference"), "", 0),
        Column("only_candidate", W("columns.only_candidate"), "", 0),
        Column("p", W("columns.p"), "", 3),
    ]
    return Table(rows + common.missing_rows(missing, "accuracy"), columns, W("captions.accuracy_table"))


def cost(run: Run) -> Table:
    """Size (MB), load time (ms), latency (ms) and throughput (images/s) at the profile's batch size."""
    found = rules.latencies(run)
    best, rows, missing = common.best_rates(run, found), list[dict[str, Any]](), list[Record]()
    for candidate in rules.candidates(run):
        size, load, latency = run.find("file_size", candidate), run.find("load_time", candidate), found.get(candidate)
        if size is None or size.value is None:
            missing += [size] if size else []
            continue
        row = named(candidate) | {"size": size.value / 1e6, "load": load.reason if load else common.NOT_RECORDED}
        if load is not None and load.value is not None:
            row["load"] = stats.Interval(*(1e3 * end for end in (load.value, load.stats["min"], load.stats["max"])))
        if latency is None:
            row |= dict.fromkeys(("latency", "throughput"), _why(run, candidate))
        else:
            row |= {"latency": latency.value, "throughput": common.rate(latency), "ratio": rules.ratio(run, candidate)}
        rows.append(row | {"best": {"throughput"} if candidate in best else set()})
    common.mark(rows, "size", 2)
    columns = [
        RUNNER,
        PRECISION,
        Column("throughput", COMMON("columns.throughput"), "images/s", 0, interval=True),
        Column("ratio", W("columns.ratio"), "×", 2, interval=True),
        Column("latency", COMMON("columns.latency"), "ms", 2),
        Column("size", W("columns.size"), "MB", 2),
        Column("load", W("columns.load"), "ms", 1, interval=True),
    ]
    caption = W("captions.cost_table", batch=run.profile.precision.batch_size if run.measured else "–")
    return Table(rows + common.missing_rows(missing, "size"), columns, caption)


def _why(run: Run, candidate: Any) -> Any:
    """Why a candidate has no latency."""
    asked = common.timed(run).records("latency", candidate=candidate)
    return next((record.reason for record in asked if record.reason), common.NOT_RECORDED)
