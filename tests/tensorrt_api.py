"""What the Python bindings of TensorRT 8.5, 10.x, 11.x and TensorRT for RTX have: tests/data/tensorrt_api.json, to ask."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

Versions = frozenset[str]
DATA = json.loads((Path(__file__).parent / "data" / "tensorrt_api.json").read_text(encoding="utf-8"))
VERSIONS: list[str] = DATA["versions"]  # oldest first, TensorRT for RTX last
ALL: Versions = frozenset(VERSIONS)
SURFACE: dict[str, dict[str, Versions]] = {  # class, or MODULE -> member -> the versions that have it
    name: {
        member: ALL if versions == "all" else frozenset(versions.split())
        for versions, members in groups.items()
        for member in members.split()
    }
    for name, groups in DATA["api"].items()
}
NOBODY: Versions = frozenset()
MODULE = "tensorrt"  # the key of what the module itself has


def having(path: str) -> Versions:
    """The versions that have "Class.member", "Class" or "Class.Nested.member"."""
    owner, _, member = path.rpartition(".")
    return SURFACE.get(owner or MODULE, {}).get(member, NOBODY)


def anywhere(member: str) -> Versions:
    """The versions in which any class has a member of this name."""
    return NOBODY.union(*(members.get(member, NOBODY) for members in SURFACE.values()))


def fake(version: str) -> SimpleNamespace:
    """A stand-in for the module of a version: `hasattr` finds its classes and their members, nothing works."""
    members = {name: [member for member, versions in own.items() if version in versions] for name, own in SURFACE.items()}
    classes = {name: SimpleNamespace(**dict.fromkeys(own)) for name, own in members.items()}
    return SimpleNamespace(**{name: classes.get(name) for name in members[MODULE]})
