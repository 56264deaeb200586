"""Notebook 08: one number of every precision on every system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.pages import common
from lib.pages.cross_version import rules, tables
from lib.pages.cross_version.rules import W
from lib.show import figure as base
from lib.show.table import Figure
from lib.store.run import Run
from lib.text import Language

if TYPE_CHECKING:
    import matplotlib.figure


def compare(run: Run, metric: str) -> Figure:
    """Horizontal bars of a metric of tables.METRICS, grouped by system, in the colours of the precisions; only what was measured."""
    unit, factor, digits = tables.METRICS[metric]
    bars = []
    for system in rules.systems(run)[0]:
        for candidate in rules.candidates([system]):
            record = system.find(metric, candidate)
            if record is not None and record.value is not None:
                bars.append((system, candidate, common.rate(record).value if metric == "latency" else factor * record.value))

    def draw(language: Language) -> matplotlib.figure.Figure:
        with base.style(language):
            figure, axes = base.subplots(height_in=0.8 + 0.36 * max(len(bars), 1))
            made = axes.barh(range(len(bars)), [value for *_, value in bars], color=[candidate.colour for _, candidate, _ in bars])
            axes.bar_label(made, [f"{value:,.{digits}f}" for *_, value in bars], padding=4)
            names = [f"{candidate.precision_label.in_(language)} | {system.name}" for system, candidate, _ in bars]
            axes.set_yticks(range(len(bars)), names)
            axes.invert_yaxis()
            axes.grid(False, axis="y")
            axes.margins(x=0.14)
            axes.set_xlabel(f"{W(f'columns.{metric}').in_(language)} ({unit})")
        return figure

    return Figure(draw, W("alts.compare", what=W(f"columns.{metric}")), W("captions.compare", what=W(f"columns.{metric}")))
