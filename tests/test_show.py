"""What notebooks display: both languages, tagged, escaped, with units, reasons and the best value marked."""

from __future__ import annotations

import base64
import html
import io
import re

import pytest

from lib.show import table as show
from lib.show.table import Column
from lib.text import Finding, Text

CAPTION = Text("Times", "時間")
NAME = Column("name", Text("Runner", "ランナー"))
TIME = Column("ms", Text("Latency", "レイテンシ"), "ms", 2, "min")


@pytest.fixture
def displayed(monkeypatch):
    """(tags, HTML) of what is displayed."""
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda item, metadata: shown.append((metadata["tags"], item.data)))
    monkeypatch.delenv(show.ONLY, raising=False)
    return shown


def cells(page):
    return re.findall(r"<td[^>]*>.*?</td>", page)


def test_each_language_is_displayed_once_with_its_tag(displayed):
    show.html(lambda language: f"<p>{language}</p>")
    assert displayed == [(["lang-en"], "<p>en</p>"), (["lang-ja"], "<p>ja</p>")]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_jupyterlab_can_show_one_language(displayed, monkeypatch, language):
    monkeypatch.setenv(show.ONLY, language)
    show.table([{"name": "x", "ms": 1.0}], [NAME, TIME], CAPTION)
    assert [tags for tags, _ in displayed] == [[f"lang-{language}"]]
    assert CAPTION.in_(language) in displayed[0][1]


def plain(page):
    """The words of a piece of HTML, one space between them."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_table_header_has_label_and_unit_in_the_language():
    page = show.table_html([], [NAME, TIME], CAPTION, "ja")
    assert "<caption>時間</caption>" in page
    assert plain(page) == "時間 ランナー レイテンシ (ms)"
    assert len(re.findall(r"<th[^>]*number[^>]*>", page)) == 1


def test_best_value_is_marked():
    rows = [{"name": "a", "ms": 2.0}, {"name": "b", "ms": 1.0}, {"name": "c", "ms": None}]
    marks = ["best" in cell for cell in cells(show.table_html(rows, [TIME], CAPTION, "en"))]
    assert marks == [False, True, False]
    most = Column("ms", TIME.label, digits=0, best="max")
    assert ["best" in cell for cell in cells(show.table_html(rows, [most], CAPTION, "en"))] == [True, False, False]
    assert "best" not in show.table_html(rows[:1], [TIME], CAPTION, "en")  # nothing to be better than


@pytest.mark.parametrize(
    ("rows", "marked"),
    [
        ([{"ms": 1.001}, {"ms": 1.004}, {"ms": 2.0}], [True, True, False]),  # shown as 1.00 both
        ([{"ms": 1.001}, {"ms": 1.004}], [False, False]),
        (
            [{"ms": 1.0, "low": 0.9, "high": 1.2}, {"ms": 1.3, "low": 1.1, "high": 1.5}, {"ms": 2.0, "low": 1.9, "high": 2.1}],
            [True, True, False],
        ),
        ([{"ms": 1.0, "low": 0.9, "high": 1.2}, {"ms": 1.3, "low": None, "high": None}], [True, False]),
    ],
)
def test_what_cannot_be_told_from_the_best_is_marked_too(rows, marked):
    column = Column("ms", TIME.label, digits=2, best="min", interval=("low", "high"))
    found = [cell for cell in cells(show.table_html(rows, [column], CAPTION, "en")) if "number" in cell]
    assert ["best" in cell for cell in found] == marked


def test_numbers_are_rounded_and_grouped_and_carry_their_interval():
    column = Column("v", Text("Images", "画像"), digits=1, interval=("low", "high"))
    page = show.table_html([{"v": 1234.56, "low": 1200, "high": 1300.04}, {"v": 5, "low": None, "high": None}], [column], CAPTION, "en")
    assert plain(page) == "Times Images 1,234.6 [1,200.0, 1,300.0] 5.0"


def test_what_was_not_measured_says_why():
    reason = Text("no NVIDIA GPU on this system", "NVIDIA GPUがない")
    page = show.table_html([{"ms": reason}, {"ms": None}, {}], [TIME], CAPTION, "ja")
    first, second, third = cells(page)
    assert "missing" in first
    assert "未測定" in first
    assert reason.ja in page
    assert reason.en not in page
    assert plain(second) == plain(third) == "–"


def test_words_are_escaped():
    evil = "<script>alert('x')</script>"
    pages = [
        show.table_html([{"name": evil, "ms": Text(evil, evil)}], [NAME, TIME], Text(evil, evil), "en"),
        show.findings_html([Finding("bad", Text(evil, evil))], "ja"),
    ]
    for page in pages:
        assert "<script" not in page
        assert "&lt;script&gt;" in page


def test_findings_put_what_is_wrong_first():
    found = [Finding(level, Text(level, level)) for level in ("note", "good", "bad")]
    page = show.findings_html(found, "ja")
    assert re.findall(r'class="finding (\w+)"', page) == ["bad", "good", "note"]
    assert "問題" in page


def test_findings_may_come_from_a_generator(displayed):
    show.findings(Finding("good", Text("a", "あ")) for _ in range(1))
    assert [page.count("<li") for _, page in displayed] == [1, 1]


def test_figure_is_drawn_once_a_language_and_embedded(displayed):
    from PIL import Image

    from lib.show import figure as base

    drawn = []

    def draw(language):
        drawn.append(language)
        with base.style(language):
            return base.subplots()[0]

    show.figure(draw, Text('a "quoted" plot', "図"), CAPTION)
    assert drawn == ["en", "ja"]
    assert 'alt="a &quot;quoted&quot; plot"' in displayed[0][1]
    assert "<figcaption>時間</figcaption>" in displayed[1][1]
    data = re.search(r'src="data:image/png;base64,([^"]+)"', displayed[0][1]).group(1)
    assert Image.open(io.BytesIO(base64.b64decode(data))).format == "PNG"


@pytest.mark.parametrize(("value", "shown"), [(1.4e-6, "1.4×10⁻⁶"), (0.1, "1.0×10⁻¹"), (12.0, "1.2×10¹"), (0.0, ">0<")])
def test_differences_are_shown_by_their_order_of_magnitude(value, shown):
    column = show.Column("d", Text("Difference", "差"), digits=1, scientific=True)
    assert shown in show.table_html([{"d": value}], [column], Text("c", "c"), "en")
