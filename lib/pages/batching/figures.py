"""Plots of notebook 06: throughput and latency over the batch size, one panel a runner, one colour a precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.batching.rules import W
from lib.show import figure as base
from lib.show.table import NOT_RECORDED, Figure
from lib.stats import Interval
from lib.store.records import PERCENTILES, Record
from lib.store.run import Run
from lib.text import Language

PANELS_A_ROW = 3
PANEL_HEIGHT_IN = 3.2
LABEL_GAP = 0.075  # of the height of a panel, between two labels
CEILING = 0.97  # of the height of a panel: higher a label would touch the title
TICK_GAP = 0.18  # between batch sizes on the logarithmic axis, of all that it spans
Points = dict[int, Interval]  # batch size -> what is drawn, with its band


def throughput(run: Run) -> Figure:
    """Throughput (images/s) with its interval over the batch size, both axes logarithmic."""
    return _panels(run, "throughput", common.rate)


def latency(run: Run) -> Figure:
    """Median latency (ms a batch) over the batch size, up to the highest percentile that the calls carry."""
    return _panels(run, "latency", _spread)


def _spread(latency: Record) -> Interval:
    carried = [latency.stats[p] for p in PERCENTILES if latency.stats.get(p) is not None] or [latency.value]
    return Interval(carried[0], carried[0], carried[-1])


def _panels(run: Run, what: str, value: Callable[[Record], Interval]) -> Figure:
    curves = common.curves(run)
    if not curves:
        return base.sentence(NOT_RECORDED)
    runners: dict[str, dict[Candidate, Points]] = {}
    for candidate, curve in curves.items():
        runners.setdefault(candidate.runner, {})[candidate] = {size: value(record) for size, record in curve.items()}
    columns = min(PANELS_A_ROW, len(runners))
    rows = math.ceil(len(runners) / columns)

    def paint(drawn: Any, language: Language) -> None:
        axes = np.reshape(drawn, (rows, columns))
        for panel in axes.flat[1:]:
            panel.sharey(axes[0][0])
        for panel in axes.flat[len(runners) :]:
            panel.set_axis_off()
        for panel, own in zip(axes.flat, runners.values(), strict=False):
            panel.set(xscale="log", yscale="log", xlabel=W("axes.batch").in_(language))
            panel.set_title(next(iter(own)).runner_label.in_(language), fontsize=10)
            for candidate, points in own.items():
                _curve(panel, points, candidate.colour, {size: common.settled(run, r) for size, r in curves[candidate].items()})
            _ticks(panel, sorted({size for points in own.values() for size in points}))
        _value_axis(axes, W(f"axes.{what}").in_(language))
        for panel, own in zip(axes.flat, runners.values(), strict=False):  # once the shared axis has its range
            _labels(panel, own, language)

    return base.plot(paint, W(f"alts.{what}"), W(f"captions.{what}"), rows, columns, height_in=PANEL_HEIGHT_IN * rows)


def _curve(axes: base.Axes, points: Points, colour: str, settled: dict[int, bool]) -> None:
    """A line with its band; a hollow marker where the measurement did not settle."""
    sizes = list(points)
    axes.fill_between(sizes, [p.low for p in points.values()], [p.high for p in points.values()], color=colour, alpha=0.2, linewidth=0)
    axes.plot(sizes, [p.value for p in points.values()], color=colour, linewidth=1.5)
    if len(sizes) == 1:  # a band has no width there
        axes.vlines(sizes, *[[end] for point in points.values() for end in (point.low, point.high)], color=colour)
    for size, point in points.items():
        axes.plot(size, point.value, "o", color=colour, markersize=4.5, markerfacecolor=colour if settled[size] else "white")


def _ticks(axes: base.Axes, sizes: list[int]) -> None:
    """Batch sizes as ticks; room on the right for the labels."""
    span = max(sizes[-1] / sizes[0], 2)
    base.labels(axes, sizes, span**TICK_GAP)
    axes.set_xlim(sizes[0] / span**0.05, sizes[-1] * span**0.5)


def _value_axis(axes: np.ndarray, label: str) -> None:
    """Numbers on the left panels only, over many decades those of its powers alone."""
    low, high = axes[0][0].get_ylim()
    base.logarithmic(axes[0][0], axes[0][0].yaxis, fine=high < 300 * low)
    for row in axes:
        row[0].set_ylabel(label)
        for panel in row[1:]:
            panel.tick_params(labelleft=False)


def _labels(axes: base.Axes, curves: dict[Candidate, Points], language: Language) -> None:
    """Each curve's precision at its right end, moved apart where they would overlap."""
    low, high = (math.log(limit) for limit in axes.get_ylim())
    ends = {candidate: max(points.items()) for candidate, points in curves.items()}
    heights = _apart({candidate: (math.log(end.value) - low) / (high - low) for candidate, (_, end) in ends.items()})
    for candidate, height in heights.items():
        where = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "center"}
        name = candidate.precision_label.in_(language)
        axes.annotate(name, (ends[candidate][0], height), (5, 0), color=candidate.colour, fontsize=8, **where)


def _apart(heights: dict[Candidate, float]) -> dict[Candidate, float]:
    """The heights in ascending order, each at least LABEL_GAP over the one below, none over CEILING."""
    moved: dict[Candidate, float] = {}
    previous = -math.inf
    for key in sorted(heights, key=lambda k: heights[k]):
        previous = moved[key] = max(heights[key], previous + LABEL_GAP)
    ceiling = CEILING + LABEL_GAP
    for key in reversed(moved):
        ceiling = moved[key] = min(moved[key], ceiling - LABEL_GAP)
    return moved
