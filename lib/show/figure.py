"""What every plot shares: sizes, axes, colours that colour-blind readers can tell apart."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lib.show.table import NO_CAPTION, NOT_RECORDED, Figure, style
from lib.stats import Interval
from lib.text import Language, Text

if TYPE_CHECKING:
    from matplotlib import figure as mpl
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

WIDTH_IN, HEIGHT_IN = 7.2, 3.6
DARK = 0.55  # of a heat map's scale, over which letters are white
CHARACTERS = {"en": 100, "ja": 52}  # a line of a sentence in a figure
MARKERS = "osD^v<>P"  # tell what has the same colour apart
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")  # Okabe & Ito (2008)


def subplots(rows: int = 1, columns: int = 1, width_in: float = WIDTH_IN, height_in: float = HEIGHT_IN) -> tuple[mpl.Figure, Axes]:
    """A figure that no pyplot state keeps alive, and its axes (as matplotlib.figure.Figure.subplots gives them)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.subplots(rows, columns)


class Row(NamedTuple):
    """A row of `bars` or `dots`. value: None where nothing was measured."""

    name: Text
    colour: str
    value: float | Interval | None
    marker: str = "o"


def plot(paint: Callable[[Any, Language], None], alt: Text, caption: Text, rows: int = 1, columns: int = 1, **size_in: float) -> Figure:
    """A figure whose axes (as `subplots` gives them) `paint` draws on, once a language, in the report's style."""

    def draw(language: Language) -> mpl.Figure:
        with style(language):
            figure, axes = subplots(rows, columns, **size_in)
            paint(axes, language)
        return figure

    return Figure(draw, alt, caption)


def sentence(said: Text) -> Figure:
    """In place of a figure, why there is none."""

    def paint(axes: Axes, language: Language) -> None:
        lines = textwrap.wrap(said.in_(language), CHARACTERS[language])
        axes.figure.set_figheight(0.2 + 0.2 * len(lines))
        axes.set_axis_off()
        axes.text(0, 0.5, "\n".join(lines), va="center", fontsize=10, transform=axes.transAxes)

    return plot(paint, said, NO_CAPTION)


def height_in(rows: Sized) -> float:
    """Of a figure of `bars` or `dots`; many rows stand closer."""
    return 1.0 + (0.38 if len(rows) <= 8 else 0.27) * max(1, len(rows))


def bars(axes: Axes, rows: Sequence[Row], digits: int, label: Text, language: Language) -> None:
    """Horizontal bars from the top, each with its number behind it; label: of the axis."""
    from matplotlib.ticker import MaxNLocator

    values = [row.value.value if isinstance(row.value, Interval) else row.value or 0 for row in rows]
    drawn = axes.barh(range(len(rows)), values, color=[row.colour for row in rows])
    axes.bar_label(drawn, [f"{value:,.{digits}f}" if value else "–" for value in values], padding=3, fontsize=8)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter("{x:,.10g}")
    _names(axes, rows, label, language)


def bar_chart(rows: Sequence[Row], digits: int, label: Text, alt: Text, caption: Text) -> Figure:
    """A figure of `bars` alone; without rows, a sentence."""
    if not rows:
        return sentence(NOT_RECORDED)
    return plot(lambda axes, language: bars(axes, rows, digits, label, language), alt, caption, height_in=height_in(rows))


def dots(axes: Axes, rows: Sequence[Row], form: str, label: Text, language: Language, reference: float | None = None) -> None:
    """Dots with their intervals from the top, each with its number; reference: of a dotted line; label: as in `bars`."""
    for y, row in enumerate(rows):
        if isinstance(row.value, Interval):
            value, low, high = row.value
            ends = [[max(0.0, value - low)], [max(0.0, high - value)]]  # a paired interval is centred beside its estimate
            axes.errorbar(value, y, xerr=ends, fmt=row.marker, color=row.colour, capsize=3)
            # The number stands behind the interval; above a dot that has none.
            offset, ha, va = ((6, 0), "left", "center") if high > low else ((0, 5), "center", "bottom")
            axes.annotate(format(value, form), (max(value, high), y), offset, textcoords="offset points", fontsize=8, ha=ha, va=va)
    if reference is not None:
        axes.axvline(reference, color="grey", linewidth=1, linestyle=":")
    _names(axes, rows, label, language)


def _names(axes: Axes, rows: Sequence[Row], label: Text, language: Language) -> None:
    axes.set_yticks(range(len(rows)), [row.name.in_(language) for row in rows], fontsize=8)
    axes.set_ylim(max(1, len(rows)) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.margins(x=0.22)
    axes.set_xlabel(label.in_(language))


def heat(axes: Axes, values: np.ndarray, said: Mapping[tuple[int, int], str], norm: Normalize, cmap: str, size: float) -> None:
    """A heat map; said: (row, column) -> what stands in its cell; size: of these letters."""
    axes.imshow(values, cmap=cmap, norm=norm, aspect="auto")
    axes.grid(False)
    dark = norm(values) > DARK
    for (row, column), text in said.items():
        colour = "white" if dark[row, column] else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour, in_layout=False)


def logarithmic(axes: Axes, axis: Any, fine: bool = True) -> None:
    """Plain numbers on a logarithmic axis of theirs: at 1, 2 and 5 of every decade, or at its powers of ten alone."""
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if fine else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda x, _: f"{x:,.10f}".rstrip("0").rstrip("."))  # .10g would write 1e-05 beside 0.0001


def labels(axes: Axes, sizes: Iterable[int], ratio: float) -> None:
    """Ticks of a logarithmic axis at these ascending sizes, without those closer than `ratio` to the one before, which would touch."""
    shown: list[int] = []
    for size in sizes:
        if not shown or size >= ratio * shown[-1]:
            shown.append(size)
    axes.set_xticks(shown, [f"{size:,}" for size in shown], fontsize=8)
    axes.minorticks_off()


def merged(sequences: Iterable[Iterable[str]]) -> list[str]:
    """The names of all sequences, each once; what only a later one has stands behind the name that it follows there."""
    order: list[str] = []
    for names in sequences:
        place = 0
        for name in names:
            if name not in order:
                order.insert(place, name)
            place = order.index(name) + 1
    return order
