"""The sections of notebook 08 about versions on one machine: shown where some TensorRT was named, else one line in their place."""

from __future__ import annotations

from markupsafe import Markup, escape

from lib.pages.cross_version.versions import Versions, W
from lib.show import table as show
from lib.store.run import Run
from lib.text import Language, Text

FIRST = "answer"  # the section that says how to compare versions, where none were


def begin(run: Run, key: str) -> bool:
    """Show the heading of a section and what it says, and whether anything is to follow. key: of `headings` and `sections`.

    Without any TensorRT that was named, the first section says how to name some, and the others show nothing at all.
    """
    there = asked(run)
    if there or key == FIRST:
        shown = key if there else "none"
        said = W(f"sections.{shown}") if shown in W.groups["sections"] else None
        show.html(lambda language: _html(W(f"headings.{shown}"), said, language))
    return there


def asked(run: Run) -> bool:
    """Whether any TensorRT was named to be compared, be it that it ran or not."""
    return bool(Versions(run).workers)


def _html(heading: Text, said: Text | None, language: Language) -> str:
    """As the cells of a notebook are on its page (lib/report/cells.py), so that it is found among the headings."""
    paragraph = Markup("<p>{}</p>").format(_code(said.in_(language))) if said else ""
    return Markup('<div class="prose"><h2>{}</h2>{}</div>').format(heading.in_(language), paragraph)


def _code(text: str) -> Markup:
    """Text with what stands between backquotes as code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
