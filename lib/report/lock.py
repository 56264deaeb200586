"""One run at a time on one profile's outputs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from lib.errors import ReportError
from lib.store import files

LOCK = ".lock"
HOLDER = ".lock.txt"  # who holds it, in words: the lock itself is an advisory lock of the system that ends with its process


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` (outputs/PROFILE), which is made if need be.

    Raises ReportError, one line, if another run holds it (which process, since when) or if `folder` cannot be written.
    A killed holder leaves no lock behind: the system drops it (flock, through filelock.FileLock).
    """
    from filelock import FileLock, Timeout

    holder = folder / HOLDER
    with files.writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            # The holder may not have said who it is yet.
            who = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
            raise ReportError(f"{folder}: {who} is running this profile; wait for it, or stop it first") from None
    try:
        files.write_text(holder, f"process {os.getpid()} on {platform.node()} (since {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S UTC})")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
