"""What notebooks display: each thing once in English and once in Japanese, tagged so that a page shows one of them."""

from __future__ import annotations

import base64
import io
import math
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.stats import Interval
from lib.text import LANGUAGES, Language, Text
from lib.words import COMMON, LEVELS, Finding

if TYPE_CHECKING:
    import matplotlib.figure

ONLY = "REPORT_LANGUAGE"  # environment variable: "en" or "ja" shows one language in JupyterLab
DPI, CSS_PIXELS_PER_INCH = 144, 96  # figures are drawn finer than a page's pixels, for good screens and for paper
PADDING_IN = 0.1  # around a figure
COLOURS, INVISIBLE = 256, 12  # of a figure; a difference of a colour channel (of 255) that nobody sees
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NOT_RECORDED, NO_CAPTION = COMMON("table.not_recorded"), Text("", "")
STYLE = {  # Matplotlib's settings of the report
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.facecolor": "white",
    "axes.unicode_minus": False,
    "text.hinting": "none",  # letters as they are, at twice a page's pixels, and drawn faster
    "axes.titley": 1.0,  # else every layout looks for ticks above the axes, which there are none of
}
# Names of classes may be Japanese in an English figure, and accented in a Japanese one: what one font lacks, the next draws.
FONTS: dict[Language, list[str]] = {"en": ["DejaVu Sans", "IPAexGothic"], "ja": ["IPAexGothic", "DejaVu Sans"]}
OPEN = 24  # English words of a finding that stand open whole
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

    @property
    def width(self) -> int:
        """Columns of HTML that it takes: an interval stands in one of its own, so that the estimates align on the decimal point."""
        return 2 if self.interval else 1

    def heading(self, language: Language) -> str:
        """Its head as text: the unit beside the label."""
        return f"{self.label.in_(language)}{f' ({self.unit})' if self.unit else ''}"


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


@contextmanager
def style(language: Language) -> Iterator[None]:
    """Matplotlib's defaults, `STYLE` and `FONTS`, whatever a matplotlibrc asks for; matplotlib-fontja carries the Japanese font.

    Wrap drawing and saving: fonts are taken when a text is made, others when a figure is saved.
    """
    import matplotlib.style

    with matplotlib.style.context(["default", STYLE]):
        import matplotlib_fontja  # noqa: F401  registers the font, and sets it for every figure: undone with the context

        matplotlib.rcParams["font.family"] = FONTS[language]
        yield


