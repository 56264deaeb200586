"""Plots of notebook 02: how large the exported files are and how far they are from the SavedModel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lib.experiment.candidate import Candidate
from lib.experiment.precision import PRECISIONS
from lib.pages.export import rules
from lib.pages.export.rules import W
from lib.show import figure as base
from lib.show.table import Figure
from lib.store.run import Run
from lib.text import Language

if TYPE_CHECKING:
    import matplotlib.figure
    from matplotlib.axes import Axes

ROW_IN, FRAME_IN = 0.36, 0.6
SMALLEST = 1e-9  # what is drawn for no difference at all, on the logarithmic axis


def sizes(run: Run) -> Figure:
    """Horizontal bars, MB a file, each with its number."""
    values = {c: run.find("file_size", c).value / 1e6 for c in run.candidates("export_time") if run.find("file_size", c)}

    def draw(language: Language) -> matplotlib.figure.Figure:
        with base.style(language):
            figure, ax = base.subplots(height_in=FRAME_IN + ROW_IN * max(1, len(values)))
            ax.barh(range(len(values)), list(values.values()), color=[candidate.colour for candidate in values])
            for row, value in enumerate(values.values()):
                ax.text(value, row, f" {value:.2f}", va="center", fontsize=9)
            ax.set_xlim(0, 1.12 * max(values.values(), default=1))
            ax.set_xlabel(W("axes.size").in_(language))
            _rows(ax, list(values), language)
        return figure

    return Figure(draw, W("alts.sizes"), W("captions.sizes"))


def differences(run: Run) -> Figure:
    """Largest differences on a logarithmic axis, each with the limit of its precision as a vertical line."""
    values = {r.candidate: r.value for r in run.records("max_abs") if r.value is not None and r.candidate}

    def draw(language: Language) -> matplotlib.figure.Figure:
        with base.style(language):
            figure, ax = base.subplots(height_in=FRAME_IN + ROW_IN * max(1, len(values)))
            for row, (candidate, value) in enumerate(values.items()):
                at = max(value, SMALLEST)
                ax.plot(at, row, "o", color=candidate.colour, markersize=8)
                if expected := PRECISIONS.get(candidate.precision):
                    ax.vlines(expected.max_abs_difference, row - 0.35, row + 0.35, color="black", linewidth=2)
                ax.annotate(f"{value:.1e}", (at, row), xytext=(0, 7), textcoords="offset points", fontsize=8, ha="center")
            ax.set_xscale("log")
            ax.set_ylim(-0.8, len(values) - 0.4)
            ax.set_xlabel(W("axes.difference").in_(language))
            _rows(ax, list(values), language)
        return figure

    return Figure(draw, W("alts.differences"), W("captions.differences"))


def _rows(ax: Axes, candidates: Sequence[Candidate], language: Language) -> None:
    ax.set_yticks(range(len(candidates)), [rules.label(candidate).in_(language) for candidate in candidates])
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
