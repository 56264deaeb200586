"""One run at a time on one profile's outputs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from lib.errors import ReportError
from lib.store import files

LOCK = ".lock"
HOLDER = ".lock.json"  # who holds it: the lock itself is an advisory lock of the system that ends with its process


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` (outputs/PROFILE), which is made if need be.

    Raises ReportError, one line, if another run holds it (which process, since when) or if `folder` cannot be written.
    A killed holder leaves no lock behind: the system drops it (flock, through filelock.FileLock).
    """
    from filelock import FileLock, Timeout

    with files.writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise ReportError(f"{folder}: {_holder(folder)} is running this profile; wait for it, or stop it first") from None
    try:
        files.write_text(folder / HOLDER, json.dumps({"pid": os.getpid(), "host": platform.node(), "since": _now()}))
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _holder(folder: Path) -> str:
    """The process that holds the lock, in words; it may have ended, or not have said who it is yet."""
    try:
        holder = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']} (since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
