"""Notebook 08: one number of every precision on every system."""

from __future__ import annotations

from lib.pages.cross_version import rules, tables
from lib.pages.cross_version.rules import W
from lib.show import figure as base
from lib.show.table import Figure
from lib.store.records import Reason
from lib.store.run import Run
from lib.text import Text


def compare(run: Run, metric: str) -> Figure:
    """Horizontal bars of a metric of tables.METRICS, grouped by system, in the colours of the precisions; only what was measured."""
    (unit, _, digits), what, rows = tables.METRICS[metric], W(f"columns.{metric}"), list[base.Row]()
    for system, candidate in [(each, candidate) for each in rules.systems(run)[0] for candidate in rules.candidates([each])]:
        if not isinstance(value := tables.value(system, metric, candidate), Reason):
            name = Text(*(f"{precision} | {system.name}" for precision in candidate.precision_label))
            rows.append(base.Row(name, candidate.colour, value))
    label = Text(*(f"{word} ({unit})" for word in what))
    return base.bar_chart(rows, digits, label, W("alts.compare", what=what), W("captions.compare", what=what))
