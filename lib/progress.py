"""Progress of long work: a bar in a terminal and in JupyterLab, plain lines in a log."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from tqdm.auto import tqdm

LINES = "REPORT_PROGRESS"  # set to "lines" by the headless run: a log wants lines, not a bar that redraws itself
LINE_EVERY_S = 15.0


def say(text: str) -> None:
    """One line of progress, on standard error at once."""
    print(text, file=sys.stderr, flush=True)


class bar:
    """Context manager: progress of `total` steps of `what`, with figures such as loss=0.31 beside it."""

    def __init__(self, total: int, what: str) -> None:
        self.total, self.what, self.done, self.figures = total, what, 0, ""
        self.started = self.said = time.perf_counter()
        self._tqdm: Any = None if os.environ.get(LINES) == "lines" else tqdm(total=total, desc=what, leave=False)

    def __enter__(self) -> bar:
        return self

    def update(self, steps: int = 1, **figures: float) -> None:
        """`steps` more are done; `figures` are shown rounded."""
        self.done += steps
        self.figures = " ".join(f"{name}={value:.3g}" for name, value in figures.items())
        if self._tqdm is not None:
            self._tqdm.set_postfix_str(self.figures, refresh=False)
            self._tqdm.update(steps)
        elif time.perf_counter() - self.said > LINE_EVERY_S:
            self._line()

    def __exit__(self, *exc: object) -> None:
        if self._tqdm is not None:
            self._tqdm.close()
        else:
            self._line()

    def _line(self) -> None:
        self.said = time.perf_counter()
        took = self.said - self.started
        left = f", {took / self.done * (self.total - self.done):.0f} s left" if 0 < self.done < self.total else ""
        say(f"{self.what}: {self.done}/{self.total}, {took:.0f} s{left} {self.figures}".rstrip())
