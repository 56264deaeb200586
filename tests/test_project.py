"""The habits of the project: locks, set-up, the Makefile, and what the two READMEs promise."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lib.experiment import profile as config

ROOT = config.ROOT
LOCKED = re.compile(r"^([a-z0-9._-]+)==(\S+)(?: ;.*)? \\$", re.MULTILINE)


def named(path: str) -> set[str]:
    """Names of the packages that a requirements*.in file asks for."""
    lines = (ROOT / path).read_text().splitlines()
    return {re.split(r"[\s;=<>\[]", line)[0] for line in lines if line and line[0] not in "#-"}


def locked(path: str) -> set[tuple[str, str]]:
    """(name, version) of every package of a lock."""
    return set(LOCKED.findall((ROOT / path).read_text()))


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_lock_pins_with_hashes_what_is_asked_for_and_names_no_host(name: str) -> None:
    text = (ROOT / f"{name}.lock").read_text()
    blocks = re.split(r"\n(?=[a-z])", text)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"://|--index|--find-links|@ file", text)
    assert named(f"{name}.in") <= {package for package, _ in locked(f"{name}.lock")}


def test_dev_lock_has_everything_of_the_run_lock_in_the_same_versions() -> None:
    assert locked("requirements.lock") <= locked("requirements-dev.lock")


def test_every_package_that_lib_imports_is_asked_for() -> None:
    imported = {name.split(".")[0] for path in (ROOT / "lib").rglob("*.py") for name in imports(path)}
    foreign = imported - set(sys.stdlib_module_names) - {"lib"}
    provided_here = {
        "bs4": ["beautifulsoup4"],
        "sklearn": ["scikit-learn"],
    } | importlib.metadata.packages_distributions()  # 3.10 misses some
    asked = {normal(name) for name in named("requirements.in")}
    # A GPU machine's own; OpenCV where a profile asks for it; IPython comes with ipykernel, where notebooks run;
    # playwright, of requirements-dev.in, takes the READMEs' pictures.
    optional = {"tensorrt", "pycuda", "cuda", "cv2", "IPython", "playwright", "torch", "polygraphy"}
    missing = {name for name in foreign - optional if not asked & {normal(d) for d in provided_here.get(name, [name])}}
    assert missing - {"markupsafe", "google"} == set()  # jinja2 hands out markupsafe's type, onnx and tensorflow protobuf's


def imports(path: Path) -> list[str]:
    """Modules that a file imports anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return plain + [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]


