"""The numbered notebooks: which there are and what each asks."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.text import LANGUAGES, Text

FOLDER = config.ROOT / "notebooks"
INJECTED = "injected-parameters"
OPENING = re.compile(r"\s*# +(?:\d\d[\s.:\uff1a-]+)?(?P<title>.+)\s*(?P<question>(?:.*\S.*\n?)*)")


@dataclass(frozen=True)
class Notebook:
    """One notebook. stage: its name, e.g. `05_consistency`; title and question: of its first pair of cells."""

    stage: str
    path: Path
    title: Text
    question: Text

    @property
    def number(self) -> str:
        """The two digits it is ordered by."""
        return self.stage[:2]

    @property
    def page(self) -> str:
        """File name of its page."""
        return f"{self.stage}.html"


def find(folder: Path = FOLDER) -> list[Notebook]:
    """The notebooks NN_name.ipynb of a folder in order. Raises ReportError where there are none or one is not a notebook."""
    found = [_describe(path) for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))]
    if not found:
        raise ReportError(f"{folder}: no notebooks such as 01_name.ipynb in it")
    return found


def read(path: Path) -> Any:
    """A notebook as nbformat's v4 node. Raises ReportError, one line, if it is not one."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises whatever its JSON and schema libraries raise
        raise ReportError(f"{path}: not a notebook ({str(error).splitlines()[0]})") from None


def python_path() -> str:
    """PYTHONPATH of kernels: the project before whatever stands there."""
    return os.pathsep.join([str(config.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def source_line(source: str) -> str:
    """The first line of a cell that does something, for messages."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    code = [line for line in lines if not line.startswith("#")]
    return (code or lines or [""])[0]


def _describe(path: Path) -> Notebook:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path}: not a notebook ({error})") from None
    first = [_first(cells, f"lang-{language}", path.stem) for language in LANGUAGES]
    return Notebook(path.stem, path, Text(*(title for title, _ in first)), Text(*(question for _, question in first)))


def _first(cells: list[dict[str, Any]], tag: str, stage: str) -> tuple[str, str]:
    """Title (without the number, which pages show beside it) and question (the first paragraph) of the first cell with this tag."""
    for cell in cells:
        if cell.get("cell_type") == "markdown" and tag in cell.get("metadata", {}).get("tags", []):
            found = OPENING.match("".join(cell["source"]))
            return (found["title"], _plain(found["question"])) if found else (stage, "")
    return stage, ""


def _plain(markdown: str) -> str:
    """Without marks, and without line breaks inside a Japanese sentence."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"[*`]", "", text).strip()
    return re.sub(r"(?<=[^\x00-\x7f])\n(?=[^\x00-\x7f])", "", text).replace("\n", " ")
