"""Files that are either whole or not there: write to a temporary name, then rename."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.errors import ReportError

UNWRITABLE = {
    **dict.fromkeys((errno.EACCES, errno.EPERM), "cannot be written; give yourself the right to"),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "is not a folder; move the file of that name away"),
    errno.EROFS: "cannot be written (read-only file system); remount it",
    errno.ENOENT: "cannot be made there; name a folder that can be made",
    errno.ENOSPC: "no space left on the disk; free some",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "a file would be larger than this system allows; raise the limit (ulimit -f)",
}
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # what a disk alone can be the cause of
SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")  # numpy.ndarray.tofile, which numpy.save calls


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` (UTF-8). Raises ReportError where the folder cannot be written or the disk is full."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step; a reader sees the old file or the new one, never a half."""
    with writable(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn what stops a write below `folder`, an OSError or a library's own error for it, into one line that says what to do."""
    try:
        yield
    except Exception as error:
        reason = _unwritable(error)
        if reason is None:
            raise
        raise ReportError(f"{folder}: {reason}, or choose another folder with --outputs (make: OUTPUTS=…)") from None


def _unwritable(error: Exception) -> str | None:
    """What to do about an error that comes from the disk, or None for any other.

    TensorFlow raises ResourceExhaustedError and HDF5 an OSError without errno: only the system's words tell.
    NumPy says no more than that a write fell short, which is what a full disk does to it.
    """
    if isinstance(error, OSError) and error.errno:
        return UNWRITABLE.get(error.errno)
    if isinstance(error, ReportError):
        return None
    if isinstance(error, OSError) and SHORT_WRITE.search(str(error)):
        return UNWRITABLE[errno.ENOSPC]
    return next((UNWRITABLE[code] for code in DISK if os.strerror(code) in str(error)), None)