def normal(name: str) -> str:
    """A distribution's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture
def venv(tmp_path: Path) -> ModuleType:
    """.ci/venv.py, working on a folder with small locks of its own, recording what it would install."""
    spec = importlib.util.spec_from_file_location("venv_setup", ROOT / ".ci" / "venv.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROOT, module.VENV = tmp_path, tmp_path / ".venv"
    module.PYTHON, module.STAMP = Path(sys.executable), tmp_path / ".venv" / "complete.json"
    module.LOCKS = {name: tmp_path / f"{name}.lock" for name in ("run", "dev")}
    for name, lock in module.LOCKS.items():
        lock.write_text(f"# {name}\nuv==1.0 \\\n    --hash=sha256:00\n")
    module.calls = []

    def call(command: list[str]) -> int:
        module.calls.append(command)
        module.VENV.mkdir(exist_ok=True)
        return 0

    module.call = call
    return module


def test_set_up_installs_once(venv: ModuleType) -> None:
    venv.main("run")
    installed = len(venv.calls)
    assert installed == 3  # venv, uv, packages
    venv.main("run")
    assert len(venv.calls) == installed


def test_set_up_for_tests_serves_a_report_too_but_not_the_other_way_round(venv: ModuleType) -> None:
    venv.main("run")
    venv.main("dev")
    assert json.loads(venv.STAMP.read_text())["name"] == "dev"
    calls = len(venv.calls)
    venv.main("run")
    assert len(venv.calls) == calls


def test_set_up_again_when_the_lock_changes(venv: ModuleType) -> None:
    venv.main("run")
    venv.LOCKS["run"].write_text(venv.LOCKS["run"].read_text() + "# newer\n")
    venv.main("run")
    assert str(venv.LOCKS["run"]) in venv.calls[-1]
    assert sum("venv" in call for call in venv.calls) == 1  # the environment itself stays


def test_set_up_that_was_cut_off_begins_anew(venv: ModuleType) -> None:
    def killed(command: list[str]) -> int:
        venv.VENV.mkdir(exist_ok=True)
        if "sync" in command:
            raise KeyboardInterrupt
        return 0

    working, venv.call = venv.call, killed
    with pytest.raises(KeyboardInterrupt):
        venv.main("run")
    half = venv.VENV / "half-written"
    half.touch()
    venv.call = working
    venv.main("run")
    assert not half.exists()
    assert venv.STAMP.exists()

    venv.LOCKS["run"].write_text(venv.LOCKS["run"].read_text() + "# newer\n")
    venv.call = killed
    with pytest.raises(KeyboardInterrupt):
        venv.main("run")
    assert not venv.STAMP.exists()  # packages may be half replaced


def test_set_up_falls_back_to_pip_and_says_what_to_do_if_that_fails_too(venv: ModuleType) -> None:
    working = venv.call
    venv.call = lambda command: working(command) or int("sync" in command)
    venv.main("run")
    assert "pip" in venv.calls[-1]
    assert "install" in venv.calls[-1]

    venv.STAMP.unlink()
    venv.call = lambda command: working(command) or int("sync" in command or str(venv.LOCKS["run"]) in command)
    with pytest.raises(SystemExit, match="registry reachable"):
        venv.main("run")
    assert not venv.STAMP.exists()


@pytest.mark.parametrize("version", [(3, 9, 0), (3, 14, 0), (2, 7, 18)])
def test_set_up_refuses_another_python_in_one_line(venv: ModuleType, version: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(SystemExit, match=r"^Python 3\.10 to 3\.13 is needed, .* Name another") as refused:
        venv.main("run")
    assert "\n" not in str(refused.value)
    assert not venv.calls


def test_set_up_says_which_package_brings_venv(venv: ModuleType) -> None:
    venv.call = lambda command: 1
    with pytest.raises(SystemExit, match="python3-venv"):
        venv.main("run")


def make(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_make_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1).split()
    shown = make()
    assert shown.returncode == 0
    assert [line.split()[0] for line in shown.stdout.splitlines()[1:]] == phony


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_readme_names_only_what_is_there(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [target for target in linked if not (ROOT / target).exists()] == []
    targets = set(re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE).group(1).split())
    assert set(re.findall(r"^(?:\w+=\w+ )?make (\w+)", text, re.MULTILINE)) <= targets


def test_both_readmes_have_the_same_parts() -> None:
    def parts(name: str) -> tuple[int, list[str], list[str]]:
        text = (ROOT / name).read_text(encoding="utf-8")
        commands = [line.split("#")[0].strip() for line in re.findall(r"^make.*$", text, re.MULTILINE)]
        return text.count("\n## "), commands, re.findall(r"\]\((notebooks/[^)]+)\)", text)

    assert parts("README.md") == parts("README.ja.md")


def test_every_package_that_is_asked_for_has_its_reason_written_down() -> None:
    packages = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Packages")[1]
    rows = re.findall(r"^\| ([^|(]+?)(?: \([^|]*\))? \| ([^|]+) \|$", packages, re.MULTILINE)
    explained = {name.strip() for names, reason in rows if "C++" not in reason for name in names.split(",")}
    asked = named("requirements.in") | named("requirements-dev.in")
    assert asked <= explained
    assert explained - {"package", "---"} <= asked
    (compiled,) = [names.replace("/", "_").split(", ") for names, reason in rows if "C++" in reason]
    assert compiled == re.findall(r'"(\w+) [\w-]+-dev"', (ROOT / "lib/cpp/CMakeLists.txt").read_text())
