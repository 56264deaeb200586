"""Ctrl-C, SIGTERM and a stopped `make` end a command once, whatever the process that started it does with these signals."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

STATUS = 130  # the exit status shells give a program that Ctrl-C ended
SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_S = 10.0  # ending takes a moment: kernels are shut down, half-written files removed
POLL_S = 0.5


def listen() -> None:
    """From now on the first of SIGNALS raises KeyboardInterrupt. Another one within GRACE_S changes nothing, a later one ends at once.

    Also where the parent ignores SIGINT, which children inherit (`nohup`, a script's `&`). Main thread only.
    """
    asked: list[float] = []

    def stop(number: int, frame: Any) -> None:
        asked.append(time.monotonic())
        if len(asked) == 1:
            raise KeyboardInterrupt
        if asked[-1] - asked[0] > GRACE_S:
            os._exit(STATUS)

    for number in SIGNALS:
        signal.signal(number, stop)
    if _catches(make := os.getppid()) and told(f"{make}/status", "Name") in ("make", "gmake"):
        threading.Thread(target=_end_with, args=(make,), daemon=True).start()


def ignore() -> None:
    """For the last moments of a program, whose end no signal should interrupt."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end_with(make: int) -> None:
    """Ctrl-C reaches make and its children, but a SIGINT sent to make alone does not: make then gives up its handler and waits."""
    while os.getppid() == make:
        time.sleep(POLL_S)
        if not _catches(make):
            os.kill(os.getpid(), signal.SIGINT)
            return


def _catches(process: int) -> bool:
    """Whether a process has a handler of its own for SIGINT (proc(5): SigCgt, a hexadecimal mask)."""
    return bool(int(told(f"{process}/status", "SigCgt") or "0", 16) >> (signal.SIGINT - 1) & 1)


def told(file: str, field: str) -> str:
    """A field of a file below /proc, of several the first, "" where there is none: no Linux, no such process."""
    try:
        found = re.search(rf"^{field}\s*:\s*(.+)$", Path(f"/proc/{file}").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""
