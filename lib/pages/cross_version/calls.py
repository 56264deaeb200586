"""The calls of TensorRT whose fate from version to version the page shows: who makes them, what takes their place (calls.yaml)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from lib.text import LANGUAGES, Text
from lib.words import LIST_MARK

FILE = Path(__file__).with_suffix(".yaml")
NOTHING = Text("", "")
State = Literal["there", "deprecated", "gone"]  # as lib/trt/members.py reads them off an installed TensorRT
Shown = Literal["there", "deprecated", "gone", "not_yet"]
COLON = {"en": ": ", "ja": "："}


@dataclass(frozen=True)
class Call:
    """One call of TensorRT's API.

    path: as lib/trt/members.py takes it, "ICudaEngine.num_bindings"; cpp: its name in C++; who: makes it; purpose: what for.
    since, deprecated, gone: the first version that has it, whose C++ headers call it deprecated, that lacks it, as written down by hand
    ("8.5"; "" for since 8.0 or before, for never). instead: paths that take its place; how: what else changes.
    """

    path: str
    cpp: str
    who: Literal["ours", "original", "both"]
    purpose: Text
    since: str = ""
    deprecated: str = ""
    gone: str = ""
    instead: tuple[str, ...] = ()
    how: Text = NOTHING

    @property
    def changes(self) -> bool:
        """Whether code that makes this call has to change, in one of the two languages, sooner or later."""
        return self.replacement != NOTHING

    @property
    def replacement(self) -> Text:
        """What to write in its place: paths and words, both empty where it stays as it is."""
        parts = ((LIST_MARK[language].join(self.instead), self.how.in_(language)) for language in LANGUAGES)
        return Text(*(COLON[language].join(filter(None, each)) for language, each in zip(LANGUAGES, parts, strict=True)))

    def shown(self, version: str, here: State) -> Shown:
        """How it stands with `version` ("8.5.3.1"), in which it was found `here`: what is not there in a version before `since` is not
        gone but "not_yet" there."""
        return "not_yet" if here == "gone" and self.since and _number(version) < _number(self.since) else here


@cache
def calls() -> tuple[Call, ...]:
    """Every call of calls.yaml, in its order."""
    read = yaml.load(FILE.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return tuple(_call(**row) for row in read)


def paths() -> list[str]:
    """What to ask every TensorRT for: the calls, and what takes their place."""
    return list(dict.fromkeys(path for call in calls() for path in (call.path, *call.instead)))


def _call(*, purpose: dict[str, str], how: dict[str, str] | None = None, instead: list[str] | None = None, **fields: Any) -> Call:
    return Call(purpose=Text(**purpose), how=Text(**how) if how else NOTHING, instead=tuple(instead or ()), **fields)


def _number(version: str) -> tuple[int, ...]:
    """Orders versions. TensorRT for RTX counts anew, from 1.0, and is younger than all that is written down here."""
    number = tuple(int(part) for part in re.findall(r"\d+", version))
    return number if number >= (5,) else (99, *number)
