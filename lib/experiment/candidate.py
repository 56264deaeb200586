"""Candidate: the one key of everything that is measured, and what it is called in two languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lib.experiment.precision import PRECISIONS
from lib.text import LANGUAGES, Text
from lib.words import COMMON, LIST_MARK

# Backend -> what it is called, in the order of the report; each class of lib/runners enters itself when it is defined.
LABELS: dict[str, Text] = {}
HARNESS = "null"  # the backend that runs no model: what it measures is the harness
WAY = re.compile(r"(?P<api>\w*)(?P<graph>\+graph)?(\+lanes(?P<lanes>[1-9]\d*))?(?P<byte>\+uint8)?(?P<classes>\+classes)?")


@dataclass(frozen=True, order=True)
class Way:
    """How a runner is called.

    api: the call, e.g. "execute_async_v2" ("" for the runner's own usual one); graph: replayed as a CUDA graph;
    lanes: contexts that run side by side; byte_input: uint8 images, the preprocessing inside the engine; classes: the arg max inside it,
    int32 classes in place of all outputs.
    """

    api: str = ""
    graph: bool = False
    lanes: int = 1
    byte_input: bool = False
    classes: bool = False

    @property
    def key(self) -> str:
        """As records name it: "" for the plain way, e.g. `enqueueV3+graph`."""
        lanes = f"+lanes{self.lanes}" if self.lanes > 1 else ""
        return self.api + "+graph" * self.graph + lanes + "+uint8" * self.byte_input + "+classes" * self.classes

    @property
    def label(self) -> Text:
        """In words, empty for the plain way."""
        given = {self.api: bool(self.api), "graph": self.graph, "lanes": self.lanes > 1}
        given |= {"byte_input": self.byte_input, "classes": self.classes}
        ways = COMMON.groups["ways"]
        parts = [COMMON(f"ways.{name}", lanes=self.lanes) if name in ways else Text(name, name) for name, there in given.items() if there]
        return Text(*(LIST_MARK[language].join(part.in_(language) for part in parts) for language in LANGUAGES))

    @classmethod
    def parse(cls, text: str) -> Way:
        """The way that `key` names. Raises ValueError for anything else."""
        found = WAY.fullmatch(text)
        if not found:
            raise ValueError(f"'{text}' is no way of calling")
        return cls(found["api"], bool(found["graph"]), int(found["lanes"] or 1), bool(found["byte"]), bool(found["classes"]))


PLAIN = Way()


@dataclass(frozen=True)
class Candidate:
    """One backend at one precision, called in one way. runner: key of LABELS; precision: key of PRECISIONS."""

    runner: str
    precision: str
    way: Way = PLAIN

    @property
    def key(self) -> str:
        """As records name it: `onnxrt/fp32`, `tensorrt/fp16/execute_async_v2+graph`."""
        return "/".join(filter(None, [self.runner, self.precision, self.way.key]))

    @classmethod
    def parse(cls, text: str) -> Candidate:
        """The candidate that `key` names. Raises ValueError for anything else."""
        parts = text.split("/") if isinstance(text, str) else []
        if len(parts) not in (2, 3) or not all(parts):
            raise ValueError(f"'{text}' is no candidate")
        return cls(parts[0], parts[1], Way.parse(parts[2]) if parts[2:] else PLAIN)

    @property
    def plain(self) -> Candidate:
        """The same backend and precision, called the usual way."""
        return Candidate(self.runner, self.precision)

    @property
    def runner_label(self) -> Text:
        """What the backend is called; its key where this version no longer has it."""
        return LABELS.get(self.runner, Text(self.runner, self.runner))

    @property
    def precision_label(self) -> Text:
        """What the precision is called."""
        return PRECISIONS[self.precision].label if self.precision in PRECISIONS else Text(self.precision, self.precision)

    @property
    def label(self) -> Text:
        """Runner, precision and, where it is not the plain one, the way."""
        named = Text(*(f"{self.runner_label.in_(n)} {self.precision_label.in_(n)}" for n in LANGUAGES))
        way = self.way.label
        return Text(f"{named.en} ({way.en})", f"{named.ja}（{way.ja}）") if way.en else named

    @property
    def colour(self) -> str:
        """Of its precision, in every figure."""
        return PRECISIONS[self.precision].colour if self.precision in PRECISIONS else "#000000"

    @property
    def place(self) -> tuple[int, int, Way]:
        """Sorts candidates in the order of the report."""
        runner, precision = ([*table, key].index(key) for table, key in ((LABELS, self.runner), (PRECISIONS, self.precision)))
        return runner, precision, self.way


def ordered(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Each once, in the order of the report."""
    return sorted(set(candidates), key=lambda candidate: candidate.place)


def listed(candidates: Iterable[Candidate]) -> Text:
    """Candidates in words, each runner once with all its precisions, once too: `TensorRT FP16, TF32; TensorFlow Lite FP16`."""
    by: dict[Text, dict[Text, None]] = {}
    for candidate in candidates:
        by.setdefault(candidate.runner_label, {})[candidate.precision_label] = None
    return Text(
        "; ".join(f"{runner.en} {', '.join(label.en for label in labels)}" for runner, labels in by.items()),
        "；".join(f"{runner.ja} {'、'.join(label.ja for label in labels)}" for runner, labels in by.items()),
    )


# What others are compared with: where a model comes from TensorFlow or Keras, and where it comes as ONNX.
SAVED_MODEL_REFERENCE, ONNX_REFERENCE = Candidate("savedmodel", "fp32"), Candidate("onnxrt", "fp32")
