"""The sections of notebook 08 about versions on one machine: shown where some TensorRT was named, else one line in their place."""

from __future__ import annotations

from markupsafe import Markup, escape

from lib.pages.cross_version.versions import Versions, W
from lib.show import table as show
from lib.store.run import Run
from lib.text import Language, Text

FIRST = "answer"  # the section that says how to compare versions, where none were
WITHOUT_RUNNING = ("code", "plans")  # what can be said of versions that found no GPU


def section(run: Run, key: str) -> bool:
    """Show the heading of a section and what it says, and whether anything is to follow. key: of `headings`.

    Where no version ran, the first section says so, or how to name some where none were; sections with nothing to show are left out.
    """
    found = Versions(run)
    there = bool(found.names) or bool(found.workers and key in WITHOUT_RUNNING)
    if there or key == FIRST:
        heading, said = (W(f"headings.{key if found.workers else 'none'}"), _said(key, found))
        show.html(lambda language: _html(heading, said, language))
    return there


def several(run: Run) -> bool:
    """Whether two versions ran."""
    return len(Versions(run).names) > 1


def _said(key: str, found: Versions) -> Text | None:
    """What stands below a heading."""
    if not found.workers:
        return W("sections.none")
    if not found.names and key == FIRST:
        return W("findings.none_ran")
    return W(f"sections.{key}") if key in W.groups["sections"] else None


def _html(heading: Text, said: Text | None, language: Language) -> str:
    """As the cells of a notebook are on its page (lib/report/cells.py), so that it is found among the headings."""
    paragraph = Markup("<p>{}</p>").format(_code(said.in_(language))) if said else ""
    return Markup('<div class="prose"><h2>{}</h2>{}</div>').format(heading.in_(language), paragraph)


def _code(text: str) -> Markup:
    """Text with what stands between backquotes as code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
