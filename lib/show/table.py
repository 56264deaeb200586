"""What notebooks display: each thing once in English and once in Japanese, tagged so that a page shows one of them."""

from __future__ import annotations

import base64
import io
import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from lib.text import LANGUAGES, Finding, Language, Text

if TYPE_CHECKING:
    import matplotlib.figure

ONLY = "REPORT_LANGUAGE"  # environment variable: "en" or "ja" shows one language in JupyterLab
LEVELS = {"good": Text("Good", "良好"), "note": Text("Note", "注記"), "bad": Text("Problem", "問題")}
DPI, CSS_PIXELS_PER_INCH = 144, 96  # figures are drawn finer than a page's pixels, for good screens and for paper
COLOURS, INVISIBLE = 256, 12  # of a figure; a difference of a colour channel (of 255) that nobody sees
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NOT_MEASURED = Text("not measured", "未測定")


@dataclass(frozen=True)
class Column:
    """One column of a table. digits: decimals of numbers; unit goes into the header; best marks the largest or smallest.

    The cells of column `key` may be numbers, str, Text, None or a Record's reason (Text): a Text that stands in a
    numeric column is shown in grey as a reason. `interval` names two further keys, shown as [low, high] beside it.
    scientific: as 1.4×10⁻⁶, for differences that are read by their order of magnitude; digits then count after the point.
    """

    key: str
    label: Text
    unit: str = ""
    digits: int | None = None
    best: Literal["max", "min"] | None = None
    interval: tuple[str, str] | None = None
    scientific: bool = False


def html(make: Callable[[Language], str]) -> None:
    """Display `make(language)` for each language, with the tag that render removes the other language by."""
    from IPython.display import HTML, display

    for language in LANGUAGES:
        if os.environ.get(ONLY) in (None, "", language):
            display(HTML(make(language)), metadata={"tags": [f"lang-{language}"]})


def findings(items: Iterable[Finding]) -> None:
    """The findings box of a page: bad ones first, as a red banner."""
    items = list(items)
    html(lambda language: findings_html(items, language))


def findings_html(items: Iterable[Finding], language: Language) -> str:
    """The findings as HTML list items in a box of class `findings`."""
    order = ("bad", "good", "note")
    rows = [
        f'<li class="finding {f.level}"><strong>{LEVELS[f.level].in_(language)}</strong> {escape(f.text.in_(language))}</li>'
        for f in sorted(items, key=lambda f: order.index(f.level))
    ]
    return f'<ul class="findings">{"".join(rows)}</ul>'


def table(rows: Iterable[dict[str, Any]], columns: list[Column], caption: Text) -> None:
    """A table of dict rows in both languages."""
    rows = list(rows)
    html(lambda language: table_html(rows, columns, caption, language))


def table_html(rows: list[dict[str, Any]], columns: list[Column], caption: Text, language: Language) -> str:
    """The table as HTML: units in the header, numbers right-aligned, best values marked, reasons in grey below it.

    It scrolls inside its own box, which the keyboard reaches. Cells of a row that share one reason become one cell.
    """
    best = {c.key: _best(rows, c) for c in columns}
    reasons = list(dict.fromkeys(reason for row in rows for c in columns if (reason := _reason(row, c))))
    head = "".join(_head(c, language) for c in columns)
    marks = [{key for key, places in best.items() if place in places} for place in range(len(rows))]
    body = "".join(f"<tr>{_row(row, columns, mark, reasons, language)}</tr>" for row, mark in zip(rows, marks, strict=True))
    title = escape(caption.in_(language), quote=True)
    return (
        f'<div class="table" role="region" tabindex="0" aria-label="{title}"><table><caption>{title}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{_reasons(reasons, language)}"
    )


def figure(draw: Callable[[Language], matplotlib.figure.Figure], alt: Text, caption: Text | None = None) -> None:
    """A figure drawn once a language (`draw(language)`), with alt text and caption."""
    html(lambda language: figure_html(draw(language), alt.in_(language), caption.in_(language) if caption else ""))


def figure_html(drawn: matplotlib.figure.Figure, alt: str, caption: str) -> str:
    """A matplotlib figure as an <img> that needs no other file, at its size in inches where the page has room."""
    png = _png(drawn)
    width, height = (round(pixels * CSS_PIXELS_PER_INCH / DPI) for pixels in struct.unpack(">II", png[16:24]))
    data = base64.b64encode(png).decode()
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    size = f'width="{width}" height="{height}"'
    return f'<figure><img src="data:image/png;base64,{data}" {size} alt="{escape(alt, quote=True)}">{below}</figure>'


