"""Host memory that this process holds while something runs, as Linux tells it."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event, Thread

EVERY_S = 0.005  # between two looks, each of which takes some 20 µs


def resident() -> int:
    """Bytes of memory that this process holds now; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class Watch:
    """Looks at `resident` while a block runs. grown: bytes since its beginning, now; peak: at the most, once it has ended.

    What came and went between two looks counts where this process never held more before (VmHWM).
    """

    def __enter__(self) -> Watch:
        self._before, self._most_before = resident(), _most()
        self._most, self._ended = self._before, Event()
        self._thread = Thread(target=self._look, name="memory", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()
        most = _most()
        self._most = max(self._most, resident(), most if most > self._most_before else 0)

    @property
    def grown(self) -> int:
        """See the class."""
        now = resident()
        self._most = max(self._most, now)
        return max(0, now - self._before)

    @property
    def peak(self) -> int:
        """See the class."""
        return self._most - self._before

    def _look(self) -> None:
        while not self._ended.wait(EVERY_S):
            self._most = max(self._most, resident())


def _most() -> int:
    """Bytes that this process ever held at once; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
