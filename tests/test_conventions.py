"""What every stored notebook and every module keeps to (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

from lib.experiment import profile as config

NOTEBOOKS = sorted((config.ROOT / "notebooks").glob("*.ipynb"))
MODULES = sorted((config.ROOT / "lib").rglob("*.py"))
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
POLITE = re.compile(r"(です|ます|でした|ました|ません|ください)[。、\n]")


def name(path: Path) -> str:
    return path.stem if path.suffix == ".ipynb" else str(path.relative_to(config.ROOT))


@pytest.fixture(params=NOTEBOOKS, ids=name)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    read = nbformat.read(request.param, as_version=4)
    read.path = request.param
    return read


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def test_a_notebook_is_stored_without_outputs(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate({key: value for key, value in notebook.items() if key != "path"})
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


def test_markdown_comes_in_pairs_of_both_languages(notebook: nbformat.NotebookNode) -> None:
    waiting = None
    for cell in notebook.cells:
        if waiting is not None:
            assert cell.cell_type == "markdown"
            assert tags(cell) == ["lang-ja"], f"no Japanese pair of: {waiting[:60]}"
            assert re.findall(r"^#+ ", waiting, re.MULTILINE) == re.findall(r"^#+ ", cell.source, re.MULTILINE)
            assert JAPANESE.search(cell.source)
            waiting = None
        elif cell.cell_type == "markdown":
            assert tags(cell) == ["lang-en"], f"neither language: {cell.source[:60]}"
            assert not JAPANESE.search(cell.source)
            waiting = cell.source
    assert waiting is None


def test_a_notebook_begins_with_its_question_measures_once_and_ends_with_findings(notebook: nbformat.NotebookNode) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    page = notebook.path.stem
    assert re.match(r"# \S.*\n+\S", notebook.cells[0].source)
    assert tags(code[0]) == ["parameters"]
    assert code[0].source.split("#")[0].strip() == 'profile = ""'
    source = "\n".join(cell.source for cell in code)
    assert source.count(f'start(profile, "{page}")') == 1
    assert source.count(".measure(measure.measure)") == 1
    assert f"from lib.pages.{page[3:]} import " in source
    assert tags(code[-1]) == ["findings"]
    assert code[-1].source == "show.findings(rules.findings(run))"


def test_code_cells_are_short_and_define_nothing(notebook: nbformat.NotebookNode) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            lines = [line for line in cell.source.splitlines() if line.strip()]
            assert 1 <= len(lines) <= 5, cell.source
            assert max(map(len, lines)) <= 100, cell.source
            defined = (ast.FunctionDef, ast.Lambda, ast.ClassDef, ast.While, ast.With, ast.Try)  # a short loop over lib's rows may stand
            assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, defined)], cell.source


def test_no_measured_number_is_typed_into_prose(notebook: nbformat.NotebookNode) -> None:
    measured = re.compile(r"\d[\d.,]*\s?(%|ms\b|ミリ秒|images/s|枚/秒|MB\b|MiB\b)")
    found = [cell.source for cell in notebook.cells if cell.cell_type == "markdown" and measured.search(cell.source)]
    assert [text for text in found if not re.search(r"95\s?%", text)] == []


@pytest.mark.parametrize("path", [*NOTEBOOKS, *MODULES, config.ROOT / "README.ja.md"], ids=name)
def test_japanese_says_which_precision_or_accuracy_it_means_and_keeps_its_style(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r".{0,10}(?<!数値)精度.{0,10}", text) == []
    assert POLITE.findall(text) == []


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 300
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_tensorrt_and_cuda_are_imported_in_their_own_places_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {alias.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    found |= {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    if "trt" not in path.parent.parts:
        assert not {f for f in found if f.startswith("tensorrt")}
    if path.name != "cuda.py":
        assert not found & {"pycuda", "cuda"}