def _png(drawn: matplotlib.figure.Figure) -> bytes:
    """The figure as a PNG of 256 colours, which takes a third of the bytes, unless that would change it visibly (photographs)."""
    from PIL import Image, ImageChops

    exact, small = io.BytesIO(), io.BytesIO()
    drawn.savefig(exact, format="png", dpi=DPI, bbox_inches="tight")
    with Image.open(exact) as opened:
        image = opened.convert("RGB")
    reduced = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    apart = ImageChops.difference(image, reduced.convert("RGB")).getextrema()
    if max(largest for _, largest in apart) > INVISIBLE:
        return exact.getvalue()
    reduced.save(small, format="png", optimize=True)
    return small.getvalue()


def _head(column: Column, language: Language) -> str:
    number = ' class="number"' if column.digits is not None else ""
    unit = f" <small>({escape(column.unit)})</small>" if column.unit else ""
    return f'<th scope="col"{number}{_span(_width(column))}>{escape(column.label.in_(language))}{unit}</th>'


def _width(column: Column) -> int:
    """Columns that it takes: an interval stands in one of its own, so that the estimates align on the decimal point."""
    return 2 if column.interval else 1


def _span(width: int) -> str:
    return f' colspan="{width}"' if width > 1 else ""


def _best(rows: list[dict[str, Any]], column: Column) -> list[int]:
    """Places of the rows with the best value, and of those that cannot be told from it: shown alike, or with an overlapping interval."""
    values = {place: row[column.key] for place, row in enumerate(rows) if isinstance(row.get(column.key), (int, float))}
    if column.best is None or not values:
        return []
    top = (max if column.best == "max" else min)(values, key=lambda place: values[place])
    best = [place for place in values if _alike(rows[place], rows[top], column)]
    return best if len(best) < len(values) else []  # where all are equal none is the best


def _alike(row: dict[str, Any], best: dict[str, Any], column: Column) -> bool:
    low, high = ([one.get(key) for one in (row, best)] for key in column.interval or ("", ""))
    if None not in low + high:
        return low[0] <= high[1] and low[1] <= high[0]
    return _number(row[column.key], column) == _number(best[column.key], column)


def _row(row: dict[str, Any], columns: list[Column], best: set[str], reasons: list[Text], language: Language) -> str:
    """The cells of a row; neighbours that were not measured for the same reason are one cell."""
    cells = []
    for (reason, _), group in groupby(columns, key=lambda c: (_reason(row, c), None if _reason(row, c) else c.key)):
        same = list(group)
        if reason is None:
            cells += [_cell(row, c, c.key in best, language) for c in same]
        else:
            mark = f"{NOT_MEASURED.in_(language)}<sup>{reasons.index(reason) + 1}</sup>"
            place = "missing" if len(same) > 1 else "number missing"
            cells.append(f'<td class="{place}"{_span(sum(_width(c) for c in same))}>{mark}</td>')
    return "".join(cells)


def _reasons(reasons: list[Text], language: Language) -> str:
    """The notes below a table: why a number is not there."""
    notes = "".join(f"<li>{escape(reason.in_(language))}</li>" for reason in reasons)
    title = Text("Not measured:", "未測定：").in_(language)
    return f'<div class="reasons"><p>{title}</p><ol>{notes}</ol></div>' if notes else ""


def _reason(row: dict[str, Any], column: Column) -> Text | None:
    value = row.get(column.key)
    return value if column.digits is not None and isinstance(value, Text) else None


def _cell(row: dict[str, Any], column: Column, best: bool, language: Language) -> str:
    value = row.get(column.key)
    if column.digits is None:
        return f"<td>{escape(value.in_(language) if isinstance(value, Text) else str('' if value is None else value))}</td>"
    if value is None:
        return f'<td class="number missing none"{_span(_width(column))}>–</td>'
    cell = f'<td class="number{" best" if best else ""}">{_number(value, column)}</td>'
    return cell + (_interval(row, column) if column.interval else "")


def _interval(row: dict[str, Any], column: Column) -> str:
    low, high = (row.get(key) for key in column.interval or ())
    return "<td></td>" if low is None else f'<td class="interval">[{_number(low, column)}, {_number(high, column)}]</td>'


def _number(value: float, column: Column) -> str:
    if not column.scientific:
        return f"{value:,.{column.digits}f}"
    mantissa, exponent = f"{value:.{column.digits}e}".split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(SUPERSCRIPT)}" if value else "0"
