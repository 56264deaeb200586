"""The tables of notebook 08: the systems, TensorRT's numbers on each, and their ratios to the baseline."""

from __future__ import annotations

from typing import Any

from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.cross_version import rules
from lib.pages.cross_version.rules import System, W
from lib.show.table import PRECISION, Column, Table
from lib.store.records import Reason
from lib.store.run import Run

# metric -> unit shown, factor from the record's, digits; a latency is shown as throughput
METRICS = {"file_size": ("MB", 1e-6, 2), "build_time": ("s", 1.0, 2), "accuracy": ("%", 100.0, 2), "latency": ("images/s", 1.0, 0)}
NAMES = [Column("tensorrt", W("columns.tensorrt")), Column("system", W("columns.system")), PRECISION]


def overview(run: Run) -> Table:
    """One row a system: what it is and how many records it left."""
    rows = [
        {
            "system": system.id,
            "tensorrt": system.tensorrt or "–",
            "gpu": system.gpu.get("name", "–"),
            "driver": system.gpu.get("driver_version", "–"),
            "cpu": f"{system.description.get('cpu', '–')} × {system.description.get('cores', '–')}",
            "records": sum(len(file.records) for file in system.run.files.values()),
        }
        for system in rules.systems(run)[0]
    ]
    columns = [Column(key, W(f"columns.{key}")) for key in ("system", "tensorrt", "gpu", "driver", "cpu")]
    return Table(rows, [*columns, Column("records", W("columns.records"), "", 0)], W("captions.systems"))


def results(run: Run) -> Table:
    """One row a system and precision: what TensorRT gave there, or the reason why there is nothing."""
    found, _ = rules.systems(run)
    rows = [
        _named(system, candidate) | {metric: _value(system, metric, candidate) for metric in METRICS}
        for system in found
        for candidate in rules.candidates([system])
    ]
    columns = [Column(m, W(f"columns.{m}"), unit, digits, interval=m == "latency") for m, (unit, _, digits) in METRICS.items()]
    return Table(rows, NAMES + columns, W("captions.results"))


def ratios(run: Run) -> Table:
    """One row a system but the baseline and a precision: each number over the baseline's."""
    found, _ = rules.systems(run)
    base = found[0] if len(found) > 1 else None
    rows = [
        _named(system, candidate) | {metric: rules.ratio(metric, base, system, candidate) for metric in METRICS}
        for system in found[1:]
        for candidate in rules.candidates(found)
        if base is not None
    ]
    columns = [Column(m, W(f"columns.{m}"), "×", 3, interval=m == "latency") for m in METRICS]
    caption = W("captions.ratios", baseline=f"{base.name}, {base.id}") if base else W("captions.no_ratios")
    return Table(rows, NAMES + columns, caption)


def _named(system: System, candidate: Candidate) -> dict[str, Any]:
    return {"tensorrt": system.tensorrt or "–", "system": system.id, "precision": candidate.precision_label}


def _value(system: System, metric: str, candidate: Candidate) -> Any:
    record = system.find(metric, candidate)
    if record is None or record.value is None:
        return record.reason if record else Reason("not_on_system")
    return common.rate(record) if metric == "latency" else METRICS[metric][1] * record.value
