"""Pages a system: each in a folder of its own, html/SYSTEM/, and html/index.html, which leads to all of them and to comparisons."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lib.errors import ReportError
from lib.pages.cross_version.systems import System
from lib.report import shell
from lib.store import files
from lib.store.run import Run
from lib.text import LANGUAGES

COMPARE = "compare"  # folder of pages that compare two runs, beside those of systems


def write(html: Path) -> Path:
    """Write html/index.html, and html/SYSTEM/index.html of each system that has pages: a folder to be handed on as it is.

    html: outputs/PROFILE/html. Returns its index. What an earlier version left in html/en and html/ja, of whichever system, goes.
    """
    for language in LANGUAGES:
        shutil.rmtree(html / language, ignore_errors=True)
    there = found(html)
    for system in there:
        files.write_text(html / system / "index.html", choose([_entry(html, system, "")]))
    compared = [(f"{COMPARE}/{path.name}", path.stem.replace("--", " – ")) for path in sorted((html / COMPARE).glob("*.html"))]
    files.write_text(html / "index.html", choose([_entry(html, system, f"{system}/") for system in there], compared))
    return html / "index.html"


def found(html: Path) -> list[str]:
    """The systems that have pages in both languages, by name."""
    return sorted(path.parents[1].name for path in html.glob("*/en/index.html") if (path.parents[1] / "ja" / "index.html").is_file())


def choose(systems: list[dict[str, Any]], compared: list[tuple[str, str]] | None = None) -> str:
    """The page that leads to both languages of each system, HTML without a word that is not in both.

    compared: (address, name) of pages that compare two runs.
    """
    return shell.fill("choose.html.j2", "en", systems=systems, compared=compared or [])


def _entry(html: Path, system: str, at: str) -> dict[str, Any]:
    """What the page says of a system; nothing but its name where its records are gone or not as they were written."""
    try:
        run = Run.open(html.parent / "results" / system).newest()
    except ReportError:
        run = None
    if run is None or not run.measured:
        return {"at": at, "name": system, "facts": ""}
    described = System(system, run)
    machine = described.gpu.get("name") or f"{described.description.get('cpu', '–')} × {described.description.get('cores', '–')}"
    return {"at": at, "name": system, "facts": " · ".join(filter(None, [machine, described.tensorrt, shell.when(run.info.started_at)]))}
