"""A text in the report's two languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")
# A full stop, what closes behind it, and in English the space before what can begin a sentence.
END: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"(?<=\S)[.?!][)\]”’\"']* +(?=[A-Z0-9“‘\"'`(\[])"),
    "ja": re.compile(r"[。？！]+(?=[^。？！])"),
}
ABBREVIATION = re.compile(r"\b(?:(?:e\.g|i\.e|vs|cf|ca|approx)\. +.|(?:nos?|figs?|pp?|vol|max|min)\. +\d)$", re.I)  # and what follows it
OPENING, CLOSING = "([“（［「『【", ")]”）］」』】"


class Text(NamedTuple):
    """The same words in English and Japanese."""

    en: str
    ja: str

    def in_(self, language: Language) -> str:
        """The words in one language."""
        return self.en if language == "en" else self.ja

    def first(self, language: Language) -> tuple[str, str]:
        """Its first sentence in one language, and the others, "" for none. A sentence does not end inside brackets or quotation marks,
        nor after an abbreviation ("e.g.", "no. 5")."""
        text = self.in_(language)
        for end in END[language].finditer(text):
            before = text[: end.end()]
            if not ABBREVIATION.search(text[: end.end() + 1]) and sum(map(before.count, OPENING)) <= sum(map(before.count, CLOSING)):
                return before.rstrip(" "), text[end.end() :]
        return text, ""


def joined(texts: Iterable[Text]) -> Text:
    """Several texts as one list."""
    english, japanese = zip(*texts, strict=True)
    return Text(", ".join(english), "、".join(japanese))
