"""Plots of notebook 07: accuracy with intervals, size and throughput, accuracy against throughput."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lib import stats
from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.precision import rules
from lib.pages.precision.rules import W
from lib.show import figure as base
from lib.show.table import Figure
from lib.stats import Interval
from lib.store.run import Run
from lib.text import Language

if TYPE_CHECKING:
    import matplotlib.figure
    from matplotlib.axes import Axes

ROW_IN, FRAME_IN = 0.38, 1.0  # of the height of a figure with a row a candidate


def accuracy(run: Run) -> Figure:
    """Dot plot: accuracy of every candidate with its Wilson interval; the line is the reference."""

    def draw(language: Language) -> matplotlib.figure.Figure:
        rows = _accuracies(run)
        with base.style(language):
            figure, axes = base.subplots(height_in=FRAME_IN + ROW_IN * len(rows))
            for y, (candidate, (value, low, high)) in enumerate(rows.items()):
                axes.errorbar(value, y, xerr=[[value - low], [high - value]], fmt="o", color=candidate.colour, capsize=3)
                axes.annotate(f"{value:.2f}", (high, y), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8)
            for value, *_ in list(rows.values())[:1]:
                axes.axvline(value, color="grey", linewidth=1, linestyle=":")
            _names(axes, list(rows), language)
            axes.margins(x=0.12)
            axes.set_xlabel(W("axes.accuracy").in_(language))
        return figure

    return Figure(draw, W("alts.accuracy"), W("captions.accuracy"))


def cost(run: Run) -> Figure:
    """Bars side by side: size of the model file and throughput, one row a candidate, coloured by precision."""

    def draw(language: Language) -> matplotlib.figure.Figure:
        sizes = {c: r.value / 1e6 for c in rules.candidates(run) if (r := run.find("file_size", c)) and r.value is not None}
        rates, rows = rules.latencies(run), list(sizes)
        with base.style(language):
            figure, (left, right) = base.subplots(1, 2, height_in=FRAME_IN + ROW_IN * len(rows))
            _bars(left, rows, list(sizes.values()), "{:.2f}")
            _bars(right, rows, [common.rate(rates[c]).value if c in rates else 0 for c in rows], "{:,.0f}")
            _names(left, rows, language)
            _names(right, rows, language, shown=False)
            left.set_xlabel(W("axes.size").in_(language))
            right.set_xlabel(W("axes.throughput").in_(language))
        return figure

    return Figure(draw, W("alts.cost"), W("captions.cost"))


def trade(run: Run) -> Figure:
    """Accuracy (with its interval) against throughput; up and to the right is better. Names stand above, slowest first."""

    def draw(language: Language) -> matplotlib.figure.Figure:
        accuracies = _accuracies(run)
        rates = {c: common.rate(latency).value for c, latency in rules.latencies(run).items() if c in accuracies}
        rows = sorted(rates, key=lambda candidate: rates[candidate])
        with base.style(language):
            figure, axes = base.subplots(height_in=4.8)
            _throughput_axis(axes)
            for place, candidate in zip(np.linspace(0.02, 0.9, len(rows)), rows, strict=True):
                x, (value, low, high), colour = rates[candidate], accuracies[candidate], candidate.colour
                axes.errorbar(x, value, yerr=[[value - low], [high - value]], fmt="o", color=colour, capsize=2, elinewidth=0.8)
                arrow = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0)}
                text = {"textcoords": "axes fraction", "rotation": 35, "fontsize": 8, "color": colour, "arrowprops": arrow}
                axes.annotate(candidate.label.in_(language), (x, high), (place, 1.08), **text)
            axes.set_xlabel(W("axes.throughput_log").in_(language))
            axes.set_ylabel(W("axes.accuracy").in_(language))
        return figure

    return Figure(draw, W("alts.trade"), W("captions.trade"))


def _accuracies(run: Run) -> dict[Candidate, Interval]:
    """Accuracy with its interval, in %, of what has one; the reference first."""
    found = {candidate: run.find("accuracy", candidate, case={}) for candidate in rules.candidates(run)}
    counts = {candidate: one.stats for candidate, one in found.items() if one is not None and one.value is not None}
    return {candidate: common.percent(stats.wilson(one["correct"], one["total"])) for candidate, one in counts.items()}


def _bars(axes: Axes, rows: Sequence[Candidate], values: list[float], label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    drawn = axes.barh(range(len(rows)), values, color=[candidate.colour for candidate in rows])
    axes.bar_label(drawn, [label.format(value) if value else "–" for value in values], padding=3, fontsize=8)
    axes.margins(x=0.22)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _throughput_axis(axes: Axes) -> None:
    """A logarithmic axis with plain numbers at 1, 2 and 5 of every decade."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _names(axes: Axes, rows: Sequence[Candidate], language: Language, shown: bool = True) -> None:
    axes.set_yticks(range(len(rows)), [candidate.label.in_(language) if shown else "" for candidate in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.7)
