"""Typed values as they must be, nothing is coerced, and their YAML; what is wrong in one line, of a profile with what to write."""

from __future__ import annotations

import difflib
import re
import reprlib
from pathlib import Path
from typing import Any, ClassVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from lib.errors import ConfigError

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
BOOLEANS = dict.fromkeys(("yes", "on", "y", "true", "1"), "true") | dict.fromkeys(("no", "off", "n", "false", "0"), "false")
NUMBERS = {"int_type": "10 or 1000", "float_type": "0.05 or 5.0e-3"}  # as every reader of YAML reads them
DEEPEST = 20  # brackets within brackets; each level takes a few of Python's own
NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})")  # Python refuses to read thousands of digits
FRACTION = re.compile(r"[-+]?(?:[0-9]{1,99}\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,9})?")


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
        dotted = len(problem["loc"]) == 1 and key.split(".", 1)
        if dotted and dotted[0] in whole.model_fields and len(dotted) == 2:
            return f"key '{brief(key)[1:-1]}': a line below '{dotted[0]}:' is meant, '  {brief(dotted[1])[1:-1]}: …'"
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


def _section(annotation: Any) -> type[BaseModel]:
    """The model of a section, of one that may be left out too; of what is no section one without fields."""
    kinds = (kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type) and issubclass(kind, BaseModel))
    return next(kinds, BaseModel)


def _meant(key: str, whole: type[BaseModel]) -> str:
    """What an unknown key may have been meant to be."""
    section, _, wrong = key.rpartition(".")
    sections = {name: _section(field.annotation) for name, field in whole.model_fields.items() if name != "name"}
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


def read(path: Path, shown: str) -> dict[str, Any]:
    """The sections of a YAML file. Raises ConfigError, one line that names the file (as `shown`) and the line in it."""
    try:
        text = path.read_bytes().decode("utf-8")
        values = yaml.load(text, _Strict)
        if isinstance(values, dict):
            return values
        line, wrong = 1, "must hold sections such as 'dataset:' and 'train:'"
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line, wrong = error.object[: error.start].count(b"\n") + 1, "cannot be read: not UTF-8"
    except yaml.reader.ReaderError as error:
        line, wrong = text[: error.position].count("\n") + 1, f"not YAML: character U+{ord(text[error.position]):04X} is not allowed"
    except yaml.MarkedYAMLError as error:
        line, wrong = (error.problem_mark or error.context_mark).line + 1, f"not YAML: {error.problem or error.context}"
    raise ConfigError(f"{shown}: line {line}: {wrong}")


class _Strict(yaml.SafeLoader):
    """Mappings with plain keys that stand once each, lists, plain scalars: no aliases, no tags, nothing nested too deep.

    YAML 1.1, which PyYAML reads, takes a plain 010, 1:30, yes or 5e-3 for 8, 90, true and text. Here a scalar is a number, true, false
    or null only where every reader agrees (about YAML 1.2's core schema), and text else, which a profile's types then refuse.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise _wrong("anchors and aliases (& and *) are not read; write the value itself", event)
        if event.tag:
            raise _wrong("tags (!) are not read; write the value itself", event)
        self.depth += 1
        if self.depth > DEEPEST:
            raise _wrong(f"more than {DEEPEST} brackets within brackets", event)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _wrong("a key must be a word; templates such as {{ … }} are not filled in here, write the value itself", key)
            if key.value in values:
                raise _wrong(f"key '{key.value}' stands twice", key)
            values[key.value] = self.construct_object(value, deep=deep)
        return values


def _wrong(problem: str, place: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, place.start_mark)


for _tag, _pattern, _first in (
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    ("int", NUMBER, "-+0123456789"),
    ("float", FRACTION, "-+.0123456789"),
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
):
    _Strict.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern.pattern})$"), list(_first))
