"""What rivals within this process share: their errors in one line, and a timer of the bare call whose last answer is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from lib.errors import ReportError, WrongOutput
from lib.experiment.spec import ModelSpec
from lib.experiment.strict import line
from lib.runners.base import as_float, wrong_output
from lib.timer import Slice, Timer, timer


@contextmanager
def told(who: str) -> Iterator[None]:
    """Turn whatever a library raises into a ReportError, one line that begins with its name: one that fails ends no other measurement."""
    try:
        yield
    except ReportError:
        raise
    except Exception as error:
        said = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise ReportError(line(f"{who}: {said}")[:400]) from None


def looked_at(
    who: str, call: Callable[[], object], output: Callable[[], np.ndarray], size: int, spec: ModelSpec, before: Callable[[], None]
) -> Timer:
    """A Timer of `call` and nothing else. before: done ahead of each slice, off the clock; output: of the last call, any float type."""
    timed = timer(call)

    def slice_of(seconds: float) -> Slice:
        with told(who):
            before()
            found = timed(seconds)
            last = as_float(output())
        if problem := wrong_output(last, size, spec):
            raise WrongOutput(f"{who}: {problem}")
        return found

    return slice_of
