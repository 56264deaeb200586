"""One executed notebook in one language as the parts of a page, by nbconvert and this folder's template."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lib.report import notebooks
from lib.text import LANGUAGES, Language

TEMPLATES = Path(__file__).resolve().parent / "template"
NOT_SHOWN = ("parameters", notebooks.INJECTED)  # tags of cells that say nothing to a reader


# A line of Japanese prose, not a heading, that goes on in the next line with Japanese or a word, but not with the number of a list.
WRAPPED = re.compile(
    r"^(?!#)(.*[\u3001-\u9fff\uff00-\uffef])\n(?=[\u3001-\u9fff\uff00-\uffef]|`(?!``)|(?!\d+\. )[A-Za-z0-9])", re.MULTILINE
)


@dataclass
class Parts:
    """What a page is put together from: HTML, but for `title` and the section titles.

    sections: (id, title) of the `##` headings, with ids that both languages share.
    """

    title: str = ""
    lede: str = ""
    sections: list[dict[str, str]] = field(default_factory=list)
    content: str = ""


def parts(notebook: Any, language: Language) -> Parts:
    """Take an executed notebook apart."""
    from bs4 import BeautifulSoup

    fragment, _ = _exporter(language).from_notebook_node(_for_readers(notebook), resources={})
    soup = BeautifulSoup(fragment, "html.parser")
    found = Parts()
    _take_title(soup, found)
    _number_sections(soup, found)
    for empty in [cell for cell in soup.select(".cell") if not cell.get_text(strip=True) and not cell.find(["img", "table"])]:
        empty.decompose()
    found.content = str(soup).strip()
    return found


def opening(notebook: Any) -> Any:
    """A notebook without what comes after its title and question."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = notebook.cells[: len(LANGUAGES)]
    return notebook


@cache
def _exporter(language: Language) -> Any:
    """nbconvert's HTML exporter that drops the other language, tagged on cells and on single outputs."""
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    others = {f"lang-{other}" for other in LANGUAGES if other != language}
    settings = Config()
    settings.TagRemovePreprocessor.enabled = True
    settings.TagRemovePreprocessor.remove_cell_tags = others | set(NOT_SHOWN)
    settings.TagRemovePreprocessor.remove_single_output_tags = others
    return HTMLExporter(
        config=settings,
        extra_template_basedirs=[str(TEMPLATES)],
        template_name="cells",
        language_code=language,
        exclude_anchor_links=True,
    )


def _for_readers(notebook: Any) -> Any:
    """A copy without progress lines, without widgets' metadata, without findings, which pages show first and from the records
    (told.py), and without line breaks inside a Japanese sentence, which a browser would show as spaces."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = WRAPPED.sub(r"\1", cell.source)
        elif cell.cell_type == "code":
            told = "findings" in cell.metadata.get("tags", [])
            cell.outputs = [output for output in cell.outputs if output.output_type != "stream" and not told]
    return notebook


def _take_title(soup: Any, found: Parts) -> None:
    """The first cell is the title and the question; the page's head shows both."""
    title = soup.find("h1")
    if title is None:
        return
    cell = title.find_parent(class_="cell")
    found.title = notebooks.unnumbered(title.get_text(strip=True))
    title.decompose()
    found.lede = cell.decode_contents().strip()
    cell.decompose()


def _number_sections(soup: Any, found: Parts) -> None:
    for number, heading in enumerate(soup.select(".prose h2"), 1):
        heading["id"] = f"s{number}"
        found.sections.append({"id": heading["id"], "title": heading.get_text(strip=True)})
    for heading in soup.select(".prose :is(h1, h3, h4)"):
        del heading["id"]
