"""Typed values as they must be, nothing is coerced; what is wrong with others in one line, of a profile's with what to write instead."""

from __future__ import annotations

import difflib
import reprlib
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
BOOLEANS = dict.fromkeys(("yes", "on", "y", "true", "1"), "true") | dict.fromkeys(("no", "off", "n", "false", "0"), "false")
NUMBERS = {"int_type": "10 or 1000", "float_type": "0.05 or 5.0e-3"}  # as every reader of YAML reads them


class Strict(BaseModel):
    """A mapping of typed fields, no NaN or infinity among them."""

    model_config = STRICT


class Misfit(ValueError):
    """Values that do not go together. key: the dotted key of the one to change."""

    def __init__(self, key: str, says: str) -> None:
        super().__init__(says)
        self.key = key


def said(error: Exception) -> str:
    """What is wrong, in one line: of pydantic's complaints the first, with its place."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")]))


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
    if wanted == "bool_type":
        text = str(value).strip().lower()
        return f"; write {BOOLEANS[text]}" if text in BOOLEANS else ""
    return f"; write a number such as {NUMBERS[wanted]}" if wanted in NUMBERS else ""
