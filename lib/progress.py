"""Progress of long work: a bar in a terminal and in JupyterLab, plain lines in a log; time left only where it can be told."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from tqdm.auto import tqdm

LINES = "REPORT_PROGRESS"  # set to "lines" by the headless run, whose notebooks do not know that they write into a log
LINE_EVERY_S = 15.0
BAR_EVERY_S = 0.2
WORTH = 0.05  # share of the work before which its pace says too little of the rest
RECENT = 1 / 3  # share of the time so far whose pace counts: what was slow at first (a compilation, a download) is over then
STEPS = 4  # that the recent pace needs at least
T = TypeVar("T")
STEADY = 1.5  # factor between the paces of the two halves of that time beyond which nothing is said of what is left


def say(text: str) -> None:
    """One line of progress at once: on standard error, which front ends show in red as if it were one, so there on standard output."""
    print(text, file=sys.stdout if _front_end() else sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """`12 s`, `3 min 05 s` or `1 h 02 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class bar:
    """Context manager: progress of work at `what`, with figures such as loss=0.31 beside it; nothing is said of no work.

    total: an int counts steps, a float adds up their weights, which are told in per cent. clock: seconds that only rise.
    """

    def __init__(self, total: float, what: str, clock: Callable[[], float] = time.perf_counter) -> None:
        self.total, self.what, self.done, self.figures, self._clock = total, what, 0.0, "", clock
        self.started = self._said = clock()
        self._left = ""
        self._points: deque[tuple[float, float]] = deque()  # (time, done) after each step but the first, which is like no other
        form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
        self._tqdm: Any = None if _log() else tqdm(total=total, desc=what, leave=False, bar_format=form, disable=not total)

    def __enter__(self) -> bar:
        return self

    def update(self, step: float = 1, **figures: float) -> None:
        """`step` more is done; `figures` are shown rounded."""
        self.done += step
        now = self._clock()
        self._remember(now)
        self.figures = " ".join(f"{name}={value:.3g}" for name, value in figures.items())
        if self._tqdm is not None:
            if now - self._said > BAR_EVERY_S:
                self._said, self._left = now, self._left_in_words(now)
            self._tqdm.set_postfix_str(f"{self._left} {self.figures}".strip(" ,"), refresh=False)
            self._tqdm.update(step)
        elif now - self._said > LINE_EVERY_S:
            self._line(now)

    def __exit__(self, *exc: object) -> None:
        if self._tqdm is not None:
            self._tqdm.close()
        else:
            self._line(self._clock())

    def left(self, now: float) -> float | None:
        """Seconds that the rest takes at the recent pace; None while there is no pace to tell it from."""
        points = list(self._points)
        if len(points) <= STEPS or not WORTH * self.total <= self.done < self.total:
            return None
        middle = (points[0][0] + points[-1][0]) / 2
        between = min(points[1:-1], key=lambda point: abs(point[0] - middle))
        first, second = (_pace(a, b) for a, b in ((points[0], between), (between, points[-1])))
        if not first or not second or not 1 / STEADY <= first / second <= STEADY:
            return None
        return max(0.0, (self.total - self.done) / _pace(points[0], points[-1]) - (now - points[-1][0]))

    def _remember(self, now: float) -> None:
        points, took = self._points, now - self.started
        if len(points) > STEPS and now - points[-1][0] < took / 1000:
            points.pop()  # the last point moves on: a million steps need no million points
        points.append((now, self.done))
        while len(points) > STEPS + 1 and points[1][0] <= now - took * RECENT:
            points.popleft()

    def _left_in_words(self, now: float) -> str:
        left = self.left(now)
        return "" if left is None else f", about {duration(left)} left"

    def _line(self, now: float) -> None:
        self._said = now
        if not self.total:
            return
        done = f"{self.done:.0f}/{self.total}" if isinstance(self.total, int) else f"{self.done / self.total * 100:.0f} %"
        say(f"{self.what}: {done}, {duration(now - self.started)}{self._left_in_words(now)} {self.figures}".rstrip())


def each(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """`items`, `total` of them, one by one, each a step of a `bar`."""
    with bar(total, what) as shown:
        for one in items:
            yield one
            shown.update()


def _front_end() -> bool:
    """Whether a person looks at this notebook while it runs."""
    return "ipykernel.kernelapp" in sys.modules and os.environ.get(LINES) != "lines"


def _log() -> bool:
    """Whether what is said goes into a log: it wants lines, not a bar that redraws itself."""
    return os.environ.get(LINES) == "lines" or not (_front_end() or sys.stderr.isatty())


def _pace(start: tuple[float, float], end: tuple[float, float]) -> float:
    """Work a second between two points, 0 where no time passed."""
    return (end[1] - start[1]) / (end[0] - start[0]) if end[0] > start[0] else 0.0
