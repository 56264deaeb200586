"""Plots of notebook 02: how large the exported files are and how far they are from the reference."""

from __future__ import annotations

from lib.pages import apart, common
from lib.pages.export import rules
from lib.pages.export.rules import W
from lib.show import figure as base
from lib.show.table import Figure
from lib.store.run import Run


def sizes(run: Run) -> Figure:
    """Horizontal bars, MB a file, each with its number."""
    there = run.candidates("file_size")
    rows = [base.Row(rules.file_label(run, c), c.colour, (common.value(run, "file_size", c) or 0) / 1e6) for c in there]
    return base.bar_chart(rows, 2, W("axes.size"), W("alts.sizes"), W("captions.sizes"))


def differences(run: Run) -> Figure:
    """Largest differences on a logarithmic axis, each with the limit of its precision as a vertical line."""
    values = {r.candidate: r.value for r in run.records("max_abs") if r.value is not None and r.candidate}
    return apart.differences(run, values, rules.label)
