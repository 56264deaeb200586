"""Charts of the index page: accuracy and throughput, one row a runner and precision of the headline table."""

from __future__ import annotations

from typing import Any

from lib.report import headline
from lib.show.figure import Row, bars, dots, height_in, plot
from lib.show.table import NO_CAPTION, Column, Figure
from lib.words import Words

WORDS = Words(__file__)
WIDTH_IN = 5.4  # narrow: the labels stay readable on a phone


def charts(rows: list[dict[str, Any]]) -> list[Figure]:
    """A figure each of what was measured of the headline table's rows: accuracy (%) with its 95 % interval, images/s end to end."""
    made = []
    for column, draw, form in ((headline.ACCURACY, dots, ".2f"), (headline.THROUGHPUT, bars, 0)):
        shown = [Row(row["candidate"].label, row["candidate"].colour, row[column.key]) for row in rows if headline.measured(row, column)]
        if shown:
            made.append(_chart(shown, column, draw, form))
    return made


def _chart(rows: list[Row], column: Column, draw: Any, form: Any) -> Figure:
    key = f"figures.{column.key}"
    values = [WORDS(f"{key}_value", label=row.name, value=getattr(row.value, "value", row.value)) for row in rows]
    alt = WORDS("figures.alt", title=WORDS(f"figures.{column.key}"), values=values)
    size = {"width_in": WIDTH_IN, "height_in": height_in(rows)}
    return plot(lambda axes, language: draw(axes, rows, form, WORDS(f"{key}_axis"), language), alt, NO_CAPTION, **size)
