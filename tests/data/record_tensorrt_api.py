"""Records what the Python bindings of several TensorRT versions have: tests/data/tensorrt_api.json.

    pip download --no-deps --only-binary=:all: --python-version 3.10 --platform manylinux_2_17_x86_64 -d wheels tensorrt==8.5.3.1
    (the same, also with --platform manylinux_2_28_x86_64, for tensorrt-cu12-bindings==10.0.1, 10.11.0.33, … and
    tensorrt-rtx-cu13-bindings; the exact versions are in the file's "made")
    python3.10 tests/data/record_tensorrt_api.py wheels/*.whl

Only the bindings are needed, not TensorRT: its libraries are stood in for by empty ones that define the few functions
the bindings link to (which takes a C compiler and binutils). Importing the bindings registers their classes and calls none
of those functions. So the names are what `dir()` says of the bindings themselves, no copy of a manual. Compared once with the public
sources of the bindings (NVIDIA/TensorRT, python/src, tags 8.5.3, v10.0.1 and the releases 10.11, 10.13, 10.16, 11.0): every name
that is defined there is recorded, and only methods of bound lists (append, insert, …) are recorded and not spelled out there.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from types import ModuleType

TARGET = Path(__file__).with_name("tensorrt_api.json")
MODULE = "tensorrt"  # the key of what the module itself has
LINKED = re.compile(r" U ((?:create|get|initLib|_ZN\d+nv)\w*)$", re.MULTILINE)  # with no "@": nobody's but TensorRT's
LIBRARY = re.compile(r"\[(lib(?:nv|tensorrt)\w*\.so\.\d+)\]")


def surface(module: ModuleType) -> dict[str, set[str]]:
    """Class ("ILogger.Severity" where it is nested) -> its public members, inherited and enum members too; MODULE -> the module's."""
    found = {MODULE: {name for name in dir(module) if not name.startswith("_") and not inspect.ismodule(getattr(module, name))}}
    for name in found[MODULE]:
        _walk(getattr(module, name), name, found)
    return found


def label(version: str, flavour: str) -> str:
    """ "10.13" of "10.13.3.9", "RTX 1.7" of TensorRT for RTX."""
    return ("RTX " if "rtx" in flavour else "") + ".".join(version.split(".")[:2])


def _walk(thing: object, name: str, found: dict[str, set[str]]) -> None:
    if not inspect.isclass(thing):
        return
    found[name] = {member for member in dir(thing) if not member.startswith("_")}
    for member in found[name]:
        inner = getattr(thing, member)
        if inspect.isclass(inner) and inner is not thing:
            _walk(inner, f"{name}.{member}", found)


def _record(wheel: Path) -> tuple[str, str, dict[str, list[str]]]:
    """(file name and version, label, surface) of a wheel, from a process of its own: two versions cannot share one."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(folder, [name for name in packed.namelist() if name.endswith(".py") or re.search(r"/tensorrt\w*\.so$", name)])
        binding = next(folder.glob("*/tensorrt*.so"))
        _stand_in(binding, folder)
        environment = {**os.environ, "PYTHONPATH": str(folder), "LD_LIBRARY_PATH": str(folder)}
        said = subprocess.run(
            [sys.executable, __file__, "--dump", binding.parent.name], env=environment, check=True, capture_output=True, text=True
        ).stdout
    version, members = json.loads(said)
    return f"{wheel.name.split('-')[0]} {version}", label(version, wheel.name), members


def _stand_in(binding: Path, folder: Path) -> None:
    """Empty libraries in `folder` under the names that `binding` asks for."""
    symbols = subprocess.run(["nm", "-D", "--undefined-only", binding], check=True, capture_output=True, text=True).stdout
    needed = subprocess.run(["readelf", "-d", binding], check=True, capture_output=True, text=True).stdout
    source = folder / "empty.c"
    source.write_text("".join(f"void {name}(void) {{}}\n" for name in LINKED.findall(symbols)))
    for library in LIBRARY.findall(needed):
        subprocess.run(["cc", "-shared", "-fPIC", f"-Wl,-soname,{library}", "-o", folder / library, source], check=True)


def _dump(package: str) -> None:
    module = importlib.import_module(package)
    json.dump((module.__version__, {name: sorted(members) for name, members in surface(module).items()}), sys.stdout)


def _merged(surfaces: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, str]]:
    """Class -> "8.5 10.0" (the versions that have them, "all" for all) -> their members, with a space between."""
    merged: dict[str, dict[str, list[str]]] = {}
    for name in {name for recorded in surfaces.values() for name in recorded}:
        for member in {member for recorded in surfaces.values() for member in recorded.get(name, ())}:
            having = [version for version, recorded in surfaces.items() if member in recorded.get(name, ())]
            merged.setdefault(name, {}).setdefault("all" if len(having) == len(surfaces) else " ".join(having), []).append(member)
    return {name: {versions: " ".join(sorted(members)) for versions, members in groups.items()} for name, groups in merged.items()}


def main(wheels: list[Path]) -> None:
    """Record the wheels and write the file."""
    recorded = sorted((_record(wheel) for wheel in wheels), key=lambda one: [("RTX" in one[1]), *map(int, re.findall(r"\d+", one[1]))])
    made = f"tests/data/record_tensorrt_api.py: dir() of the imported bindings of {', '.join(what for what, _, _ in recorded)}"
    api = _merged({version.replace(" ", "_"): members for _, version, members in recorded})
    content = {"made": made, "versions": [version.replace(" ", "_") for _, version, _ in recorded], "api": api}
    TARGET.write_text(json.dumps(content, indent=0, sort_keys=True, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--dump"]:
        _dump(sys.argv[2])
    else:
        main([Path(argument) for argument in sys.argv[1:]])
