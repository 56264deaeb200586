"""What notebooks display: each thing once in English and once in Japanese, tagged so that a page shows one of them."""

from __future__ import annotations

import base64
import io
import math
import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

from lib.show.style import style
from lib.text import LANGUAGES, Language, Text
from lib.words import COMMON, LEVELS, Finding

if TYPE_CHECKING:
    import matplotlib.figure

ONLY = "REPORT_LANGUAGE"  # environment variable: "en" or "ja" shows one language in JupyterLab
DPI, CSS_PIXELS_PER_INCH = 144, 96  # figures are drawn finer than a page's pixels, for good screens and for paper
COLOURS, INVISIBLE = 256, 12  # of a figure; a difference of a colour channel (of 255) that nobody sees
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NOT_RECORDED, NO_CAPTION = COMMON("table.not_recorded"), Text("", "")
BEST = "best"  # key of a row: the columns in which it is marked, as are all that cannot be told from it


@dataclass(frozen=True)
class Column:
    """One column of a table. digits: decimals of numbers (None: a column of words); unit goes into the header.

    Cells: numbers, str, Text, None, an Interval (with its ends where `interval`), or why there is no number (a Reason or, in a
    numeric column, a Text), which stands in grey below the table. scientific: as 1.4×10⁻⁶.
    """

    key: str
    label: Text
    unit: str = ""
    digits: int | None = None
    interval: bool = False
    scientific: bool = False


@dataclass(frozen=True)
class Table:
    """Rows (dicts by column key; `best`: a set of column keys that are marked), their columns and a caption.

    folded: closed until its caption is clicked on; nothing: what stands in place of rows where there are none.
    """

    rows: list[dict[str, Any]]
    columns: list[Column]
    caption: Text
    folded: bool = False
    nothing: Text = NOT_RECORDED


@dataclass(frozen=True)
class Figure:
    """A figure: `draw(language)` gives it, once a language; alt says in words what it shows."""

    draw: Callable[[Language], matplotlib.figure.Figure]
    alt: Text
    caption: Text = NO_CAPTION


RUNNER = Column("runner", COMMON("columns.runner"))
PRECISION = Column("precision", COMMON("columns.precision"))


def named(candidate: Any) -> dict[str, Text]:
    """The cells of the columns RUNNER and PRECISION."""
    return {"runner": candidate.runner_label, "precision": candidate.precision_label}


def html(make: Callable[[Language], str]) -> None:
    """Display `make(language)` for each language, with the tag that render removes the other language by."""
    from IPython.display import HTML, display

    for language in LANGUAGES:
        if os.environ.get(ONLY) in (None, "", language):
            display(HTML(make(language)), metadata={"tags": [f"lang-{language}"]})


def findings(items: Iterable[Finding]) -> None:
    """The findings box of a page: the worst first."""
    items = list(items)
    html(lambda language: findings_html(items, language))


def findings_html(items: Iterable[Finding], language: Language) -> str:
    """The findings as HTML list items in a box of class `findings`."""
    rows = [
        f'<li class="finding {f.level}"><strong>{COMMON(f"levels.{f.level}").in_(language)}</strong> {escape(f.text.in_(language))}</li>'
        for f in sorted(items, key=lambda f: LEVELS.index(f.level))
    ]
    return f'<ul class="findings">{"".join(rows)}</ul>'


def table(shown: Table) -> None:
    """Show a table."""
    html(lambda language: table_html(shown, language))


