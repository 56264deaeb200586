"""Sentences of the report: `words.yaml` files hold each in English and Japanese, under the key that code knows it by."""

from __future__ import annotations

import string
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from lib.text import LANGUAGES, Language, Text

FILE = "words.yaml"
LIST_MARK: dict[Language, str] = {"en": ", ", "ja": "、"}
Level = Literal["bad", "warn", "good", "note"]
LEVELS: tuple[Level, ...] = ("bad", "warn", "good", "note")  # the worst first; "warn" is amber


class Finding(NamedTuple):
    """One thing the numbers say (`Words.finding`). level: "bad" makes a red banner, "warn" an amber one (the numbers deserve doubt);
    key: of its sentence in `findings` of the page's words; values: what fills it."""

    level: Level
    key: str
    values: Mapping[str, Any]
    text: Text


class Words:
    """The sentences of the `words.yaml` beside a module, `Words(__file__)`: groups (`findings`, `captions`, …) of keys, each `en`, `ja`."""

    def __init__(self, beside: str | Path) -> None:
        self.path = Path(beside).with_name(FILE)

    @cached_property
    def groups(self) -> dict[str, dict[str, Text]]:
        """Every sentence: group -> key -> Text."""
        read = yaml.load(self.path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return {group: {str(key): Text(both["en"], both["ja"]) for key, both in keys.items()} for group, keys in read.items()}

    def __call__(self, key: str, /, **values: Any) -> Text:
        """The sentence `group.key`, its placeholders filled: a Text or a Candidate in each language, a list joined, numbers by
        the placeholder's format. Raises KeyError for a key or a value that is missing."""
        group, _, name = key.partition(".")
        said = self.groups[group][name]
        return Text(*(_Filler(language).format(said.in_(language), **values) for language in LANGUAGES))

    def finding(self, level: Level, key: str, /, **values: Any) -> Finding:
        """What a rule found: the sentence `findings.KEY` with its values."""
        return Finding(level, key, values, self(f"findings.{key}", **values))


class _Filler(string.Formatter):
    def __init__(self, language: Language) -> None:
        self.language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        return self.said(value) if not isinstance(value, (int, float, str)) and not format_spec else format(value, format_spec)

    def said(self, value: Any) -> str:
        """A value in this language."""
        if isinstance(value, Text):
            return value.in_(self.language)
        if hasattr(value, "label"):  # a Candidate, a precision
            return value.label.in_(self.language)
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return LIST_MARK[self.language].join(self.said(each) for each in value)
        return str(value)


COMMON = Words(__file__)  # what several pages say: columns, reasons, levels
