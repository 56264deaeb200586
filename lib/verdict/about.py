"""Which candidates a finding is about: what a page found wrong with one stops it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lib.experiment.candidate import Candidate
from lib.text import Text
from lib.words import Finding

ENGINES = ("engine", "engines")  # values in which pages on engines name one by its precision alone
VERSION = "version"  # the value in which a page on several TensorRTs names the one that it means
MODEL = "01_"  # pages on the model itself, which every candidate is made of


def concerns(finding: Finding, candidate: Candidate, tensorrt: str) -> bool:
    """Whether a finding's values name the candidate, called in whatever way: as itself, in a list of candidates in words, or as an engine
    of its precision. tensorrt: the version that the candidate runs on; a finding about another one is not about it."""
    version = finding.values.get(VERSION)
    if version is not None and tensorrt and tensorrt not in said(version):
        return False
    return any(_is(value, key, candidate) for key, given in finding.values.items() for value in flat(given))


def about_model(finding: Finding, stage: str, reference: Candidate) -> bool:
    """Whether a finding puts in doubt what every candidate is compared with."""
    return stage.startswith(MODEL) or any(value == reference for given in finding.values.values() for value in flat(given))


def flat(value: Any) -> Iterator[Any]:
    """A finding's value, or what it holds."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from (*flat(key), *flat(each))
    elif isinstance(value, (list, tuple, set, frozenset)) and not hasattr(value, "_fields"):
        for each in value:
            yield from flat(each)
    else:
        yield value


def said(value: Any) -> str:
    """A value as an English sentence says it."""
    return value.en if isinstance(value, Text) else str(value)


def _is(value: Any, key: str, candidate: Candidate) -> bool:
    if isinstance(value, Candidate):
        return value.plain == candidate.plain
    if not isinstance(value, Text):
        return False
    if key in ENGINES and value == candidate.precision_label:
        return True
    lists = (part.removeprefix(f"{candidate.runner_label.en} ") for part in value.en.split("; "))
    return value.en == candidate.label.en or _listed(value, candidate, lists)


def _listed(value: Text, candidate: Candidate, lists: Iterator[str]) -> bool:
    """Whether `lib.experiment.candidate.listed` made the text of this one, too."""
    parts = zip(value.en.split("; "), lists, strict=True)
    return any(part != rest and candidate.precision_label.en in rest.split(", ") for part, rest in parts)
