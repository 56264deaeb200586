"""Plots of notebook 06: throughput and latency over the batch size, one panel a runner, one colour a precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lib.experiment.precision import PRECISIONS
from lib.pages.batching import rules as batching
from lib.runners import RUNNERS
from lib.show import figure as base
from lib.store.records import Record
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS_A_ROW = 3
PANEL_HEIGHT_IN = 3.2
LABEL_GAP = 0.075  # of the height of a panel, between two labels
CEILING = 0.97  # of the height of a panel: higher a label would touch the title
TICK_GAP = 0.18  # between batch sizes on the logarithmic axis, of all that it spans
AXIS_BATCH = Text("batch size (log)", "バッチサイズ（対数）")
AXIS_RATE = Text("throughput, images/s (log)", "スループット、images/s（対数）")
AXIS_LATENCY = Text("latency, ms a batch (log)", "レイテンシ、ms/バッチ（対数）")
THROUGHPUT_ALT = Text(
    "Throughput in images per second over the batch size, one panel a runner, one line a precision, both axes logarithmic. "
    "The table below has the numbers.",
    "バッチサイズに対するスループット（images/s）。実行系ごとのパネルに数値精度ごとの線を示す。両軸とも対数。値は下の表にある。",
)
THROUGHPUT_CAPTION = Text(
    "Throughput with its 95 % interval. Hollow: not stable.", "スループットと95%信頼区間。白抜きは安定しなかった測定である。"
)
LATENCY_ALT = Text(
    "Latency in milliseconds a batch over the batch size, one panel a runner, one line a precision, both axes logarithmic. "
    "The table below has the numbers.",
    "バッチサイズに対するレイテンシ（ms/バッチ）。実行系ごとのパネルに数値精度ごとの線を示す。両軸とも対数。値は下の表にある。",
)
LATENCY_CAPTION = Text(
    "Median latency, and up to the highest percentile that the calls carry. Hollow: not stable.",
    "レイテンシの中央値と、求められる最も高いパーセンタイルまでの範囲。白抜きは安定しなかった測定である。",
)


def throughput(records: list[Record], language: Language) -> Figure:
    """Throughput (images/s) with its 95 % interval over the batch size, both axes logarithmic."""

    def band(record: Record) -> tuple[float, float]:
        return batching.interval(record)[1:]

    return _panels(records, "throughput", AXIS_RATE, band, language)


def latency(records: list[Record], language: Language) -> Figure:
    """Median latency (ms a batch) over the batch size, up to the highest percentile that the samples carry."""

    def band(record: Record) -> tuple[float, float]:
        carried = [record.stats[key] for key in ("p50", "p90", "p95", "p99") if record.stats[key] is not None]
        return carried[0], carried[-1]

    return _panels(records, "latency", AXIS_LATENCY, band, language)


def _panels(records: list[Record], metric: str, axis: Text, band: Callable[[Record], tuple[float, float]], language: Language) -> Figure:
    curves = batching.measured(records, metric)
    runners = list(dict.fromkeys(runner for runner, _ in curves))
    columns = min(PANELS_A_ROW, len(runners)) or 1
    rows = math.ceil(len(runners) / columns) or 1
    with base.style(language):
        figure, drawn = base.subplots(rows, columns, height_in=PANEL_HEIGHT_IN * rows)
        axes = np.reshape(drawn, (rows, columns))
        for panel in axes.flat[1:]:
            panel.sharey(axes[0][0])
        for panel in axes.flat[len(runners) :]:
            panel.set_axis_off()
        for panel, runner in zip(axes.flat, runners, strict=False):
            panel.set(xscale="log", yscale="log", xlabel=AXIS_BATCH.in_(language))
            panel.set_title(RUNNERS[runner].label.in_(language), fontsize=10)
            for precision in (p for r, p in curves if r == runner):
                _curve(panel, curves[runner, precision], PRECISIONS[precision].colour, band)
            _ticks(panel, sorted({size for pair in curves for size in curves[pair]}))
        _value_axis(axes, axis.in_(language))
        for panel, runner in zip(axes.flat, runners, strict=False):  # once the shared axis has its range
            _labels(panel, {p: curve for (r, p), curve in curves.items() if r == runner}, language)
    return figure


def _curve(axes: Axes, curve: dict[int, Record], colour: str, band: Callable[[Record], tuple[float, float]]) -> None:
    """A line with its band; a hollow marker where the measurement was not stable."""
    sizes, values = list(curve), [record.value for record in curve.values()]
    low, high = zip(*(band(record) for record in curve.values()), strict=True)
    axes.fill_between(sizes, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(sizes, values, color=colour, linewidth=1.5)
    for size, record in curve.items():
        axes.plot(size, record.value, "o", color=colour, markersize=4.5, markerfacecolor=colour if record.stats["stable"] else "white")


def _ticks(axes: Axes, sizes: list[int]) -> None:
    """Batch sizes as ticks, without those whose numbers would touch; room on the right for the labels."""
    span, shown = max(sizes[-1] / sizes[0], 2), sizes[:1]
    for size in sizes:
        if size >= shown[-1] * span**TICK_GAP:
            shown.append(size)
    axes.set_xticks(shown, [str(size) for size in shown])
    axes.minorticks_off()
    axes.set_xlim(sizes[0] / span**0.05, sizes[-1] * span**0.5)


def _value_axis(axes: np.ndarray, label: str) -> None:
    """Plain numbers at 1, 2, 5 times the powers of ten (the powers alone over many decades), on the left panels only."""
    from matplotlib.ticker import LogLocator

    low, high = axes[0][0].get_ylim()
    axes[0][0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
    axes[0][0].yaxis.set_major_formatter("{x:,g}")
    for row in axes:
        row[0].set_ylabel(label)
        for panel in row[1:]:
            panel.tick_params(labelleft=False)


def _labels(axes: Axes, curves: dict[str, dict[int, Record]], language: Language) -> None:
    """Each curve's precision at its right end, moved apart where they would overlap."""
    low, high = (math.log(limit) for limit in axes.get_ylim())
    ends = {p: (math.log(list(curve.values())[-1].value or 1) - low) / (high - low) for p, curve in curves.items()}
    for precision, height in _apart(ends).items():
        last = list(curves[precision])[-1]
        axes.annotate(
            PRECISIONS[precision].label.in_(language),
            (last, height),
            xycoords=("data", "axes fraction"),
            xytext=(5, 0),
            textcoords="offset points",
            color=PRECISIONS[precision].colour,
            fontsize=8,
            verticalalignment="center",
        )


def _apart(heights: dict[str, float]) -> dict[str, float]:
    """The heights in ascending order, each at least LABEL_GAP over the one below, none over CEILING."""
    moved: dict[str, float] = {}
    previous = -math.inf
    for key in sorted(heights, key=lambda k: heights[k]):
        previous = moved[key] = max(heights[key], previous + LABEL_GAP)
    ceiling = CEILING + LABEL_GAP
    for key in reversed(moved):
        ceiling = moved[key] = min(moved[key], ceiling - LABEL_GAP)
    return moved
