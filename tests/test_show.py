"""What notebooks display: both languages, tagged, escaped, with units, reasons and the best value marked."""

from __future__ import annotations

import base64
import html
import io
import re

import pytest

from lib.show import table as show
from lib.show.table import Column, Figure, Table
from lib.stats import Interval
from lib.store.records import Reason
from lib.text import Text
from lib.words import LEVELS, Finding

CAPTION = Text("Times", "時間")
NAME = Column("name", Text("Runner", "ランナー"))
TIME = Column("ms", Text("Latency", "レイテンシ"), "ms", 2)


def page(rows, columns=(NAME, TIME), language="en", caption=CAPTION, **more):
    return show.table_html(Table(list(rows), list(columns), caption, **more), language)


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
    show.table(Table([{"name": "x", "ms": 1.0}], [NAME, TIME], CAPTION))
    assert [tags for tags, _ in displayed] == [[f"lang-{language}"]]
    assert CAPTION.in_(language) in displayed[0][1]


def plain(page):
    """The words of a piece of HTML, one space between them."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_table_header_has_label_and_unit_in_the_language_and_no_rows_are_said():
    shown = page([], language="ja")
    assert "<caption>時間</caption>" in shown
    assert plain(shown) == "時間 ランナー レイテンシ (ms) この実行では記録していない。"
    assert len(re.findall(r"<th[^>]*number[^>]*>", shown)) == 1


def test_the_cells_that_a_row_calls_best_are_marked():
    rows = [{"name": "a", "ms": 2.0}, {"name": "b", "ms": 1.0, "best": {"ms"}}, {"name": "c", "ms": None, "best": {"name"}}]
    assert ["best" in cell for cell in cells(page(rows, [TIME]))] == [False, True, False]


def test_numbers_are_rounded_and_grouped_and_carry_their_interval():
    column = Column("v", Text("Images", "画像"), digits=1, interval=True)
    shown = page([{"v": Interval(1234.56, 1200, 1300.04)}, {"v": 5}, {"v": Interval(7.0, 0.0, float("inf"))}], [column])
    assert plain(shown) == "Times Images 1,234.6 [1,200.0, 1,300.0] 5.0 7.0"


@pytest.mark.parametrize("reason", [Text("no NVIDIA GPU on this system", "このシステムにNVIDIA GPUがない"), Reason("no_gpu")])
def test_what_was_not_measured_says_why(reason):
    shown = page([{"ms": reason}, {"ms": None}, {}], [TIME], "ja")
    first, second, third = cells(shown)
    assert "missing" in first
    assert "未測定" in first
    assert "このシステムにNVIDIA GPUがない" in shown
    assert "no NVIDIA GPU" not in shown
    assert plain(second) == plain(third) == "–"


def test_neighbours_with_one_reason_are_one_cell():
    other = Column("s", Text("Load", "読み込み"), "s", 1)
    assert len(cells(page([{"ms": Reason("no_gpu"), "s": Reason("no_gpu")}], [TIME, other]))) == 1


def test_a_folded_table_opens_on_its_caption():
    shown = page([{"name": "a", "ms": 1.0}], folded=True)
    assert shown.startswith("<details><summary>Times</summary>")


def test_words_are_escaped():
    evil = "<script>alert('x')</script>"
    both = Text(evil, evil)
    pages = [
        page([{"name": evil, "ms": both}], caption=both),
        show.findings_html([Finding("bad", "evil", {}, both)], "ja"),
    ]
    for shown in pages:
        assert "<script" not in shown
        assert "&lt;script&gt;" in shown


def test_findings_put_what_is_wrong_first():
    found = [Finding(level, level, {}, Text(level, level)) for level in ("note", "good", "warn", "bad")]
    shown = show.findings_html(found, "ja")
    assert tuple(re.findall(r'class="finding (\w+)"', shown)) == LEVELS
    assert "要注意" in shown


def test_findings_may_come_from_a_generator(displayed):
    show.findings(Finding("good", "a", {}, Text("a", "あ")) for _ in range(1))
    assert [page.count("<li") for _, page in displayed] == [1, 1]


def test_figure_is_drawn_once_a_language_and_embedded(displayed):
    from PIL import Image

    from lib.show import figure as base

    drawn = []

    def draw(language):
        drawn.append(language)
        with base.style(language):
            return base.subplots()[0]

    show.figure(Figure(draw, Text('a "quoted" plot', "図"), CAPTION))
    assert drawn == ["en", "ja"]
    assert 'alt="a &#34;quoted&#34; plot"' in displayed[0][1]
    assert "<figcaption>時間</figcaption>" in displayed[1][1]
    data = re.search(r'src="data:image/png;base64,([^"]+)"', displayed[0][1]).group(1)
    assert Image.open(io.BytesIO(base64.b64decode(data))).format == "PNG"


@pytest.mark.parametrize(("value", "shown"), [(1.4e-6, "1.4×10⁻⁶"), (0.1, "1.0×10⁻¹"), (12.0, "1.2×10¹"), (0.0, ">0<")])
def test_differences_are_shown_by_their_order_of_magnitude(value, shown):
    column = show.Column("d", Text("Difference", "差"), digits=1, scientific=True)
    assert shown in page([{"d": value}], [column])
