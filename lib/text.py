"""A text in the report's two languages."""

from __future__ import annotations

from typing import Literal, NamedTuple

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")


class Text(NamedTuple):
    """The same words in English and Japanese."""

    en: str
    ja: str

    def in_(self, language: Language) -> str:
        """The words in one language."""
        return self.en if language == "en" else self.ja
