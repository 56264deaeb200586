"""Reads the YAML of a profile so that it means what a person reads: a plain 010, 1:30, yes or 5e-3 stays text.

YAML 1.1, which PyYAML reads, takes these for 8, 90, true and text. Here a scalar is a number, true, false or null only where
every reader agrees (about YAML 1.2's core schema); a profile's types then refuse the text, saying what to write (profile.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

import yaml

from lib.errors import ConfigError

DEEPEST = 20  # brackets within brackets; each level takes a few of Python's own
NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})")  # Python refuses to read thousands of digits
FRACTION = re.compile(r"[-+]?(?:[0-9]{1,99}\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,9})?")


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
    """Mappings with plain keys that stand once each, lists, plain scalars: no aliases, no tags, nothing nested too deep."""

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
