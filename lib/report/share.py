"""What is handed on to people who have nothing of this project: a zip of a system's pages, and its overview as one file."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from lib import session
from lib.errors import ReportError, shown
from lib.report import both, systems
from lib.store import files
from lib.text import LANGUAGES, Text

BEGINNING = (1980, 1, 1, 0, 0, 0)  # a zip's own: the same pages make the same bytes whenever they are packed


def share(profile: str, system: str = "") -> str:
    """Write outputs/PROFILE/share/PROFILE-SYSTEM.zip and .html, each whole or not there, and return a line with their sizes.

    profile: its name; system: whose pages, "" for the only one. Raises ReportError, one line, where there are none or several.
    """
    outputs = session.outputs(profile)
    pages = outputs / "html" / _chosen(outputs / "html", profile, system)
    name = f"{profile}-{pages.name}"
    made = {f"{name}.zip": packed(pages, name), f"{name}.html": overview(pages).encode()}
    for file, data in made.items():
        files.write_bytes(outputs / "share" / file, data)
    return ", ".join(f"{shown(outputs / 'share' / file)} ({len(data) / 1e6:.1f} MB)" for file, data in made.items())


def packed(pages: Path, name: str) -> bytes:
    """A zip of everything in the folder `pages`, below a folder `name` in it; the same files give the same bytes."""
    packing = io.BytesIO()
    with zipfile.ZipFile(packing, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in pages.rglob("*") if path.is_file() and not path.name.startswith(".")):
            entry = zipfile.ZipInfo(f"{name}/{path.relative_to(pages).as_posix()}", BEGINNING)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
            archive.writestr(entry, path.read_bytes())
    return packing.getvalue()


def overview(pages: Path) -> str:
    """The overview of the pages in a folder as one HTML file in both languages, which leads to none of the others."""
    from bs4 import BeautifulSoup

    read = {language: BeautifulSoup((pages / language / "index.html").read_text(encoding="utf-8"), "html.parser") for language in LANGUAGES}
    bodies = {language: soup.main.decode_contents() + str(soup.footer) for language, soup in read.items()}
    return both.page(Text(*(soup.title.get_text() for soup in read.values())), bodies)


def _chosen(html: Path, profile: str, system: str) -> str:
    there = systems.found(html)
    if system in there or (not system and len(there) == 1):
        return system or there[0]
    if not there:
        raise ReportError(f"{shown(html)}: no pages yet; make them first: make report PROFILE={profile}, or make render PROFILE={profile}")
    said = f"no pages of '{system}'" if system else "pages of several systems; name one with --system (make: SYSTEM=…)"
    raise ReportError(f"{shown(html)}: {said}; there are: {', '.join(there)}")
