"""No place in lib/ knows one model: sizes, names and classes come from the spec, but where ours is trained and its data are read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from lib.experiment import profile as config

LIB = config.ROOT / "lib"
OURS = ("models/train.py", "models/vgg.py", "models/source.py", "pages/train/")  # where our model is made, chosen and shown
DATA = ("data/", "experiment/sections.py", "experiment/profile.py", "store/migrate.py")  # where datasets are read or asked for by name
SIZES = ("report/found.py",)  # those that `make new` tries where a model takes any
SHAPES = re.compile(r"\b32,\s*32\b|\b3072\b|\b32\s*[x×*]\s*32\b|\[\s*None,\s*10\s*\]")
NAMES = re.compile(r"cifar|sklearn digits|airplane", re.IGNORECASE)
SOURCES = sorted((*LIB.rglob("*.py"), *LIB.glob("cpp/*.?pp")))


def below(path: Path) -> str:
    return path.relative_to(LIB).as_posix()


def code(path: Path) -> str:
    """A source without its comments and docstrings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return re.sub(r"//.*", "", text)
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node, clean=False) is not None:
            node.body[0].value.value = ""  # type: ignore[attr-defined]
    return ast.unparse(tree)


@pytest.mark.parametrize("path", [path for path in SOURCES if not below(path).startswith(OURS)], ids=below)
def test_a_source_knows_no_model(path: Path) -> None:
    found = code(path)
    assert below(path) in SIZES or below(path).startswith("data/") or not SHAPES.search(found)
    assert below(path).startswith(DATA) or not NAMES.search(found)
    assert not re.search(r"models import .*\bvgg\b|models\.vgg", found)


@pytest.mark.parametrize("text", ["x.reshape(-1, 32, 32, 3)", "n * 3072", "'cifar10'", "from lib.models import train, vgg"])
def test_what_is_looked_for_is_found(text: str, tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text(f'"""32, 32: said, not done."""\n{text}\n', encoding="utf-8")
    found = code(path)
    assert SHAPES.search(found) or NAMES.search(found) or "vgg" in found
    assert "said" not in found
