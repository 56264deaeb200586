"""Charts of the index page: accuracy and throughput, one row a runner and precision of the headline table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lib.report import headline
from lib.show.figure import style, subplots
from lib.show.table import Column, Figure
from lib.stats import Interval
from lib.text import Language
from lib.words import Words

if TYPE_CHECKING:
    from matplotlib import figure as mpl
    from matplotlib.axes import Axes

WORDS = Words(__file__)
WIDTH_IN, ROW_IN, AROUND_IN = 5.4, 0.34, 1.0  # narrow: the labels stay readable on a phone
Rows = list[dict[str, Any]]


def charts(rows: Rows) -> list[Figure]:
    """A figure each of what was measured of the headline table's rows."""
    made = []
    for column, draw in ((headline.ACCURACY, accuracy), (headline.THROUGHPUT, throughput)):
        shown = [row for row in rows if headline.measured(row, column)]
        if shown:
            made.append(Figure(lambda language, draw=draw, shown=shown: draw(shown, language), _alt(shown, column)))
    return made


def accuracy(rows: Rows, language: Language) -> mpl.Figure:
    """Accuracy (%) with its 95 % interval, a dot a row."""
    with style(language):
        figure, axes = _rows(rows, language)
        for at, row in enumerate(rows):
            value, low, high = _ends(row, headline.ACCURACY)
            axes.plot([low, high], [at, at], color=row["candidate"].colour, linewidth=2, alpha=0.5)
            axes.plot(value, at, "o", color=row["candidate"].colour, markersize=7)
            axes.annotate(f"{value:.2f}", (value, at), (0, 5), textcoords="offset points", ha="center", fontsize=8.5)
        axes.set_xlabel(WORDS("figures.accuracy_axis").in_(language))
    return figure


def throughput(rows: Rows, language: Language) -> mpl.Figure:
    """Throughput (images/s, end to end), a bar a row."""
    with style(language):
        figure, axes = _rows(rows, language)
        rates = [_ends(row, headline.THROUGHPUT)[0] for row in rows]
        for at, (row, rate) in enumerate(zip(rows, rates, strict=True)):
            axes.barh(at, rate, color=row["candidate"].colour, height=0.62)
            axes.annotate(f"{rate:,.0f}", (rate, at), (4, 0), textcoords="offset points", va="center", fontsize=8.5)
        axes.set_xlim(0, 1.16 * max(rates))
        axes.set_xlabel(WORDS("figures.throughput_axis").in_(language))
    return figure


def _ends(row: dict[str, Any], column: Column) -> tuple[float, float, float]:
    """A row's number and the ends of its interval, which are the number itself where it has none."""
    found = row[column.key]
    return found if isinstance(found, Interval) else (found, found, found)


def _rows(rows: Rows, language: Language) -> tuple[mpl.Figure, Axes]:
    """Axes with one labelled row each, the first on top."""
    figure, axes = subplots(width_in=WIDTH_IN, height_in=AROUND_IN + ROW_IN * len(rows))
    axes.set_yticks(range(len(rows)), [row["candidate"].label.in_(language) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.7)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=5)
    return figure, axes


def _alt(rows: Rows, column: Column) -> Any:
    values = [WORDS(f"figures.{column.key}_value", label=row["candidate"], value=_ends(row, column)[0]) for row in rows]
    return WORDS("figures.alt", title=WORDS(f"figures.{column.key}"), values=values)
