"""What notebooks display: each thing once in English and once in Japanese, tagged so that a page shows one of them."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from lib.text import LANGUAGES, Finding, Language, Text

if TYPE_CHECKING:
    import matplotlib.figure

ONLY = "REPORT_LANGUAGE"  # environment variable: "en" or "ja" shows one language in JupyterLab
LEVELS = {"good": Text("Good", "良好"), "note": Text("Note", "注記"), "bad": Text("Problem", "問題")}
NOT_MEASURED = Text("not measured", "未測定")


@dataclass(frozen=True)
class Column:
    """One column of a table. digits: decimals of numbers; unit goes into the header; best marks the largest or smallest.

    The cells of column `key` may be numbers, str, Text, None or a Record's reason (Text): a Text that stands in a
    numeric column is shown in grey as a reason. `interval` names two further keys, shown as [low, high] beside it.
    """

    key: str
    label: Text
    unit: str = ""
    digits: int | None = None
    best: Literal["max", "min"] | None = None
    interval: tuple[str, str] | None = None


def html(make: Callable[[Language], str]) -> None:
    """Display `make(language)` for each language, with the tag that render removes the other language by."""
    from IPython.display import HTML, display

    for language in LANGUAGES:
        if os.environ.get(ONLY) in (None, "", language):
            display(HTML(make(language)), metadata={"tags": [f"lang-{language}"]})


def findings(items: Iterable[Finding]) -> None:
    """The findings box of a page: bad ones first, as a red banner."""
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
    """The table as HTML: units in the header, numbers right-aligned, best value marked, reasons in grey."""
    head = "".join(f"<th{_number_class(c)}>{escape(c.label.in_(language))}{f' <small>({escape(c.unit)})</small>' if c.unit else ''}</th>" for c in columns)
    best = {c.key: _best(rows, c) for c in columns}
    body = "".join("<tr>" + "".join(_cell(row, c, best[c.key], language) for c in columns) + "</tr>" for row in rows)
    return (
        f'<div class="table"><table><caption>{escape(caption.in_(language))}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def figure(draw: Callable[[Language], matplotlib.figure.Figure], alt: Text, caption: Text | None = None) -> None:
    """A figure drawn once a language (`draw(language)`), with alt text and caption."""
    html(lambda language: figure_html(draw(language), alt.in_(language), caption.in_(language) if caption else ""))


def figure_html(drawn: matplotlib.figure.Figure, alt: str, caption: str) -> str:
    """A matplotlib figure as an <img> that needs no other file."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=144, bbox_inches="tight")
    data = base64.b64encode(buffer.getvalue()).decode()
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alt, quote=True)}">{below}</figure>'


def _number_class(column: Column) -> str:
    return ' class="number"' if column.digits is not None else ""


def _best(rows: list[dict[str, Any]], column: Column) -> float | None:
    values = [row[column.key] for row in rows if isinstance(row.get(column.key), (int, float))]
    if column.best is None or len(values) < 2:
        return None
    return max(values) if column.best == "max" else min(values)


def _cell(row: dict[str, Any], column: Column, best: float | None, language: Language) -> str:
    value = row.get(column.key)
    if column.digits is None:
        return f"<td>{escape(value.in_(language) if isinstance(value, Text) else str('' if value is None else value))}</td>"
    if isinstance(value, Text):
        reason = escape(value.in_(language))
        return f'<td class="number missing"><span title="{reason}">{NOT_MEASURED.in_(language)}</span><small>{reason}</small></td>'
    if value is None:
        return '<td class="number missing">–</td>'
    shown = f"{value:,.{column.digits}f}"
    if column.interval and row.get(column.interval[0]) is not None:
        low, high = (row[key] for key in column.interval)
        shown += f' <small class="interval">[{low:,.{column.digits}f}, {high:,.{column.digits}f}]</small>'
    return f'<td class="number{" best" if best is not None and value == best else ""}">{shown}</td>'
