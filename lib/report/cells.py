"""One executed notebook in one language as the parts of a page, by nbconvert and this folder's template."""

from __future__ import annotations

import copy
import re
import uuid
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from lib.report import notebooks
from lib.text import LANGUAGES, Language

TEMPLATES = Path(__file__).resolve().parent / "template"
NOT_SHOWN = ("parameters", notebooks.INJECTED)  # tags of cells that say nothing to a reader
# Outputs that hold these are long, have no headings and stay as they are: put back last, they are not parsed.
WHOLE = re.compile(r"<(?:table|img)\b")
HELD = re.compile("held-[0-9a-f]{32}")  # in place of one, a name that no text can know
# A line of Japanese prose, not a heading, that goes on in the next line with Japanese or a word, but not with the number of a list.
WRAPPED = re.compile(
    r"^(?!#)(.*[\u3001-\u9fff\uff00-\uffef])\n(?=[\u3001-\u9fff\uff00-\uffef]|`(?!``)|(?!\d+\. )[A-Za-z0-9])", re.MULTILINE
)


class Parts(NamedTuple):
    """What a page is put together from. lede, answer, content: HTML (markupsafe.Markup), answer being what the notebook shows before its
    first `##` heading; sections: (id, title) of these headings, with ids that both languages share."""

    lede: Any
    answer: Any
    sections: list[tuple[str, str]]
    content: Any


def parts(notebook: Any, language: Language) -> Parts:
    """Take an executed notebook apart."""
    from bs4 import BeautifulSoup
    from markupsafe import Markup

    held: dict[str, str] = {}
    fragment, _ = _exporter(language).from_notebook_node(_for_readers(notebook, held), resources={})
    soup = BeautifulSoup(fragment, "html.parser")
    lede = ""
    if title := soup.h1:  # the first cell is the title and the question: the page's head shows both
        cell = title.find_parent(class_="cell").extract()
        title.decompose()
        lede = cell.decode_contents().strip()
    first = soup.select_one(".prose h2")
    before = first.find_all_previous(class_="output") if first else []
    answer = [output.extract() for output in reversed(before) if not output.find("h2")]
    sections = []
    for number, heading in enumerate(soup.select(".prose h2"), 1):
        heading["id"] = f"s{number}"
        sections.append((heading["id"], heading.get_text(strip=True)))
    for heading in soup.select(".prose :is(h1, h3, h4)"):
        del heading["id"]
    for empty in [cell for cell in soup.select(".cell") if not cell.get_text(strip=True) and not cell.find(["img", "table"])]:
        empty.decompose()
    answered, content = (HELD.sub(lambda at: held.get(at[0], at[0]), html) for html in ("\n".join(map(str, answer)), str(soup).strip()))
    return Parts(Markup(lede), Markup(answered), sections, Markup(content))


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


def _for_readers(notebook: Any, held: dict[str, str]) -> Any:
    """A copy without progress lines, without widgets' metadata, without findings, which pages show first and from the records,
    and without line breaks inside a Japanese sentence, which a browser would show as spaces. held: takes the outputs that are `WHOLE`, by
    the names that stand in their place."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = WRAPPED.sub(r"\1", cell.source)
        elif cell.cell_type == "code":
            told = "findings" in cell.metadata.get("tags", [])
            cell.outputs = [output for output in cell.outputs if output.output_type != "stream" and not told]
            for output in cell.outputs:
                html = output.get("data", {}).get("text/html", "")
                if WHOLE.search(html):
                    output.data["text/html"] = name = f"held-{uuid.uuid4().hex}"
                    held[name] = html
    return notebook
