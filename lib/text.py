"""A text in the report's two languages."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")
END: dict[Language, re.Pattern[str]] = {"en": re.compile(r"(?<=[a-z0-9)\]%][.?!]) +(?=[A-Z0-9])"), "ja": re.compile(r"(?<=[。？])")}


class Text(NamedTuple):
    """The same words in English and Japanese."""

    en: str
    ja: str

    def in_(self, language: Language) -> str:
        """The words in one language."""
        return self.en if language == "en" else self.ja

    def first(self, language: Language) -> tuple[str, str]:
        """Its first sentence in one language, and the others, "" for none."""
        first, *rest = END[language].split(self.in_(language), maxsplit=1)
        return first, "".join(rest)
