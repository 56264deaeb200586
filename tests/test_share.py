"""What is handed on: a zip of a system's pages and its overview as one file, which need nothing else."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_report
from bs4 import BeautifulSoup
from test_pages_browser import browser  # noqa: F401  a fixture

from lib import session
from lib.__main__ import main
from lib.errors import ReportError
from lib.experiment.candidate import Candidate
from lib.report import both, notebooks, render, share, systems
from lib.store.records import Record
from lib.text import Text

WIDE = "with spaces, 出力"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """outputs/quickstart with pages of two systems, of notebooks that were not executed for it. Do not change it."""
    place = tmp_path_factory.mktemp("share")
    path = small_report.full(place / "notebooks", "01_note", "bad")
    found = [
        Record("look", "count", 7, stats={"level": "bad"}),
        Record("accuracy", "share", 0.975, Candidate("onnxrt", "fp32"), stats={"correct": 975, "total": 1000}),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(session.OUTPUTS, str(place / "outputs"))
        for system in ("a-system", "b-system"):
            small_report.recorded(place / "outputs" / "quickstart" / "results" / system, "01_note", found)
            render.write("quickstart", place / "notebooks", system, {"01_note": notebooks.read(path)})
        yield place / "outputs" / "quickstart"


@pytest.fixture
def shared(place: Path) -> Path:
    share.share("quickstart", "a-system")
    return place / "share"


def unzipped(shared: Path, to: Path) -> Path:
    with zipfile.ZipFile(shared / "quickstart-a-system.zip") as archive:
        archive.extractall(to / WIDE)
    return to / WIDE / "quickstart-a-system"


def test_the_zip_holds_the_pages_of_one_system_and_every_link_in_it_has_its_target(place: Path, shared: Path, tmp_path: Path) -> None:
    folder = unzipped(shared, tmp_path)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names >= {"index.html", *(f"{language}/{name}.html" for language in ("en", "ja") for name in ("index", "01_note"))}
    for name in names:
        assert (folder / name).read_bytes() == (place / "html" / "a-system" / name).read_bytes()
    for path in folder.rglob("*.html"):
        for link in BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select("a[href]"):
            target = link["href"].partition("#")[0]
            assert not target or (path.parent / target).resolve().is_relative_to(folder)
            assert not target or (path.parent / target).is_file(), (path, link)


def test_the_same_pages_make_the_same_bytes(place: Path, shared: Path, tmp_path: Path) -> None:
    copy = unzipped(shared, tmp_path)  # with other times, and in another folder
    (copy / ".index.html.half").write_text("what is being written")
    assert share.packed(copy, "quickstart-a-system") == (shared / "quickstart-a-system.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(share.packed(copy, "x"))) as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {(entry.date_time, entry.external_attr >> 16) for entry in archive.infolist()} == {(share.BEGINNING, 0o100644)}


def test_the_one_file_has_both_overviews_their_pictures_and_style(place: Path, shared: Path) -> None:
    text = (shared / "quickstart-a-system.html").read_text(encoding="utf-8")
    soup = BeautifulSoup(text, "html.parser")
    assert [part["lang"] for part in soup.select("main > div")] == ["en", "ja"]
    assert "TensorRT production report" in soup.title.text
    ids = [tag["id"] for tag in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    for link in soup.select("a[href]"):
        assert link["href"].startswith("#")
        assert link["href"][1:] in ids
    for language in ("en", "ja"):
        page = BeautifulSoup((place / "html" / "a-system" / language / "index.html").read_text(encoding="utf-8"), "html.parser")
        body = soup.select_one(f"main > [lang={language}]")
        assert page.main.get_text() in body.get_text()
        assert [image["src"] for image in page.main.select("img")] == [image["src"] for image in body.select("img")]
        assert body.select("img")
    assert not re.search(r"""(?:src|href|url|action)\s*[=(]\s*["']?\s*(?:https?:)?//""", text)


def test_ids_are_told_apart_and_links_that_lead_out_are_words() -> None:
    said = both.alone('<a class="x" href="01.html#s">one</a><a href="#s">two</a><p id="s" aria-labelledby="a b">3</p>', "ja")
    assert said == '<span class="x">one</span><a href="#ja-s">two</a><p aria-labelledby="ja-a ja-b" id="ja-s">3</p>'
    assert 'href="https://x.org/"' in both.alone('<a href="https://x.org/">web</a>', "en")
    assert "<b>&amp;</b>" in both.page(Text("<t>", "題"), {"en": "<b>&amp;</b>", "ja": ""})
    assert "&lt;t&gt;" in both.page(Text("<t>", "題"), {"en": "", "ja": ""})


@pytest.mark.parametrize(
    ("system", "says"),
    [
        ("", "pages of several systems; name one with --system .*; there are: a-system, b-system"),
        ("c", "no pages of 'c'; there are: a-system"),
    ],
)
def test_which_system_is_asked_for_in_one_line(place: Path, system: str, says: str) -> None:
    with pytest.raises(ReportError, match=says):
        share.share("quickstart", system)


def test_where_there_are_no_pages_one_line_says_how_to_make_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(session.OUTPUTS, str(tmp_path))
    with pytest.raises(ReportError, match="no pages yet; make them first: make report PROFILE=quickstart, or make render"):
        share.share("quickstart")
    assert not list(tmp_path.iterdir())


def test_the_only_system_need_not_be_named_and_sizes_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(session.OUTPUTS, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for language in ("en", "ja"):
        page = tmp_path / "p" / "html" / "here" / language / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text("<title>t</title><main>m</main><footer>f</footer>")
    assert main(["share", "--profile", "p"]) == 0
    assert main(["share", "--profile", "p", "--system", "there"]) == 1
    assert re.fullmatch(r"p/share/p-here.zip \(0\.0 MB\), p/share/p-here.html \(0\.0 MB\)", share.share("p"))


def test_an_index_names_systems_whose_records_are_gone_and_drops_what_lay_there_before(tmp_path: Path) -> None:
    for folder in ("here/en", "here/ja", "half/en", "en", "ja", "compare"):
        (tmp_path / "html" / folder).mkdir(parents=True)
        (tmp_path / "html" / folder / "index.html").write_text("x")
    soup = BeautifulSoup(systems.write(tmp_path / "html").read_text(encoding="utf-8"), "html.parser")
    assert [heading.text for heading in soup.select("h2")] == ["here", "Runs compared · 実行の比較"]
    assert [link["href"] for link in soup.select("a")] == ["here/en/index.html", "here/ja/index.html", "compare/index.html"]
    assert not (tmp_path / "html" / "en").exists()


@pytest.mark.browser
def test_everything_opens_in_a_browser_and_asks_for_nothing(shared: Path, tmp_path: Path, browser: Any) -> None:  # noqa: F811
    folder, asked, wrong = unzipped(shared, tmp_path), [], []
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.on("request", lambda request: None if request.url.startswith("data:") else asked.append(request.url))
    page.on("requestfailed", lambda request: wrong.append(request.url))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for path in sorted(folder.rglob("*.html")):
        page.goto(path.as_uri())
    page.goto((folder / "index.html").as_uri())
    page.click("a[hreflang=ja]")
    page.click(".stages a")
    page.wait_for_url("**/ja/01_note.html")
    asked.clear()
    alone = (shared / "quickstart-a-system.html").as_uri()
    page.goto(alone)
    headings = page.locator("h1")
    assert [headings.nth(place).is_visible() for place in (0, 1)] == [True, False]
    page.click("label[for=show-ja]")
    assert [headings.nth(place).is_visible() for place in (0, 1)] == [False, True]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    context.close()
    assert asked == [alone]
    assert wrong == []
