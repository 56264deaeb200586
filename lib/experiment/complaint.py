"""What is wrong with a profile, in one line that names the key and says what to write."""

from __future__ import annotations

import difflib
import math
import re
import reprlib
import unicodedata
from typing import Any

from pydantic import BaseModel, ValidationError

from lib.experiment import strict_yaml

BOOLEANS = dict.fromkeys(("yes", "on", "y", "true", "1"), "true") | dict.fromkeys(("no", "off", "n", "false", "0"), "false")


class Misfit(ValueError):
    """Values that do not go together. key: the dotted key of the one to change."""

    def __init__(self, key: str, says: str) -> None:
        super().__init__(says)
        self.key = key


def line(text: str) -> str:
    """The text as one line that a terminal shows as it is."""
    return "".join(character if character.isprintable() else " " for character in text)


def brief(value: Any) -> str:
    """A value in a message, as it was written, never longer than a line can be read."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 60
    return short.repr(value)


def first(error: ValidationError, whole: type[BaseModel]) -> str:
    """The first complaint of pydantic about `whole`, a model of sections: "key 'a.b': what is wrong (got …); write …".

    An unknown key comes first: it explains a missing one.
    """
    problem = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"key '{brief(key)[1:-1]}': unknown; {_meant(key, whole)}"
    if problem["type"] == "missing":
        return f"key '{key}': missing"
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, Misfit):
        return f"key '{cause.key}': {cause}"
    what = problem["msg"].removeprefix("Value error, ")
    value = problem["input"]
    got = "" if isinstance(value, (dict, BaseModel)) or isinstance(cause, ValueError) else f" (got {brief(value)})"
    return f"key '{key}': {what[0].lower()}{what[1:]}{got}{_write(value, problem['type'])}"


def _meant(key: str, whole: type[BaseModel]) -> str:
    """What an unknown key may have been meant to be."""
    section, _, wrong = key.rpartition(".")
    sections = {name: field.annotation for name, field in whole.model_fields.items() if name != "name"}
    siblings = list(sections[section].model_fields) if section in sections else list(sections)
    if near := difflib.get_close_matches(wrong, siblings, n=1):
        return f"did you mean {near[0]}?"
    elsewhere = [f"{name}.{wrong}" for name, model in sections.items() if wrong in model.model_fields]
    return f"did you mean {elsewhere[0]}?" if elsewhere else f"there are: {', '.join(siblings)}"


def _write(value: Any, wanted: str) -> str:
    """What to write in place of a value that is read otherwise than a person means it, "" where that cannot be known."""
    if wanted in ("string_type", "literal_error") and isinstance(value, (int, float)):
        return "; write it in quotes"
    text = unicodedata.normalize("NFKC", str(value)).strip()[:40]
    if wanted == "bool_type":
        return f"; write {BOOLEANS[text.lower()]}" if text.lower() in BOOLEANS else ""
    if wanted not in ("int_type", "float_type") or isinstance(value, bool) or (number := _number(text)) is None:
        return ""
    if wanted == "float_type" and strict_yaml.FRACTION.fullmatch(said := re.sub(r"^([-+]?\d+)([eE].*)$", r"\1.0\2", text)):
        return f"; write {said}"
    return f"; write {int(number) if number == int(number) else number}" if wanted == "float_type" or number == int(number) else ""


def _number(text: str) -> float | None:
    """The number that a person may mean by 010, 1_000, 1,000, 0,05, 0x10, 5e-3 or 1:30 (of minutes); None for anything else."""
    if re.fullmatch(r"\d{1,4}(:[0-5]\d){1,2}", text):
        return float(sum(int(part) * 60**place for place, part in enumerate(reversed(text.split(":")))))
    thousands = re.fullmatch(r"[-+]?[1-9]\d{0,2}(,\d{3})+", text)
    digits = re.sub(r"(?<=\d)_(?=\d)", "", text.replace(",", "" if thousands else "."))
    for reader in (float, lambda said: float(int(said, 0))):
        try:
            number = reader(digits)
        except ValueError:
            continue
        return number if math.isfinite(number) and abs(number) < 1e15 else None
    return None
