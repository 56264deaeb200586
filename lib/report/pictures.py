"""The pictures in the READMEs: first screens of a report's pages, in both languages, by Chromium."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.report import readme
from lib.report.shell import Report
from lib.store import files
from lib.text import Language

WIDTH, HEIGHT = 1280, 800  # pixels
COLOURS = 256
RUN = "run"  # what a picture says of itself, where a PNG may hold text: the id of the run that it shows
INSTALLED = ("chromium", "chromium-browser", "google-chrome")
NONE = "pictures are taken by Playwright (make test installs it) with Chromium (of this system, or: python -m playwright install chromium)"


def take(report: Report, html: Path, root: Path = config.ROOT) -> list[Path]:
    """Write `readme.picture` of both languages below `root` for every block of the report that has one, PNGs of WIDTH × HEIGHT; returns
    them.

    html: the report's pages, html/SYSTEM. Raises ReportError where there is no browser.
    """
    wanted = [(block, language) for block in readme.blocks(report) if block in readme.PICTURES for language in readme.READMES]
    if not wanted:
        return []
    with _browser() as browser:
        return [_taken(browser, report, html, root, block, language) for block, language in wanted]


def _taken(browser: Any, report: Report, html: Path, root: Path, block: str, language: Language) -> Path:
    path = root / readme.picture(report, language, block)
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", reduced_motion="reduce")
    page.goto((html / language / readme.PICTURES[block][0]).resolve().as_uri())
    files.write_bytes(path, _small(page.screenshot(), report.run.info.run_id))
    return path


@contextmanager
def _browser() -> Iterator[Any]:
    try:
        from playwright import sync_api
    except ImportError:
        raise ReportError(NONE) from None
    with sync_api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=next(filter(None, map(shutil.which, INSTALLED)), None), args=["--no-sandbox"]
            )
        except sync_api.Error as error:
            raise ReportError(f"{NONE}: {str(error).splitlines()[0]}") from None
        yield browser
        browser.close()


def _small(png: bytes, run_id: str) -> bytes:
    """The PNG in COLOURS colours, a third of the bytes, which says what run it is of."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info, made = PngInfo(), io.BytesIO()
    info.add_text(RUN, run_id)
    with Image.open(io.BytesIO(png)) as opened:
        reduced = opened.convert("RGB").quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    reduced.save(made, format="png", optimize=True, pnginfo=info)
    return made.getvalue()
