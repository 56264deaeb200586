"""Plots of notebook 07: accuracy with intervals, size and throughput, accuracy against throughput."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lib.figures import base
from lib.precision import PRECISIONS
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lib.pairs import Pair
    from lib.precision_study import Study

ACCURACY = Text("accuracy on the test images (%), 95 % interval", "テスト画像での正解率(%)、95%信頼区間")
SIZE = Text("model file (MB)", "モデルファイル(MB)")
THROUGHPUT = Text("throughput (images/s)", "スループット(枚/秒)")
THROUGHPUT_LOG = Text("throughput (images/s, logarithmic)", "スループット(枚/秒、対数目盛)")


def accuracy(done: Study) -> Callable[[Language], Figure]:
    """Dot plot: accuracy of every pair with its Wilson interval; the line is the reference."""

    def draw(language: Language) -> Figure:
        rows = done.measured
        with base.style(language):
            figure, axes = base.subplots(height_in=1.0 + 0.38 * len(rows))
            for y, pair in enumerate(rows):
                value, low, high = _accuracy(done, pair)
                colour = PRECISIONS[pair.precision].colour
                axes.errorbar(value, y, xerr=[[value - low], [high - value]], fmt="o", color=colour, capsize=3)
                axes.annotate(f"{value:.2f}", (value, y), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8)
            axes.axvline(_accuracy(done, rows[0])[0], color="grey", linewidth=1, linestyle=":")
            _names(axes, rows, language)
            axes.set_xlabel(ACCURACY.in_(language))
        return figure

    return draw


def cost(done: Study) -> Callable[[Language], Figure]:
    """Bars side by side: size of the model file and throughput, one row a pair, coloured by precision."""

    def draw(language: Language) -> Figure:
        rows = done.measured
        with base.style(language):
            figure, (left, right) = base.subplots(1, 2, height_in=1.0 + 0.38 * len(rows))
            _bars(left, rows, [(done.value(pair, "file_size") or 0) / 1e6 for pair in rows], "{:.2f}")
            _bars(right, rows, [done.value(pair, "throughput") or 0 for pair in rows], "{:,.0f}")
            _names(left, rows, language)
            _names(right, rows, language, shown=False)
            left.set_xlabel(SIZE.in_(language))
            right.set_xlabel(THROUGHPUT.in_(language))
        return figure

    return draw


def trade(done: Study) -> Callable[[Language], Figure]:
    """Accuracy (with its interval) against throughput; up and to the right is better. Names stand beside the axes."""

    def draw(language: Language) -> Figure:
        rows = [pair for pair in done.measured if done.value(pair, "throughput")]
        rows.sort(key=lambda pair: (_accuracy(done, pair)[0], done.value(pair, "throughput")))
        with base.style(language):
            figure, axes = base.subplots(height_in=4.0)
            axes.set_xscale("log")
            for place, pair in zip(np.linspace(0.04, 0.96, len(rows)), rows, strict=True):
                x, (value, low, high) = done.value(pair, "throughput"), _accuracy(done, pair)
                colour = PRECISIONS[pair.precision].colour
                axes.errorbar(x, value, yerr=[[value - low], [high - value]], fmt="o", color=colour, capsize=2, elinewidth=0.8)
                arrow = {"arrowstyle": "-", "color": colour, "linewidth": 0.6}
                text = {"textcoords": "axes fraction", "va": "center", "fontsize": 8, "color": colour, "arrowprops": arrow}
                axes.annotate(pair.name.in_(language), (x, value), (1.04, place), **text)
            axes.set_xlabel(THROUGHPUT_LOG.in_(language))
            axes.set_ylabel(ACCURACY.in_(language))
        return figure

    return draw


def _accuracy(done: Study, pair: Pair) -> tuple[float, float, float]:
    """Accuracy and its interval, in %."""
    record = done.get(pair, "accuracy")
    return 100 * record.value, 100 * record.stats["ci_low"], 100 * record.stats["ci_high"]


def _bars(axes: Axes, rows: list[Pair], values: list[float], label: str) -> None:
    drawn = axes.barh(range(len(rows)), values, color=[PRECISIONS[pair.precision].colour for pair in rows])
    axes.bar_label(drawn, [label.format(value) if value else "–" for value in values], padding=3, fontsize=8)
    axes.margins(x=0.22)


def _names(axes: Axes, rows: list[Pair], language: Language, shown: bool = True) -> None:
    axes.set_yticks(range(len(rows)), [pair.name.in_(language) if shown else "" for pair in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.7)
