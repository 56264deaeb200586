"""What a model answers while a clock runs: kept without looking at it, checked when the clock has stopped, because what fails is fast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from lib.errors import ReportError, WrongOutput


class Asked(NamedTuple):
    """What is sent: model inputs (n, …), the outputs that they have ((n, classes), or classes (n,)), and how far another batch size may
    lie from them."""

    inputs: np.ndarray
    expected: np.ndarray
    atol: float


class Answers:
    """The last outputs of every sample on every lane, kept without looking at them while a clock runs, and checked after it.

    So memory is lanes × samples × classes however long it runs. Each lane writes its own table: several may put at once.
    """

    def __init__(self, lanes: int, samples: int) -> None:
        self._tables: list[np.ndarray | None] = [None] * lanes
        self._seen = np.zeros((lanes, samples), bool)

    def put(self, lane: int, samples: Sequence[int] | slice, outputs: np.ndarray) -> None:
        """Keep what a lane answered. Raises ReportError where it is not an output a sample."""
        seen = self._seen[lane]
        if outputs.ndim not in (1, 2) or len(outputs) != len(seen[samples]):
            raise WrongOutput(f"lane {lane + 1}: {outputs.shape} ≠ ({len(seen[samples])}, …)")
        table = self._tables[lane]
        if table is None:
            kind = np.promote_types(outputs.dtype, np.float32)  # holds every number that is answered, classes too
            table = self._tables[lane] = np.zeros((len(seen), *outputs.shape[1:]), kind)
        table[samples] = outputs
        seen[samples] = True

    @property
    def answered(self) -> int:
        """How many outputs there are to check."""
        return int(self._seen.sum())

    def check(self, asked: Asked) -> None:
        """Raise WrongOutput where an output of any lane is not finite, or further than `atol` from what is expected."""
        expected, atol = asked.expected, asked.atol
        for lane, (table, seen) in enumerate(zip(self._tables, self._seen, strict=True)):
            if table is None:
                continue
            if table.shape != expected.shape:
                raise WrongOutput(f"lane {lane + 1}: {table.shape} ≠ {expected.shape}")
            apart = np.abs(table - expected).reshape(len(table), -1).max(axis=1)
            wrong = np.flatnonzero(seen & ~(apart <= atol))  # NaN is not within anything
            if len(wrong):
                worst = wrong[np.nan_to_num(apart[wrong], nan=np.inf).argmax()]
                raise WrongOutput(f"lane {lane + 1}: |Δ| = {apart[worst]:.3g} > {atol:.3g} ({len(wrong)}/{int(seen.sum())}, #{worst})")


def as_report_error(error: BaseException, where: str) -> BaseException:
    """What a person is told of an error in a lane or a stage: one line, unless it is a ReportError already or the wish to stop."""
    if isinstance(error, ReportError) or not isinstance(error, Exception):
        return error
    said = (str(error).splitlines() or [""])[0]
    return ReportError(f"{where}: {type(error).__name__}: {said}")


@contextmanager
def reported(where: str) -> Iterator[None]:
    """Raise what is raised inside as `as_report_error` says it."""
    try:
        yield
    except Exception as error:
        raise as_report_error(error, where) from error
