"""Which members of TensorRT's API an installed version has, and which of them that version itself calls deprecated.

Read off the bindings, nothing of them is called: neither a GPU nor a driver is needed. What a version says of its members stands in the
docstrings: of a function or a class in its own, of a property or an enum member in that of its class. Bindings do not say all
that the C++ headers and the release notes of the same version do (8.5 calls no binding call deprecated): what they do not say is "there".
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from types import ModuleType
from typing import Any

THERE, DEPRECATED, GONE = "there", "deprecated", "gone"
# At the beginning of a line or sentence, as in 8.5 to 11: "[DEPRECATED] …", ":class:`bool` (Deprecated) …", "… Deprecated, use …". Not
# "creating a network without this flag has been deprecated" (of another thing), nor "the X interface ([DEPRECATED] …)".
MARK = re.compile(r"(?:^|[.`]\s)\s*(?:\[DEPRECATED\b|\(Deprecated\)|Deprecated\b|[\\@]deprecated\b|\.\. deprecated::)", re.MULTILINE)
FIELD = re.compile(r"\s*:\w+ (\w+):\s*(.*)")  # ":ivar NAME: …" of a property, ":arg NAME: …" of an argument
ENUMERATED = re.compile(r"  (\w+) :\s*(.*)")  # below "Members:", as pybind11 lays it out; other lines that belong to it follow
NOWHERE = object()


def here(trt: ModuleType, paths: Iterable[str]) -> dict[str, str]:
    """Path -> "there", "deprecated" or "gone" in the module `trt`: "ICudaEngine.num_bindings", "BuilderFlag.FP16", "ITimingCache".

    "deprecated": there, and its docstring or that of what it belongs to says so. "gone": not there, be it no longer or not yet.
    """
    return {path: _state(trt, path) for path in paths}


def _state(trt: ModuleType, path: str) -> str:
    owner, deprecated = trt, False
    for name in path.split("."):
        found = getattr(owner, name, NOWHERE)
        if found is NOWHERE:
            return GONE
        deprecated = deprecated or _marked(owner, name, found)
        owner = found
    return DEPRECATED if deprecated else THERE


def _marked(owner: Any, name: str, found: Any) -> bool:
    """Whether the documentation of `found`, which is `name` of `owner`, calls it deprecated."""
    described = [_described(each).get(name, "") for each in inspect.getmro(owner)] if inspect.isclass(owner) else []
    if callable(found) or isinstance(found, property):  # the docstring of anything else, an enum member too, is that of its class
        described.append(_described(found)[""])
    return any(MARK.search(text) for text in described)


def _described(thing: Any) -> dict[str, str]:
    """The parts of a docstring: what it says of the thing itself ("") and of each of its members or arguments, by name."""
    parts: dict[str, list[str]] = {"": []}
    part: list[str] = parts[""]
    field = False
    for line in str(getattr(thing, "__doc__", None) or "").splitlines():
        if begun := FIELD.match(line) or ENUMERATED.match(line):
            name, line = begun.groups()
            part, field = parts.setdefault(name, []), begun.re is FIELD
        elif field and not line.strip():
            part = []  # prose that follows is of no member
        part.append(line)
    return {name: "\n".join(lines) for name, lines in parts.items()}
