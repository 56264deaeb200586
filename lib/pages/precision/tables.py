"""The tables of notebook 07: accuracy against the reference, and what each candidate costs."""

from __future__ import annotations

from typing import Any

from lib import stats
from lib.pages import against, common
from lib.pages.precision import rules
from lib.pages.precision.rules import W
from lib.show.columns import columns
from lib.show.table import Table, named
from lib.store.run import Run


def accuracy(run: Run) -> Table:
    """Accuracy with its interval (%), and the paired comparison with the reference (percentage points); where nobody labelled the
    images, `agreement`."""
    if not against.labelled(run):
        return agreement(run)
    rows, found = list[dict[str, Any]](), [one for candidate in rules.candidates(run) if (one := run.find("accuracy", candidate))]
    for one in (one for one in found if one.value is not None):
        row = named(one.candidate) | {"accuracy": common.share(one), "correct": one.stats["correct"], "difference": common.points(one)}
        if only := common.only(one):
            row |= {"only_reference": only[0], "only_candidate": only[1], "p": stats.mcnemar(*only[:2])}
        rows.append(row)
    keys = "runner precision accuracy difference correct only_reference only_candidate p"
    return Table(rows + common.missing_rows(found, "accuracy"), columns(W, keys), W("captions.accuracy_table"))


def agreement(run: Run) -> Table:
    """Images with the reference's class (%), with the interval, and the largest difference of an output."""
    rows, reference = list[dict[str, Any]](), against.reference(run)
    found = [one for candidate in rules.candidates(run) if (one := run.find("agreement", candidate)) and candidate != reference]
    for one in (one for one in found if one.value is not None):
        row = named(one.candidate) | {"agreement": common.share(one), "differ": one.stats["total"] - one.stats["correct"]}
        rows.append(row | {"max_abs": common.number(run.find("max_abs", one.candidate))})
    caption = W("captions.agreement_table", reference=reference)
    return Table(rows + common.missing_rows(found, "agreement"), columns(W, "runner precision agreement differ max_abs"), caption)


def cost(run: Run) -> Table:
    """Size (MB), load time (ms), latency (ms) and throughput (images/s) at the profile's batch size."""
    found, rows, why = rules.latencies(run), list[dict[str, Any]](), {record.candidate: record.reason for record in rules.asked(run)}
    best, sizes = common.best_rates(run, found), [one for candidate in rules.candidates(run) if (one := run.find("file_size", candidate))]
    for size in (size for size in sizes if size.value is not None):
        candidate, load = size.candidate, run.find("load_time", size.candidate)
        row = named(candidate) | {"size": size.value / 1e6, "load": common.number(load)}
        if load is not None and load.value is not None:
            row["load"] = stats.Interval(*(1e3 * end for end in (load.value, load.stats["min"], load.stats["max"])))
        if latency := found.get(candidate):
            row |= {"latency": latency.value, "throughput": common.rate(latency)}
            row |= {"ratio": common.speedup(latency, found.get(common.full(candidate)))}
        else:
            row |= dict.fromkeys(("latency", "throughput"), why.get(candidate) or common.NOT_RECORDED)
        rows.append(row | {"best": {"throughput"} if candidate in best else set()})
    common.mark(rows)
    caption = W("captions.cost_table", batch=run.profile.precision.batch_size if run.measured else "–")
    keys = "runner precision throughput ratio latency size load"
    return Table(rows + common.missing_rows(sizes, "size"), columns(W, keys), against.said(caption, *against.marking(rows)))
