"""Plots of notebook 02: how large the exported files are and how far they are from the SavedModel."""

from __future__ import annotations

from lib.pages import common
from lib.pages.export import rules
from lib.pages.export.rules import W
from lib.pages.tolerance import NONE, limits
from lib.show import figure as base
from lib.show.table import NOT_RECORDED, Figure
from lib.stats import Interval
from lib.store.run import Run
from lib.text import Language

SMALLEST = 1e-9  # below it the logarithmic axis is linear, so that no difference at all has a place on it


def sizes(run: Run) -> Figure:
    """Horizontal bars, MB a file, each with its number."""
    rows = [base.Row(rules.label(c), c.colour, (common.value(run, "file_size", c) or 0) / 1e6) for c in run.candidates("export_time")]
    return base.bar_chart(rows, 2, W("axes.size"), W("alts.sizes"), W("captions.sizes"))


def differences(run: Run) -> Figure:
    """Largest differences on a logarithmic axis, each with the limit of its precision as a vertical line."""
    values = {r.candidate: r.value for r in run.records("max_abs") if r.value is not None and r.candidate}
    if not values:
        return base.sentence(NOT_RECORDED)
    rows = [base.Row(rules.label(c), c.colour, Interval(value, value, value)) for c, value in values.items()]

    def paint(axes: base.Axes, language: Language) -> None:
        base.dots(axes, rows, ".1e", W("axes.difference"), language)
        for y, candidate in enumerate(values):
            if (expected := limits(run, candidate)) is not NONE:
                axes.vlines(expected.max_abs, y - 0.35, y + 0.35, color="black", linewidth=2)
        axes.set_xscale("symlog", linthresh=SMALLEST)

    return base.plot(paint, W("alts.differences"), W("captions.differences"), height_in=base.height_in(rows))