def table_html(shown: Table, language: Language) -> str:
    """The table as HTML: units in the header, numbers right-aligned, best values marked, reasons in grey below it.

    It scrolls inside its own box, which the keyboard reaches. Cells of a row that share one reason become one cell.
    """
    rows, columns = shown.rows, shown.columns
    reasons = list(dict.fromkeys(reason for row in rows for c in columns if (reason := _reason(row, c))))
    head = "".join(_head(c, language) for c in columns)
    nothing = f'<td class="missing"{_span(sum(map(_width, columns)))}>{escape(shown.nothing.in_(language))}</td>'
    body = "".join(f"<tr>{cells}</tr>" for cells in [_row(row, columns, reasons, language) for row in rows] or [nothing])
    title = escape(shown.caption.in_(language), quote=True)
    made = (
        f'<div class="table" role="region" tabindex="0" aria-label="{title}"><table><caption>{title}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{_reasons(reasons, language)}"
    )
    return f"<details><summary>{title}</summary>{made}</details>" if shown.folded else made


def figure(shown: Figure) -> None:
    """Show a figure, with its alt text and caption."""
    html(lambda language: figure_html(shown, language))


def figure_html(shown: Figure, language: Language) -> str:
    """A figure as an <img> that needs no other file, at its size in inches where the page has room."""
    with style(language):
        png = _png(shown.draw(language))
    width, height = (round(pixels * CSS_PIXELS_PER_INCH / DPI) for pixels in struct.unpack(">II", png[16:24]))
    data, caption = base64.b64encode(png).decode(), shown.caption.in_(language)
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    size, alt = f'width="{width}" height="{height}"', escape(shown.alt.in_(language), quote=True)
    return f'<figure><img src="data:image/png;base64,{data}" {size} alt="{alt}">{below}</figure>'


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


def _row(row: dict[str, Any], columns: list[Column], reasons: list[Text], language: Language) -> str:
    """The cells of a row; neighbours that were not measured for the same reason are one cell."""
    cells, best = [], row.get(BEST, ())
    for (reason, _), group in groupby(columns, key=lambda c: (_reason(row, c), None if _reason(row, c) else c.key)):
        same = list(group)
        if reason is None:
            cells += [_cell(row, c, c.key in best, language) for c in same]
        else:
            mark = f"{COMMON('table.not_measured').in_(language)}<sup>{reasons.index(reason) + 1}</sup>"
            place = "missing" if len(same) > 1 else "number missing"
            cells.append(f'<td class="{place}"{_span(sum(_width(c) for c in same))}>{mark}</td>')
    return "".join(cells)


def _reasons(reasons: list[Text], language: Language) -> str:
    """The notes below a table: why a number is not there."""
    notes = "".join(f"<li>{escape(reason.in_(language))}</li>" for reason in reasons)
    title = COMMON("table.not_measured_list").in_(language)
    return f'<div class="reasons"><p>{title}</p><ol>{notes}</ol></div>' if notes else ""


def _reason(row: dict[str, Any], column: Column) -> Text | None:
    """Why a cell has no number, None where it has one."""
    value = row.get(column.key)
    if column.digits is None:
        return None
    return value if isinstance(value, Text) else getattr(value, "text", None)


def _cell(row: dict[str, Any], column: Column, best: bool, language: Language) -> str:
    value = row.get(column.key)
    if column.digits is None:
        return f"<td>{escape(value.in_(language) if isinstance(value, Text) else str('' if value is None else value))}</td>"
    if value is None:
        return f'<td class="number missing none"{_span(_width(column))}>–</td>'
    cell = f'<td class="number{" best" if best else ""}">{number(value, column)}</td>'
    return cell + (_ends(value, column) if column.interval else "")


def _ends(value: Any, column: Column) -> str:
    if not hasattr(value, "low") or value.low == value.high or math.inf in value:  # of one round nothing is known
        return "<td></td>"
    return f'<td class="interval">[{number(value.low, column)}, {number(value.high, column)}]</td>'


def number(value: Any, column: Column) -> str:
    """A number, or an interval's estimate, as its column writes it."""
    value = getattr(value, "value", value)
    if not column.scientific:
        return f"{value:,.{column.digits}f}"
    mantissa, exponent = f"{value:.{column.digits}e}".split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(SUPERSCRIPT)}" if value else "0"
