"""The pages in real headless Chromium: console, network, size of everything, dark mode, paper, toggle, language switch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_report

from lib import session
from lib.experiment import profile as config
from lib.experiment.system import system_id
from lib.report import run, share

pytestmark = pytest.mark.browser

PAGES = "REPORT_PAGES"  # environment variable: an html folder to test in place of small pages, e.g. outputs/quickstart/html/SYSTEM
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The html folder of a small report that was really run, or of $REPORT_PAGES."""
    if os.environ.get(PAGES):
        return Path(os.environ[PAGES]).resolve()
    place = tmp_path_factory.mktemp("browser")
    small_report.full(place / "notebooks", "01_note")
    small_report.full(place / "notebooks", "02_bad", "bad")
    small_report.full(place / "notebooks", "03_doubt", "warn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(session.OUTPUTS, str(place / "outputs"))
        return run.run("quickstart", place / "notebooks").index.parent / system_id()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, of this system's package or of playwright."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the pages were not tried in a browser")
    with api.sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except api.Error as error:
            pytest.skip(f"Chromium does not start: the pages were not tried in a browser ({str(error).splitlines()[0]})")
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any, html: Path) -> Iterator[Any]:
    """`visit(path, width=…, dark=…)` opens a page. What it asks for beyond files, or says on the console, fails the test."""
    wrong: list[str] = []
    contexts = []

    def open_page(path: str, width: int = 1280, dark: bool = False, script: bool = True) -> Any:
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, java_script_enabled=script)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(f"request: {request.url}"))
        page.goto((html / path).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def paths(html: Path) -> list[str]:
    return sorted(path.relative_to(html).as_posix() for path in html.rglob("*.html"))


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_and_every_image_has_an_alt_text(visit: Any, paths: list[str], width: int) -> None:
    for path in paths:
        page = visit(path, width)
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        outside = """(width) => [...document.querySelectorAll('main *')].filter((e) => !e.closest('.table, pre') && e.checkVisibility()
            && e.getBoundingClientRect().right > width + 0.5).map((e) => e.outerHTML.slice(0, 80))"""
        assert page.evaluate(outside, width) == [], path
        wordless = "[...document.images].filter((i) => !i.alt.trim() || !i.naturalWidth || i.alt.startsWith('No description')).length"
        assert page.evaluate(wordless) == 0, path
        page.close()


def test_the_language_switch_stays_on_the_page_and_the_section(visit: Any, paths: list[str]) -> None:
    for path in (path for path in paths if path.startswith("en/")):
        page = visit(path)
        page.click(".languages a[lang=ja]")
        page.wait_for_url(f"**/{path.replace('en/', 'ja/', 1)}")
        assert page.evaluate("document.documentElement.lang") == "ja"
        page.close()
    numbered = next(path for path in paths if path.startswith("en/0"))
    page = visit(numbered)
    page.click(".side .toc a >> nth=1")
    page.click(".languages a[lang=ja]")
    page.wait_for_url("**/ja/*#s2")


def test_the_first_page_offers_both_languages_without_script(visit: Any) -> None:
    page = visit("index.html", script=False)
    page.click("a[hreflang=ja]")
    page.wait_for_url("**/ja/index.html")
    assert page.locator("h1").inner_text() == "TensorRT本番導入レポート"


def test_code_is_hidden_until_it_is_asked_for_even_without_script(visit: Any, paths: list[str]) -> None:
    page = visit(next(path for path in paths if path.startswith("en/0")), script=False)
    source = page.locator(".source").first
    assert not source.is_visible()
    page.click("label[for=show-code]")
    assert source.is_visible()
    page.click("label[for=show-code]")
    assert not source.is_visible()


def test_the_question_and_its_answer_stand_on_the_first_screen(visit: Any, paths: list[str]) -> None:
    for path in (path for path in paths if path.startswith("en/0")):
        page = visit(path)
        boxes = [page.locator(selector).first.bounding_box() for selector in ("h1", ".lede", ".box, .banner")]
        assert all(box and box["y"] + 40 < 844 for box in boxes), path
        page.close()


SEEN = """(height) => {  // words of <main> above `height` pixels that a reader sees; bare numbers are none
    const folded = (at) => !at.closest('summary') && at.closest('details:not([open])');
    const walk = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT); let words = 0;
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
        const range = document.createRange(); range.selectNodeContents(node); const box = range.getBoundingClientRect();
        const seen = box.height && box.top < height && node.parentElement.checkVisibility() && !folded(node.parentElement);
        if (seen) words += node.data.split(/\\s+/).filter((word) => /\\p{L}/u.test(word)).length;
    }
    return words;
}"""


@pytest.mark.parametrize("width", [390, 1280])
def test_the_overview_answers_on_its_first_screen_and_in_few_words(visit: Any, width: int) -> None:
    page = visit("en/index.html", width)
    assert 20 < page.evaluate(SEEN, 800) < 200
    assert page.evaluate(SEEN, 1e9) < 400
    order = [page.locator(selector).first.bounding_box()["y"] for selector in (".verdict .told", ".charts img", "article .table")]
    assert order == sorted(order)
    assert order[0] + 20 < 800
    if width == 1280:
        assert page.locator("article .table tbody tr").first.bounding_box()["y"] + 20 < 800
        assert page.locator(".charts figure").evaluate_all("(all) => new Set(all.map((e) => e.getBoundingClientRect().top)).size") == 1


@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_answers_on_its_first_screen_and_in_few_words(visit: Any, html: Path, width: int) -> None:
    for path in sorted((html / "en").glob("[0-9]*.html")):
        page = visit(f"en/{path.name}", width)
        assert 20 < page.evaluate(SEEN, 800) < 200, path.name
        tops = [page.locator(f".answer {each}").first.bounding_box()["y"] for each in (".findings", "figure", ".table")]
        assert all(top + 40 < 844 for top in tops), (path.name, tops)
        assert tops[1] < tops[2]


def test_on_a_phone_the_other_findings_are_shown_when_asked_for(visit: Any) -> None:
    page = visit("en/01_note.html", 390)
    assert page.locator(".box .finding:visible").count() == 1
    page.locator(".others label").click()
    assert page.locator(".box .finding:visible").count() == 2
    assert not visit("en/01_note.html", 1280).locator(".others").is_visible()


def test_the_overview_s_table_scrolls_and_its_first_column_stays(visit: Any) -> None:
    page = visit("en/index.html", 390)
    table = page.locator("article .table").first
    room, wide = table.evaluate("(e) => [e.clientWidth, e.scrollWidth]")
    assert wide > room
    name = table.locator("tbody tr td").first
    before = name.bounding_box()["x"]
    assert table.evaluate("(e) => { e.scrollLeft = 1000; return e.scrollLeft; }") > 0
    assert name.bounding_box()["x"] == pytest.approx(before, abs=1)


def luminance(page: Any, selector: str, style: str) -> float:
    """Relative luminance (WCAG 2.2) of a colour of an element."""
    colour = page.eval_on_selector(selector, f"(e) => getComputedStyle(e).{style}")
    channels = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_words_can_be_told_from_the_paper_in_light_and_in_dark(visit: Any, dark: bool) -> None:
    page = visit("en/index.html", dark=dark)
    paper = luminance(page, "body", "backgroundColor")
    assert (paper < 0.05) == dark
    for selector in ("h1", ".lede p", ".facts dd", ".mark", "caption", ".stages a", ".bottom p", ".finding.good strong"):
        if page.locator(selector).count():
            light, deep = sorted((paper, luminance(page, selector, "color")), reverse=True)
            assert (light + 0.05) / (deep + 0.05) >= 4.5, selector
    for banner in (".banner:not(.doubt)", ".banner.doubt"):  # red and amber, each on its own wash
        if page.locator(banner).count():
            wash = luminance(page, banner, "backgroundColor")
            for selector in ("h2", "li"):
                light, deep = sorted((wash, luminance(page, f"{banner} {selector}", "color")), reverse=True)
                assert (light + 0.05) / (deep + 0.05) >= 4.5, (banner, selector)
    if page.locator(".charts img").count():
        assert luminance(page, ".charts img", "backgroundColor") == pytest.approx(1)


# What is folded and the code opened, and plain paper behind tables: of words over a gradient axe does not tell the contrast.
ALL_OF_IT = """document.querySelectorAll('details').forEach((d) => { d.open = true; });
    document.querySelectorAll('#show-code').forEach((box) => { box.checked = true; });
    document.querySelectorAll('.table').forEach((table) => { table.style.background = 'none'; });"""


@pytest.mark.parametrize(("language", "width", "dark"), [("en", 1280, False), ("en", 390, True), ("ja", 1280, True), ("ja", 390, False)])
def test_axe_finds_nothing_serious(visit: Any, html: Path, paths: list[str], tmp_path: Path, language: str, width: int, dark: bool) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: accessibility was not tested").Axe()
    ours = [path for path in paths if path.startswith(f"{language}/")]
    chosen = [path for path in ours if "index" in path] + ours[:2]
    if (language, width) == ("en", 1280):
        one = tmp_path / "one.html"
        one.write_text(share.overview(html), encoding="utf-8")
        chosen = [*ours, "index.html", str(one)]
    found = []
    for path in chosen:
        page = visit(path, width, dark)
        page.evaluate(ALL_OF_IT)
        for wrong in axe.run(page).response["violations"]:
            if wrong["impact"] in ("serious", "critical"):
                found += [f"{path}: {wrong['id']}: {wrong['help']}: {node['target']}: {node['failureSummary']}" for node in wrong["nodes"]]
        page.close()
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("language", "most"), [("en", 75), ("ja", 38)])
def test_lines_are_short_enough_to_read(visit: Any, paths: list[str], language: str, most: int) -> None:
    longest = """() => Math.max(0, ...[...document.querySelectorAll('.lede p, .prose p')].map((p) => {
        const range = document.createRange(); const text = document.createTreeWalker(p, NodeFilter.SHOW_TEXT);
        const lines = {};
        for (let node = text.nextNode(); node; node = text.nextNode()) for (let i = 0; i < node.length; i++) {
            range.setStart(node, i); range.setEnd(node, i + 1);
            const box = range.getBoundingClientRect(); const wide = node.data.charCodeAt(i) > 0x2fff ? 1 : UNIT;
            if (box.height) lines[Math.round(box.bottom / 6)] = (lines[Math.round(box.bottom / 6)] || 0) + wide;
        }
        return Math.max(0, ...Object.values(lines));
    }))""".replace("UNIT", "1" if language == "en" else "0.5")
    for path in (path for path in paths if path.startswith(f"{language}/")):
        page = visit(path)
        assert 0 < page.evaluate(longest) <= most + 1, path
        page.close()


def test_paper_gets_the_words_and_not_the_navigation(visit: Any, paths: list[str]) -> None:
    page = visit(next(path for path in paths if path.startswith("en/0")), dark=True)
    page.emulate_media(media="print")
    assert luminance(page, "body", "backgroundColor") == pytest.approx(1)
    hidden = [page.locator(selector).first.is_visible() for selector in (".side", ".languages", ".toggle", ".turn")]
    assert hidden == [False] * 4
    assert page.locator("article").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_pages_together_stay_under_eight_megabytes(html: Path) -> None:
    assert sum(path.stat().st_size for path in html.rglob("*") if path.is_file()) < 8_000_000


def test_ci_installs_the_browser_that_these_tests_need() -> None:
    assert "chromium" in (config.ROOT / ".ci" / "run").read_text()
