"""One file in both languages, chosen between without a script: what is handed on without its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.report import shell
from lib.text import Language, Text

REFER = ("for", "headers", "list", "aria-labelledby", "aria-describedby", "aria-controls")  # attributes that name ids


def page(title: Text, bodies: Mapping[Language, str]) -> str:
    """One HTML file that asks nothing of any other. bodies: what stands in <main>, HTML, in each language.

    Ids become unique to their language, and links that lead out of the file (but not to the web) plain words.
    """
    from markupsafe import Markup

    own = {language: Markup(alone(html, language)) for language, html in bodies.items()}
    return shell.fill("both.html.j2", "en", title=title, bodies=own)


def alone(html: str, language: Language) -> str:
    """A piece of a page, HTML, whose ids cannot meet those of another language and which leads nowhere beside it."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "html.parser")
    for tag in soup.find_all(True):
        if tag.get("id"):
            tag["id"] = f"{language}-{tag['id']}"
        for name in REFER:
            if tag.get(name):
                named = tag[name] if isinstance(tag[name], list) else str(tag[name]).split()
                tag[name] = " ".join(f"{language}-{one}" for one in named)
        if tag.name == "a" and tag.get("href") is not None:
            _lead(tag, language)
    return str(soup)


def _lead(link: Any, language: Language) -> None:
    href = str(link["href"])
    if href.startswith("#"):
        link["href"] = f"#{language}-{href[1:]}"
    elif not href.startswith(("https://", "http://")):
        link.name, link.attrs = "span", {name: value for name, value in link.attrs.items() if name in ("class", "lang")}
