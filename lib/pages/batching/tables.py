"""The tables of notebook 06: how it was measured, one row a candidate, one row a candidate and batch size."""

from __future__ import annotations

from typing import Any

from lib.experiment.candidate import HARNESS, Candidate
from lib.pages import against, common
from lib.pages.batching import rules
from lib.pages.batching.rules import W
from lib.show.columns import columns
from lib.show.table import Column, Table, named
from lib.store.records import PERCENTILES
from lib.store.run import Run
from lib.words import COMMON


def method(run: Run) -> Table:
    """The settings of the measurement."""
    m = run.profile.measuring
    told = {key: sorted({r.stats[key] for r in run.records("latency") if key in r.stats}) for key in ("threads", "mode")}
    shown = {
        "warmup": f"{m.warmup_s:g} s",
        "rounds": str(m.rounds),
        "slice": f"{m.slice_s:g} s",
        "least_ratio": f"{m.least_ratio:.0%}",
        "tolerance": f"{m.tolerance:.0%}",
        "threads": ", ".join(map(str, told["threads"])) or "–",
        "int8_mode": W("settings.mode", modes=[W.groups["modes"].get(mode, mode) for mode in told["mode"]]) if told["mode"] else "–",
        "seed": f"{run.info.run_id}/{run.info.stage}",
    }
    rows = [{"setting": W(f"settings.{key}"), "value": value} for key, value in shown.items()]
    return Table(rows, columns(W, "setting value"), W("captions.method"), folded=True)


def summary(run: Run) -> Table:
    """One row a candidate: where throughput is highest, the smallest batch size that cannot be told from it, latency at the
    smallest batch size and what batching gains."""
    curves, sizes, rows = common.curves(run), rules.compared(run), list[dict[str, Any]]()
    top = {candidate: rules.fastest(curve) for candidate, curve in curves.items()}
    best = common.best_rates(run, top)
    for candidate, curve in curves.items():
        enough = rules.enough(run, curve) if common.calm(run) else None
        row = named(candidate) | {"best_batch": top[candidate].batch_size, "throughput": common.told_rate(top[candidate]), "enough": enough}
        row |= dict.fromkeys(("latency_smallest", "latency"), curve[min(curve)].value)
        row |= {"gain": sizes and common.speedup(curve[sizes[1]], curve[sizes[0]])}
        rows.append(row | {"best": {"throughput"} if candidate in best else set()})
    rows, marked = rows + _missing(run, curves), against.marking(rows)
    if (batch := rules.only_batch(run)) is not None:  # there is nothing to choose
        return Table(rows, columns(W, "runner precision throughput latency"), against.said(W("captions.summary_one", batch=batch), *marked))
    small, large = sizes or ("–", "–")
    keys = "runner precision throughput best_batch enough latency_smallest gain"
    return Table(rows, columns(W, keys), against.said(W("captions.summary", small=small, large=large), *marked))


def detail(run: Run) -> Table:
    """One row a candidate and batch size: percentiles in ms, throughput, whether the rounds agree; folded."""
    rows, curves, gpu = list[dict[str, Any]](), common.curves(run), common.curves(run, "gpu_compute")
    labels = {"p50": COMMON("columns.latency")} | {p: W("columns.percentile", p=p) for p in PERCENTILES[1:]}
    labels |= {"gpu": COMMON("columns.gpu_compute")} if gpu else {}
    times = [Column(key, label, "ms", 4) for key, label in labels.items()]
    for latency in run.records("latency", scope="end_to_end"):
        candidate, size = latency.candidate, latency.batch_size
        if candidate is None or (latency.value is None and candidate not in curves):
            continue
        row = named(candidate) | {"batch_size": size, "throughput": latency.reason}
        if latency.value is not None:
            agree = W("settled.yes" if common.settled(run, latency) else "settled.no")
            row |= {p: latency.stats.get(p) for p in PERCENTILES} | {"calls": latency.stats.get("n"), "settled": agree}
            row |= {"throughput": common.rate(latency), "gpu": gpu[candidate][size].value if size in gpu.get(candidate, {}) else None}
        rows.append(row)
    rows += _missing(run, curves)
    shown = columns(W, "runner precision batch_size") + times + columns(W, "calls throughput settled")
    return Table(rows, shown, W("captions.detail_gpu") if gpu else W("captions.detail"), folded=True)


def _missing(run: Run, curves: dict[Candidate, Any]) -> list[common.Row]:
    """Rows of candidates that have no latency at any batch size; not of the harness."""
    without = [r for r in run.records("latency") if r.candidate and r.candidate not in curves and r.candidate.runner != HARNESS]
    return common.missing_rows(without, "throughput")
