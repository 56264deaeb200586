"""Sorting and zooming in real headless Chromium, inside a page with its style, its policy and its script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import test_pages_browser

from lib.report import shell
from lib.show import figure as base
from lib.show import interactive
from lib.show import table as show
from lib.show.table import Column, Figure, Table
from lib.stats import Interval
from lib.store.records import Reason
from lib.text import Text

pytestmark = pytest.mark.browser
browser = test_pages_browser.browser

NAME, SPEED = Column("name", Text("Runner", "実行系")), Column("speed", Text("Speed", "速さ"), "images/s", 1, interval=True)
DIFFERENCE = Column("apart", Text("Difference", "差"), digits=1, scientific=True)
GPU = Reason("no_gpu")
ROWS = [
    {"name": "batch 10", "speed": Interval(1234.5, 1200, 1300), "apart": 1.4e-6},
    {"name": "a plan", "speed": GPU, "apart": GPU},
    {"name": "batch 9", "speed": Interval(99.0, 98, 100), "apart": 0.2},
    {"name": "Batch 8", "speed": 12345.6, "apart": -3e-6},
    {"name": "", "speed": None, "apart": 0.0},
]
JAPANESE = [{"name": "う", "speed": 1}, {"name": "ア", "speed": 2}, {"name": "い", "speed": 3}]


def frame(main: str) -> str:
    """A page of the report around `main`."""
    report = SimpleNamespace(stages=[], command="make report")
    page = shell.fill("base.html.j2", "en", report=report, name="index.html", title="A page", sections=[], records=None)
    return page.replace("</main>", f"{main}</main>")


def small_figure() -> str:
    def draw(language: Any) -> Any:
        with base.style(language):
            return base.subplots(width_in=12)[0]

    return show.figure_html(Figure(draw, Text("What it shows", "図の内容")), "en")


@pytest.fixture(scope="module")
def shown() -> str:
    tables = [show.table_html(Table(rows, [NAME, SPEED, DIFFERENCE], Text("A", "あ")), "en") for rows in (ROWS, JAPANESE)]
    return "".join((*tables, small_figure()))


@pytest.fixture
def page(browser: Any, shown: str, tmp_path: Path) -> Iterator[Any]:
    """A page with two tables and a figure; what it says on the console, fails the test."""
    wrong: list[str] = []
    path = tmp_path / "page.html"
    path.write_text(frame(shown), encoding="utf-8")
    opened = browser.new_page(viewport={"width": 1280, "height": 844})
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(path.as_uri())
    yield opened
    opened.close()
    assert wrong == []


def names(page: Any, table: int = 0) -> list[str]:
    return page.locator("table").nth(table).locator("tbody td:first-child").all_inner_texts()


def click(page: Any, head: str, table: int = 0) -> str | None:
    """What the head says after it was clicked on."""
    found = page.locator("table").nth(table).locator("th", has_text=head)
    found.get_by_role("button").click()
    return found.get_attribute("aria-sort")


UP = ["batch 9", "batch 10", "Batch 8"]
ORDERS = [("Speed", UP, UP[::-1]), ("Difference", ["Batch 8", "", "batch 10", "batch 9"], ["batch 9", "batch 10", "", "Batch 8"])]


@pytest.mark.parametrize(("head", "rising", "falling"), ORDERS)
def test_numbers_are_sorted_by_value_and_what_was_not_measured_comes_last(
    page: Any, head: str, rising: list[str], falling: list[str]
) -> None:
    as_reported = names(page)
    last = [name for name in as_reported if name not in rising]
    for order, expected in (
        ("ascending", rising + last),
        ("descending", falling + last),
        (None, as_reported),
        ("ascending", rising + last),
    ):
        assert click(page, head) == order
        assert names(page) == expected
    assert page.locator("[aria-sort]").count() == 1
    click(page, "Runner")
    assert page.locator("[aria-sort]").count() == 1


def test_words_are_sorted_as_people_do(page: Any) -> None:
    click(page, "Runner")
    assert names(page) == ["Batch 8", "batch 9", "batch 10", "a plan", ""]  # a row of reasons alone says nothing
    click(page, "Runner", table=1)
    assert names(page, 1) == ["ア", "い", "う"]


def test_a_table_sorts_from_the_keyboard_and_keeps_its_keys_from_the_front_end(page: Any) -> None:
    page.evaluate("document.addEventListener('keydown', () => { globalThis.taken = true; }, true)")  # as JupyterLab listens
    page.locator("th", has_text="Speed").first.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert names(page)[:3] == UP
    page.keyboard.press("Space")
    assert names(page)[:3] == UP[::-1]
    assert page.evaluate("[globalThis.taken, scrollY]") == [None, 0]
    page.keyboard.press("a")
    assert page.evaluate("globalThis.taken")


def test_a_figure_is_shown_at_full_size_and_put_back(page: Any) -> None:
    image, zoomed = page.locator("figure img"), page.locator("dialog img")
    assert image.evaluate("(i) => i.width < i.naturalWidth")
    for show_it, put_back in (("click", "click"), ("Enter", "Escape"), ("Space", "Enter")):
        image.click() if show_it == "click" else image.press(show_it)
        assert zoomed.evaluate("(i) => i.width === i.naturalWidth")
        assert zoomed.get_attribute("alt") == "What it shows"
        assert zoomed.evaluate("(i) => i === document.activeElement")  # so that arrow keys scroll it
        zoomed.click(position={"x": 5, "y": 5}) if put_back == "click" else page.keyboard.press(put_back)
        zoomed.wait_for(state="detached")
        assert page.evaluate("document.activeElement.tagName") == "IMG"


def test_what_a_notebook_shows_later_sorts_too_though_every_notebook_brings_the_script(page: Any, shown: str) -> None:
    page.evaluate("document.querySelector('main').replaceChildren()")
    page.evaluate("document.querySelector('main').append(document.createElement('div'))")
    page.evaluate("(html) => { document.querySelector('main > div').innerHTML = html; }", shown)
    page.evaluate(interactive.script())
    assert click(page, "Speed") == "ascending"
    assert names(page)[:3] == UP
    page.locator("figure img").click()
    assert page.locator("dialog").count() == 1


def test_a_page_looks_the_same_with_the_script_on_screen_and_on_paper(browser: Any, page: Any, tmp_path: Path) -> None:
    without = browser.new_context(viewport={"width": 1280, "height": 844}, java_script_enabled=False).new_page()
    without.goto((tmp_path / "page.html").as_uri())
    for media in ("screen", "print"):
        for one in (page, without):
            one.emulate_media(media=media)
        assert page.screenshot(full_page=True) == without.screenshot(full_page=True)
    without.context.close()
