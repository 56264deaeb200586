"""The numbered notebooks: which there are, what each asks, and which profiles each is for."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.text import LANGUAGES, Text

# jsonschema, which nbformat checks notebooks with, does without it; for IRIs, of which notebooks have none, it takes a second to import.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

FOLDER = config.ROOT / "notebooks"
INJECTED = "injected-parameters"
# A title, without the number that pages show beside it, and the paragraph below it.
OPENING = re.compile(r"\s*# +(?:\d\d[\s.:\uff1a-]+)?(?P<title>.+)\s*(?P<question>(?:.*\S.*\n?)*)")


@dataclass(frozen=True)
class Notebook:
    """One notebook. stage: its name, e.g. `05_consistency`; title and question: of its first pair of cells; section: the section that a
    profile must have for it, dataset: the built-in dataset that it must name, "" where any will do; derived: whether it measures nothing
    and is shown from what the others recorded."""

    stage: str
    path: Path
    title: Text
    question: Text
    section: str = ""
    dataset: str = ""
    derived: bool = False

    @property
    def number(self) -> str:
        """The two digits it is ordered by."""
        return self.stage[:2]

    @property
    def page(self) -> str:
        """File name of its page."""
        return f"{self.stage}.html"

    def fits(self, profile: Mapping[str, Any]) -> bool:
        """Whether it is for a profile of these values (`Profile.model_dump`): one that trains, one with a model of its own, or one of the
        dataset that it is about."""
        named = (profile.get("dataset") or {}).get("name")
        return (not self.section or bool(profile.get(self.section))) and self.dataset in ("", named)


def find(folder: Path = FOLDER) -> list[Notebook]:
    """The notebooks NN_name.ipynb of a folder in order. Raises ReportError where there are none or one is not a notebook."""
    found = [_describe(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
    if not found:
        raise ReportError(f"{folder}: no notebooks such as 01_name.ipynb in it")
    return found


def fitting(found: Iterable[Notebook], profile: Mapping[str, Any]) -> list[Notebook]:
    """Those that are for a profile of these values, in order. Raises ReportError where there are none."""
    fits = [notebook for notebook in found if notebook.fits(profile)]
    if not fits:
        raise ReportError(f"profile {profile.get('name', '')}: none of these notebooks is for it; {FOLDER.name}/ has those that are")
    return fits


def read(path: Path) -> Any:
    """A notebook as nbformat's v4 node. Raises ReportError, one line, if it is not one."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises whatever its JSON and schema libraries raise
        raise ReportError(f"{path}: not a notebook ({str(error).splitlines()[0]})") from None


def _describe(path: Path) -> Notebook:
    try:
        node = json.loads(path.read_text(encoding="utf-8"))
        # Of each tag the first counts.
        sources = {tag: "".join(cell["source"]) for cell in reversed(node["cells"]) for tag in cell["metadata"].get("tags", [])}
        about = node.get("metadata", {}).get("report", {})
        section, dataset, derived = str(about.get("profile", "")), str(about.get("dataset", "")), bool(about.get("derived"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path}: not a notebook ({error})") from None
    found = [OPENING.match(sources.get(f"lang-{language}", "")) for language in LANGUAGES]
    titles, questions = zip(*[(match["title"], _plain(match["question"])) if match else (path.stem, "") for match in found], strict=True)
    return Notebook(path.stem, path, Text(*titles), Text(*questions), section, dataset, derived)


def _plain(markdown: str) -> str:
    """Without marks, and without line breaks inside a Japanese sentence."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"[*`]", "", text).strip()
    return re.sub(r"(?<=[^\x00-\x7f])\n(?=[^\x00-\x7f])", "", text).replace("\n", " ")
