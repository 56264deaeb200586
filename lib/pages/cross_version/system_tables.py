"""The tables of systems on machines of their own: what they are, TensorRT's numbers on each, their ratios to the baseline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lib.experiment.candidate import Candidate
from lib.pages import against, common
from lib.pages.cross_version import systems
from lib.pages.cross_version.systems import System
from lib.pages.cross_version.versions import W
from lib.show.columns import columns
from lib.show.table import Column, Table
from lib.stats import Interval
from lib.store.records import Reason
from lib.store.run import Run

# metric -> unit shown, factor from the record's, digits; a latency is shown as throughput
# Not the build time: notebook 03 builds engine after engine from one timing cache, and what that held already decides how long each takes
METRICS = {"file_size": ("MB", 1e-6, 2), "accuracy": ("%", 100.0, 2), "latency": ("images/s", 1.0, 0)}
METRICS["agreement"] = METRICS["accuracy"]  # in its place where no system knows the right classes
NAMES = columns(W, "tensorrt system precision")


def overview(run: Run) -> Table:
    """One row a system: what it is and how many records it left."""
    rows = [
        {
            "system": system.id,
            "tensorrt": system.tensorrt or "–",
            "gpu": system.card,
            "driver": system.gpu.get("driver_version", "–"),
            "cpu": f"{system.description.get('cpu', '–')} × {system.description.get('cores', '–')}",
            "records": sum(len(file.records) for file in system.run.files.values()),
        }
        for system in systems.systems(run)[0]
    ]
    return Table(rows, columns(W, "system tensorrt gpu driver cpu records"), W("captions.systems"))


def results(run: Run) -> Table:
    """One row a system and precision: what TensorRT gave there, or the reason why there is nothing."""
    found, left_out = systems.compared(run)
    rows = [_row(system, candidate, value) for system in found for candidate in systems.candidates([system])]
    forms = {m: METRICS[m] for m in _shown(found)}
    numbers = [Column(m, W(f"columns.{m}"), unit, digits, interval=m == "latency") for m, (unit, _, digits) in forms.items()]
    caption = W("captions.results_but", systems=[system.id for system in left_out]) if left_out else W("captions.results")
    return Table(rows, NAMES + numbers, caption)


def ratios(run: Run) -> Table:
    """One row a system but the baseline and a precision: each number over the baseline's; none where there is nothing to compare."""
    found, _ = systems.compared(run)
    numbers = [Column(m, W(f"columns.{m}"), "×", 3, interval=m == "latency") for m in _shown(found)]
    if len(found) < 2:
        return Table([], NAMES + numbers, W("captions.ratios_empty"))
    base, *others = found
    rows = [_row(system, candidate, partial(systems.ratio, base)) for system in others for candidate in systems.candidates(found)]
    return Table(rows, NAMES + numbers, W("captions.ratios", baseline=f"{base.name}, {base.id}"))


def _shown(found: list[System]) -> list[str]:
    """The metrics that have a column."""
    judged = "agreement" if found and not any(against.labelled(system.run) for system in found) else "accuracy"
    return ["file_size", judged, "latency"]


def _row(system: System, candidate: Candidate, cell: Callable[[System, str, Candidate], Any]) -> dict[str, Any]:
    names = {"tensorrt": system.tensorrt or "–", "system": system.id, "precision": candidate.precision_label}
    return names | {metric: cell(system, metric, candidate) for metric in METRICS}


def value(system: System, metric: str, candidate: Candidate) -> Interval | float | Reason:
    """What a system's record of one of METRICS shows, or why there is nothing."""
    record = system.find(metric, candidate)
    if record is None:
        return Reason("not_on_system")
    return common.told_rate(record) if metric == "latency" and record.value is not None else common.number(record, METRICS[metric][1])
