"""What the findings of notebook 10 call things: engines, blocks of rounds, runners, and several of them."""

from __future__ import annotations

from collections.abc import Iterable

from lib.experiment.candidate import Candidate
from lib.pages import who
from lib.pages.fast.arms import OURS, Fast, W, runner_label
from lib.store.records import Record
from lib.text import Text
from lib.words import COMMON


def who_of(labels: Iterable[Text], noun: str = "configurations") -> dict[str, Text]:
    """One by its name, which is long, or how many; `which` then names all."""
    each = list(dict.fromkeys(labels))
    if len(each) == 1:
        return who.of(each)
    return {"who": W(f"parts.{noun}", count=len(each)), "which": COMMON("who.which", what=each)}


def called(found: Fast, record: Record) -> Text:
    """What a record is about, without its batch size."""
    if record.candidate is None:
        return COMMON("who.something")
    return found.named(record.candidate, str(record.case.get("tensorrt", "")))


def engine(found: Fast, record: Record) -> Text:
    """What a record is about, with its batch size."""
    return W("labels.engine_way", engine=called(found, record), batch=record.batch_size or 1)


def place(found: Fast, record: Record) -> Text:
    """An engine, whatever way it is called: precision, batch size, and its TensorRT where there are several."""
    assert record.candidate is not None
    version = str(record.case.get("tensorrt", ""))
    values = {"precision": record.candidate.precision_label, "batch": record.batch_size or 1, "version": version}
    return W("labels.engine_version" if found.tells(version) else "labels.engine", **values)


def blocks(names: Iterable[str]) -> list[Text]:
    """Blocks of rounds as people call them, those of a precision together."""
    sizes: dict[str, list[str]] = {}
    for name in names:
        precision, _, batch = name.partition(" ")
        sizes.setdefault(precision, []).append(batch)
    return [W("labels.blocks", precision=Candidate("", key).precision_label, sizes=those) for key, those in sizes.items()]


def runner_named(name: str) -> Text:
    """A runner by its key, as the page calls it."""
    candidate = Candidate(name, "")
    return candidate.runner_label if name in OURS else runner_label(candidate)