@cache
def environment(folder: Path, language: Language) -> Any:
    """Jinja's environment of the templates in a folder: a Text is said in `language`, and everything is escaped but Markup."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    def said(value: Any) -> Any:
        return value.in_(language) if isinstance(value, Text) else value

    options = {"autoescape": True, "undefined": StrictUndefined, "trim_blocks": True, "keep_trailing_newline": True}
    return Environment(loader=FileSystemLoader(folder), finalize=said, **options)


def _macros(language: Language) -> Any:
    return environment(Path(__file__).parent, language).get_template("table.html.j2").module


def html(make: Callable[[Language], str]) -> None:
    """Display `make(language)` for each language, with the tag that render removes the other language by."""
    from IPython.display import HTML, display

    for language in LANGUAGES:
        if os.environ.get(ONLY) in (None, "", language):
            display(HTML(str(make(language))), metadata={"tags": [f"lang-{language}"]})


def findings(items: Iterable[Finding]) -> None:
    """The findings box of a page: the worst first."""
    items = list(items)
    html(lambda language: findings_html(items, language))


def findings_html(items: Iterable[Finding], language: Language) -> str:
    """The findings as HTML list items in a box of class `findings`; Markup, as all HTML here.

    Of a long one the first sentence stands open, and the others are folded.
    """
    found = sorted(items, key=lambda finding: LEVELS.index(finding.level))
    return _macros(language).findings(
        [(f.level, COMMON(f"levels.{f.level}"), *_open(f.text, language)) for f in found], COMMON("table.more")
    )


def _open(text: Text, language: Language) -> tuple[str, str]:
    long = len(text.en.split()) > OPEN
    return text.first(language) if long else (text.in_(language), "")


def table(shown: Table) -> None:
    """Show a table."""
    html(lambda language: table_html(shown, language))


def table_html(shown: Table, language: Language) -> str:
    """The table as HTML: units in the header, numbers right-aligned, best values marked, reasons in grey below it.

    It scrolls inside its own box, which the keyboard reaches. Cells of a row that share one reason become one cell.
    """
    reasons = list(dict.fromkeys(reason for row in shown.rows for c in shown.columns if (reason := _reason(row, c))))
    nothing = [("missing", sum(column.width for column in shown.columns), shown.nothing, 0)]
    rows = [list(_cells(row, shown.columns, reasons)) for row in shown.rows] or [nothing]
    return _macros(language).table(shown, rows, reasons, COMMON("table.not_measured_list"))


def figure(shown: Figure) -> None:
    """Show a figure, with its alt text and caption."""
    html(lambda language: figure_html(shown, language))


def figure_html(shown: Figure, language: Language) -> str:
    """A figure as an <img> that needs no other file, at its size in inches where the page has room."""
    with style(language):
        png = _png(shown.draw(language))
    width, height = (round(pixels * CSS_PIXELS_PER_INCH / DPI) for pixels in struct.unpack(">II", png[16:24]))
    return _macros(language).figure(shown, base64.b64encode(png).decode(), width, height)


def _png(drawn: matplotlib.figure.Figure) -> bytes:
    """The figure as a PNG of 256 colours, which takes a third of the bytes, unless that would change it visibly (photographs)."""
    from PIL import Image, ImageChops

    drawing, png = io.BytesIO(), io.BytesIO()
    around = _laid_out(drawn)
    drawn.savefig(drawing, format="png", dpi=DPI, bbox_inches=around, pil_kwargs={"compress_level": 0})  # to be read at once
    image = Image.open(drawing).convert("RGB")
    reduced = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    apart = ImageChops.difference(image, reduced.convert("RGB")).getextrema()
    (reduced if max(largest for _, largest in apart) <= INVISIBLE else image).save(png, format="png")
    return png.getvalue()


def _laid_out(drawn: matplotlib.figure.Figure) -> Any:
    """The box around a figure, in inches, which is laid out here: savefig(bbox_inches="tight") draws it twice for that."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    drawn.set_dpi(DPI)
    renderer = FigureCanvasAgg(drawn).get_renderer()
    if layout := drawn.get_layout_engine():
        layout.execute(drawn)
        drawn.set_layout_engine(None)
    return drawn.get_tightbbox(renderer).padded(PADDING_IN)


def _cells(row: dict[str, Any], columns: list[Column], reasons: list[Text]) -> Iterator[tuple[str, int, Any, int]]:
    """(class, width, text, number of its reason or 0) of a row's cells; neighbours not measured for the same reason are one cell."""
    best = row.get(BEST, ())
    for (reason, _), group in groupby(columns, key=lambda c: (_reason(row, c), None if _reason(row, c) else c.key)):
        first, *others = same = list(group)
        value, width = row.get(first.key), sum(column.width for column in same)
        if reason is not None:
            yield "missing" if others else "number missing", width, COMMON("table.not_measured"), reasons.index(reason) + 1
        elif first.digits is None:
            yield "", 1, "" if value is None else value, 0
        elif value is None:
            yield "number missing none", width, "–", 0
        else:
            yield "number best" if first.key in best else "number", 1, number(value, first), 0
            if first.interval:  # of one round nothing is known
                known = hasattr(value, "low") and value.low != value.high and math.inf not in value
                yield ("interval", 1, f"[{number(value.low, first)}, {number(value.high, first)}]", 0) if known else ("", 1, "", 0)


def _reason(row: dict[str, Any], column: Column) -> Text | None:
    """Why a cell has no number, None where it has one."""
    value = row.get(column.key)
    if column.digits is None:
        return None
    return value if isinstance(value, Text) else getattr(value, "text", None)


def plain(value: object, column: Column, language: Language) -> str:
    """A cell as text without markup, its interval behind it."""
    if isinstance(value, Text):
        from markupsafe import Markup

        said = value.in_(language)
        return said.striptags() if isinstance(said, Markup) else said
    if value is None:
        return "–" if column.digits is not None else ""
    if isinstance(value, str) or (isinstance(value, int) and column.digits is None):
        return str(value)
    if not isinstance(value, (int, float, Interval)):
        return COMMON("table.not_measured").in_(language)
    return number(value, column) + (f" [{number(value.low, column)}, {number(value.high, column)}]" if isinstance(value, Interval) else "")


def number(value: Any, column: Column) -> str:
    """A number, or an interval's estimate, as its column writes it."""
    value = getattr(value, "value", value)
    if not column.scientific:
        return f"{value:,.{column.digits}f}"
    mantissa, exponent = f"{value:.{column.digits}e}".split("e")
    return f"{mantissa}×10{str(int(exponent)).translate(SUPERSCRIPT)}" if value else "0"
