"""The tables of notebook 05: every runner against the reference, the calls of an engine, the tensors between the layers."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.against import reference, said
from lib.pages.consistency import rules
from lib.pages.consistency.rules import W
from lib.pages.tolerance import NONE, explained, limits, source, spread
from lib.show.columns import columns
from lib.show.table import Table, named
from lib.store.records import Record
from lib.store.run import Run
from lib.text import joined


def against(run: Run) -> Table:
    """One row a candidate against the reference, with the tolerances of its precision; what could not run here with its reason."""
    rows, apart, far = list[dict[str, Any]](), rules.against(run), rules.over(run)
    own = run.measured and bool(run.profile.consistency.limits)  # else all limits have one source, which the page names
    for record in run.records("cosine"):
        if record.candidate is None or record.value is None:
            continue
        row, expected = named(record.candidate), limits(run, record.candidate)
        if found := apart.get(record.candidate):
            counts = run.find("agreement", record.candidate, case={})
            row |= {"max_abs": found.max_abs, "mean_abs": found.mean_abs, "same": 100 * found.agreement}
            row |= {"cosine": record.stats.get("min"), "differ": counts.stats["total"] - counts.stats["correct"] if counts else None}
            row |= {"verdict": W("verdicts.over" if record.candidate in far else "verdicts.within")}
        else:
            row |= {"max_abs": common.NOT_RECORDED}
        if expected is not NONE:
            row |= {"limit": expected.max_abs, "min_agreement": 100 * expected.agreement}
            row |= {"source": source(run, record.candidate)} if own else {}
        rows.append(row)
    keys = "runner precision differ max_abs limit mean_abs cosine same min_agreement" + " source" * own + " verdict"
    rows += common.missing_rows(run.records("cosine"), "max_abs")
    caption = W("captions.against", total=rules.total(run), reference=reference(run))
    return Table(rows, columns(W, keys), said(caption, explained(run)))


def calls(run: Run) -> Table:
    """One row an engine and way to call it, over its batch sizes: the largest difference counts; then what did not run."""
    found = run.records("call_agreement")
    groups: dict[Candidate, list[Record]] = defaultdict(list)
    for record in found:
        if record.candidate and record.value is not None:
            groups[record.candidate].append(record)
    rows = []
    for candidate in sorted(groups, key=lambda each: (each.place[1], each.place)):  # engine by engine
        own = sorted(groups[candidate], key=lambda r: r.batch_size or 0)
        counts = {"differ": max(r.stats["total"] - r.stats["correct"] for r in own), "max_abs": max(r.stats["max_abs"] for r in own)}
        verdict = W("verdicts.equal" if all(rules.equal(record, spread(run)) for record in own) else "verdicts.different")
        batches = ", ".join(map(_batch, own))
        rows.append(named(candidate) | {"call": candidate.way.label, "batches": batches, "equal": verdict} | counts)
    total = max((record.stats.get("total", 0) for record in found), default=0) or rules.total(run)
    batch = run.profile.engines.max_batch if run.measured else "–"
    caption = W("captions.calls", total=total, batch=batch, equal=rules.EQUAL * spread(run))
    lost = sorted((record for record in found if record.candidate), key=lambda record: record.candidate.place[0])  # runner by runner
    for alike in _alike(lost):
        rows += common.missing_rows(alike, "differ", "max_abs", more=_calls)
    return Table(rows, columns(W, "precision runner call batches differ max_abs equal"), caption, folded=True)


def _batch(record: Record) -> str:
    """A batch size, with that of the last call where it is shorter."""
    size = record.batch_size or 1
    rest = record.stats["total"] % size
    return f"{size} ({rest})" if rest else str(size)


def _alike(lost: list[Record]) -> list[list[Record]]:
    """Records without a number, together where precisions of a runner lack the very same ways for one reason."""
    by: dict[Any, list[Record]] = defaultdict(list)
    for record in lost:
        if record.candidate:
            by[record.candidate.runner, record.reason, record.candidate.precision].append(record)
    alike: dict[Any, list[Record]] = defaultdict(list)
    for (runner, reason, _), own in by.items():
        alike[runner, reason, frozenset(record.candidate.way for record in own if record.candidate)] += own
    return list(alike.values())


def _calls(lost: list[Record]) -> dict[str, Any]:
    """The ways of calling among records without a number."""
    return {"call": joined(dict.fromkeys(record.candidate.way.label for record in lost if record.candidate))}


def layers(run: Run) -> Table:
    """One row a tensor of each candidate that was compared layer by layer, then those that could not be, with the reason."""
    rows, traces = list[dict[str, Any]](), rules.traces(run)
    for trace in traces:
        for layer in trace.layers:
            row = named(trace.candidate) | rules.place(layer)
            if layer.value is None:
                row |= dict.fromkeys(("relative", "roundings", "max_abs"), layer.reason)
            else:
                row |= {"relative": layer.value, "roundings": layer.value / trace.rounding, "max_abs": layer.stats.get("max_abs")}
            rows.append(row | ({"begins": W("verdicts.here")} if layer is trace.begins else {}))
    keys = "runner precision index tensor operator relative roundings max_abs begins"
    count = max((trace.layers[0].stats["images"] for trace in traces), default=0)
    caption = W("captions.layers", count=count, multiple=rules.MULTIPLE, yardstick=rules.YARDSTICK)
    return Table(rows + common.missing_rows(rules.untraced(run), "relative"), columns(W, keys), caption, folded=True)
