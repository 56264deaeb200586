"""Plot of notebook 05: how a difference grows from tensor to tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from lib.experiment.precision import PRECISIONS
from lib.pages.consistency.measure import MULTIPLE
from lib.show import figure as base
from lib.show import table as show
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lib.pages.consistency.measure import Study, Trace

MARKERS = "osD^v<>"  # tell runners of the same precision apart
AXIS = Text("relative difference (log)", "相対差（対数）")
LIMIT = Text(f"limit of {MULTIPLE} roundings", f"丸め誤差の{MULTIPLE}倍の境界")
BEGINS = Text("begins", "始まり")
ALT = Text(
    "Relative difference of every tensor from ONNX Runtime FP32, from the input at the top to the probabilities at the bottom, "
    "on a logarithmic axis, one line a runner. The table has the numbers.",
    "ONNX RuntimeのFP32に対する各テンソルの相対差。上端が入力側、下端が確率で、横軸は対数、線は実行系ごと。値は表にある。",
)
CAPTION = Text(
    "From the first tensor at the top to the last. Dashed: the limit over which a tensor counts as different. Ringed: the first one over "
    "it. Tensors that are equal or overflow have no point.",
    "上から下へ、入力側から順に示す。破線は差があるとみなす境界、丸囲みはそれを超えた最初のテンソルである。差がないテンソルと"
    "オーバーフローしたテンソルには点がない。",
)
NOTHING = Text(
    "No runner that ran here differs from the SavedModel and can be compared layer by layer.",
    "ここで実行できた中に、SavedModelとの差があり、層ごとに比較できる実行系はない。",
)


def show_depth(done: Study) -> None:
    """Display `depth`, or the sentence that there is nothing to compare."""
    if any(trace.layers for trace in done.traces):
        show.figure(depth(done), ALT, CAPTION)
    else:
        show.html(lambda language: f"<p>{NOTHING.in_(language)}</p>")


def depth(done: Study) -> Callable[[Language], Figure]:
    """Relative difference over depth: one line a runner in the colour of its precision, its limit dashed."""
    traces = [trace for trace in done.traces if trace.layers]
    tensors = base.merged([layer.tensor for layer in trace.layers] for trace in traces)
    furthest = max((trace.limit for trace in traces), default=0.0)

    def draw(language: Language) -> Figure:
        with base.style(language):
            figure, axes = base.subplots(height_in=1.2 + 0.22 * (len(tensors) + len(traces)))
            for k, trace in enumerate(traces):
                _line(axes, trace, MARKERS[k % len(MARKERS)], tensors)
                _label(axes, trace, MARKERS[k % len(MARKERS)], -1 - k, "left" if 100 * trace.limit < furthest else "right", language)
                _ring(axes, trace, tensors, language)
            axes.set_xscale("log")
            axes.set_xlabel(AXIS.in_(language))
            axes.set_yticks(range(len(tensors)), tensors, fontsize=7)
            axes.set_ylim(len(tensors) - 0.5, -0.5 - len(traces))
        return figure

    return draw


def _line(axes: Axes, trace: Trace, marker: str, tensors: list[str]) -> None:
    drawn = [layer for layer in trace.layers if layer.relative]
    values, places = [layer.relative for layer in drawn], [tensors.index(layer.tensor) for layer in drawn]
    axes.plot(values, places, color=PRECISIONS[trace.pair.precision].colour, marker=marker, markersize=4, linewidth=1.2)


def _label(axes: Axes, trace: Trace, marker: str, row: int, side: Literal["left", "right"], language: Language) -> None:
    """The runner's name at its limit, above the first tensor; it begins there (left) or ends there (right)."""
    colour, name = PRECISIONS[trace.pair.precision].colour, trace.pair.name.in_(language)
    axes.axvline(trace.limit, color=colour, linestyle="--", linewidth=1)
    axes.plot([trace.limit], [row], color=colour, marker=marker, markersize=4)
    text = f"{name}: {LIMIT.en}" if language == "en" else f"{name}：{LIMIT.ja}"
    away = 6 if side == "left" else -6
    axes.annotate(text, (trace.limit, row), (away, 0), textcoords="offset points", color=colour, fontsize=8, ha=side, va="center")


def _ring(axes: Axes, trace: Trace, tensors: list[str], language: Language) -> None:
    first = trace.begins
    if first is None:
        return
    colour, place = PRECISIONS[trace.pair.precision].colour, (first.relative or trace.limit, tensors.index(first.tensor))
    axes.plot(*([value] for value in place), marker="o", markersize=10, markerfacecolor="none", markeredgecolor=colour, linestyle="none")
    axes.annotate(BEGINS.in_(language), place, (8, 0), textcoords="offset points", color=colour, fontsize=8, va="center")
