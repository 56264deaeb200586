"""How the modules of lib/ hang together: light to import, no cycles, every public thing documented."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from lib.experiment import profile as config

PATHS = {
    ".".join(path.relative_to(config.ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((config.ROOT / "lib").rglob("*.py"))
}
HEAVY = (
    "tensorflow",
    "keras",
    "tf2onnx",
    "onnx",
    "onnxruntime",
    "tensorrt",
    "tensorrt_rtx",
    "matplotlib",
    "pandas",
    "scipy",
    "sklearn",
    "pycuda",
    "polygraphy",
    "torch",
    "mlperf_loadgen",
)


def test_importing_every_module_loads_nothing_heavy():
    """What takes seconds to import, or is missing on a machine of another kind, is imported where it is used."""
    code = f"""
        import importlib, sys
        for name in {sorted(PATHS)!r}:
            if name != "lib.__main__":
                importlib.import_module(name)
                loaded = sorted(set({HEAVY!r}) & set(sys.modules))
                assert not loaded, f"{{name}} imports {{loaded}}"
        print("all light")
    """
    environment = os.environ | {"PYTHONPATH": str(config.ROOT)}
    code = "\n".join(line[8:] for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "all light\n", done.stderr


# The tower: what stands above may import what stands below, never the other way round.
TOWER = (
    "__main__",
    "bench",
    "report",
    "verdict",
    "pages",
    "measure",
    "rivals",
    "runners",
    "plans",
    "export",
    "onnx_session",
    "session",
    "models",
    "store",
    "data",
    "trt",
    "experiment",
    "cuda",
    "serving",
    "show",
    "two_level",
    "stats",
    "deadline",
    "errors",
    "progress",
    "timer",
    "stop",
    "words",
    "text",
)


def imported(tree):
    """Imports that run sooner or later, inside functions too, but not those for type checkers alone."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            todo += ast.iter_child_nodes(node)


def depends_on(name):
    found = set()
    for node in imported(ast.parse(PATHS[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        else:
            assert not node.level, f"{name}: relative import"
            found |= {f"{node.module}.{alias.name}" if f"{node.module}.{alias.name}" in PATHS else node.module for alias in node.names}
    return found & set(PATHS)


GRAPH = {name: depends_on(name) for name in PATHS}


def test_no_module_imports_itself_by_way_of_others_not_even_inside_a_function():
    assert GRAPH["lib.session"] >= {"lib.experiment.profile", "lib.store.records"}  # the graph is not empty
    assert "lib.report.run" in GRAPH["lib.__main__"]  # inside a function
    list(TopologicalSorter(GRAPH).static_order())


def room(name):
    return name.split(".")[1] if "." in name else ""


@pytest.mark.parametrize("name", [name for name in PATHS if name != "lib"])
def test_imports_go_downwards(name):
    assert room(name) in TOWER
    for other in GRAPH[name] - {"lib"}:
        assert TOWER.index(room(other)) >= TOWER.index(room(name)), f"{name} imports {other}"


@pytest.mark.parametrize("name", [name for name in PATHS if name.startswith("lib.pages.") and not name.endswith(".measure")])
def test_pages_touch_the_world_where_they_measure_alone(name):
    assert not {other for other in GRAPH[name] if room(other) in ("trt", "rivals", "runners", "cuda", "export", "models")}


@pytest.mark.parametrize("stage", sorted(path.stem for path in (config.ROOT / "notebooks").glob("*.ipynb")))
def test_a_page_is_a_folder_of_the_notebook_s_name(stage):
    assert {f"lib.pages.{stage[3:]}.{part}" for part in ("measure", "rules", "tables", "figures")} <= set(PATHS)
    assert (config.ROOT / "lib" / "pages" / stage[3:] / "words.yaml").is_file()


def public(tree):
    """(name, node) of public functions, classes and methods that do not override a documented one."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef) and not inherits_docs(node):
                methods = [child for child in node.body if isinstance(child, ast.FunctionDef) and not child.name.startswith("_")]
                yield from ((f"{node.name}.{child.name}", child) for child in methods if not decorated(child))


def inherits_docs(node):
    return any(ast.unparse(base) not in ("ABC", "NamedTuple", "Strict", "BaseModel", "Exception") for base in node.bases)


def decorated(node):
    return any("validator" in ast.unparse(decorator) for decorator in node.decorator_list)


@pytest.mark.parametrize("name", PATHS)
def test_everything_public_is_documented_and_typed(name):
    for called, node in public(ast.parse(PATHS[name].read_text(encoding="utf-8"))):
        assert ast.get_docstring(node), f"{name}.{called} has no docstring"
        if isinstance(node, ast.FunctionDef):
            assert node.returns is not None, f"{name}.{called}: what it returns is not typed"
            untyped = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs) if a.annotation is None]
            assert untyped in ([], ["self"], ["cls"]), f"{name}.{called}: {untyped}"
