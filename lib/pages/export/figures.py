"""Plots of notebook 02: how large the exported files are and how far they are from the reference."""

from __future__ import annotations

from lib.pages import against, common
from lib.pages.export import rules
from lib.pages.export.rules import W
from lib.pages.tolerance import NONE, explained, limits
from lib.show import figure as base
from lib.show.table import NOT_RECORDED, Figure
from lib.stats import Interval
from lib.store.run import Run
from lib.text import Language

SMALLEST = 1e-9  # below it the logarithmic axis is linear, so that no difference at all has a place on it


def sizes(run: Run) -> Figure:
    """Horizontal bars, MB a file, each with its number."""
    there = run.candidates("file_size")
    rows = [base.Row(rules.file_label(run, c), c.colour, (common.value(run, "file_size", c) or 0) / 1e6) for c in there]
    return base.bar_chart(rows, 2, W("axes.size"), W("alts.sizes"), W("captions.sizes"))


def differences(run: Run) -> Figure:
    """Largest differences on a logarithmic axis, each with the limit of its precision as a vertical line."""
    values = {r.candidate: r.value for r in run.records("max_abs") if r.value is not None and r.candidate}
    if not values:
        return base.sentence(NOT_RECORDED)
    rows = [base.Row(rules.label(c), c.colour, Interval(value, value, value)) for c, value in values.items()]
    reference = against.reference(run)

    def paint(axes: base.Axes, language: Language) -> None:
        base.dots(axes, rows, ".1e", W("axes.difference", reference=reference), language)
        for y, candidate in enumerate(values):
            if (expected := limits(run, candidate)) is not NONE:
                axes.vlines(expected.max_abs, y - 0.35, y + 0.35, color="black", linewidth=2)
        axes.set_xscale("symlog", linthresh=SMALLEST)

    alt, caption = W("alts.differences", reference=reference), against.said(W("captions.differences"), explained(run))
    return base.plot(paint, alt, caption, height_in=base.height_in(rows))
