"""Plots of notebook 07: accuracy with intervals, size and throughput, accuracy against throughput."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lib.experiment.precision import PRECISIONS
from lib.show import figure as base
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lib.experiment.candidate import Pair
    from lib.pages.precision.measure import Study

ACCURACY = Text("accuracy on the test images (%), 95 % interval", "テスト画像での正解率（%）、95%信頼区間")
SIZE = Text("model file (MB)", "モデルファイル（MB）")
THROUGHPUT = Text("throughput (images/s)", "スループット（枚/秒）")
THROUGHPUT_LOG = Text("throughput (images/s, logarithmic)", "スループット（枚/秒、対数目盛）")


WORDS = {
    "accuracy": (
        Text("Dot plot of accuracy with its interval by runner and precision", "実行系と数値精度ごとの正解率と信頼区間の点グラフ"),
        Text("Accuracy with its 95 % interval; dotted: the SavedModel.", "正解率と95%信頼区間。点線はSavedModel。"),
    ),
    "cost": (
        Text("Bars of model size and throughput by runner and precision", "実行系と数値精度ごとのモデルサイズとスループットの棒グラフ"),
        Text("Size of the model file and throughput, coloured by precision.", "モデルファイルの大きさとスループット。色は数値精度を表す。"),
    ),
    "trade": (
        Text("Scatter plot of accuracy against throughput", "正解率とスループットの散布図"),
        Text("Accuracy against throughput; up and to the right is better.", "正解率とスループット。右上ほどよい。"),
    ),
}


def words(figure: str) -> tuple[Text, Text]:
    """Alt text and caption of a figure of this module, by the name of its function."""
    return WORDS[figure]


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
                axes.annotate(f"{value:.2f}", (high, y), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8)
            axes.axvline(_accuracy(done, rows[0])[0], color="grey", linewidth=1, linestyle=":")
            _names(axes, rows, language)
            axes.margins(x=0.12)
            axes.set_xlabel(ACCURACY.in_(language))
        return figure

    return draw


def cost(done: Study) -> Callable[[Language], Figure]:
    """Bars side by side: size of the model file and throughput, one row a pair, coloured by precision."""

    def draw(language: Language) -> Figure:
        rows = [pair for pair in done.measured if pair.reason is None]
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
    """Accuracy (with its interval) against throughput; up and to the right is better. Names stand above, slowest first."""

    def draw(language: Language) -> Figure:
        rows = [pair for pair in done.measured if done.value(pair, "throughput")]
        rows.sort(key=lambda pair: done.value(pair, "throughput"))
        with base.style(language):
            figure, axes = base.subplots(height_in=4.8)
            _throughput_axis(axes)
            for place, pair in zip(np.linspace(0.02, 0.9, len(rows)), rows, strict=True):
                x, (value, low, high) = done.value(pair, "throughput"), _accuracy(done, pair)
                colour = PRECISIONS[pair.precision].colour
                axes.errorbar(x, value, yerr=[[value - low], [high - value]], fmt="o", color=colour, capsize=2, elinewidth=0.8)
                arrow = {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0)}
                text = {"textcoords": "axes fraction", "rotation": 35, "fontsize": 8, "color": colour, "arrowprops": arrow}
                axes.annotate(pair.name.in_(language), (x, high), (place, 1.08), **text)
            axes.set_xlabel(THROUGHPUT_LOG.in_(language))
            axes.set_ylabel(ACCURACY.in_(language))
        return figure

    return draw


def _accuracy(done: Study, pair: Pair) -> tuple[float, float, float]:
    """Accuracy and its interval, in %."""
    record = done.get(pair, "accuracy")
    return 100 * record.value, 100 * record.stats["ci_low"], 100 * record.stats["ci_high"]


def _bars(axes: Axes, rows: list[Pair], values: list[float], label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    drawn = axes.barh(range(len(rows)), values, color=[PRECISIONS[pair.precision].colour for pair in rows])
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


def _names(axes: Axes, rows: list[Pair], language: Language, shown: bool = True) -> None:
    axes.set_yticks(range(len(rows)), [pair.name.in_(language) if shown else "" for pair in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.7)
