"""Image files, told by their content and decoded one by one; what is broken or foreign becomes a reason, not an end."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import warnings
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib import progress
from lib.data.names import shown

if TYPE_CHECKING:
    import PIL.Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MOST_PIXELS = 89_478_485  # where Pillow begins to warn of a decompression bomb: a quarter of a GiB at 24 bits
THREADS = 8  # each may hold one such image
AT_ONCE = 1024  # files a turn: what waits in the pool stays small
BLOCK = 1 << 20


def digest(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, "" where it cannot be read: `image` tells why."""
    sha256 = hashlib.sha256()
    try:
        _refuse_special(path)
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                sha256.update(block)
    except (OSError, ValueError):
        return ""
    return sha256.hexdigest()


def image(path: Path) -> PIL.Image.Image:
    """The file's image (the first of several), decoded as it lies there: EXIF not turned, any mode. The name's ending tells nothing.

    Raises ValueError, with a reason of a few words, for what is no whole image of FORMATS or has over MOST_PIXELS pixels.
    """
    import PIL.Image

    try:
        _refuse_special(path)
        opened = PIL.Image.open(path, formats=FORMATS)
    except PIL.UnidentifiedImageError:
        empty = path.stat().st_size == 0
        raise ValueError("has 0 bytes" if empty else f"no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} image") from None
    except PIL.Image.DecompressionBombError:
        raise ValueError(f"more than {MOST_PIXELS:,} pixels") from None
    except Exception as error:  # a damaged header can raise almost anything
        raise ValueError(_reason(error)) from None
    with opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise ValueError(f"more than {MOST_PIXELS:,} pixels")
        try:
            opened.load()
        except Exception as error:  # so can damaged data
            raise ValueError(_reason(error)) from None
    return opened


def digests(paths: Sequence[Path]) -> list[str]:
    """`digest` of each, in their order."""
    with contextlib.closing(_results(digest, paths)) as found:
        return list(found)


def each(
    paths: Sequence[Path], fit: Callable[[PIL.Image.Image], np.ndarray], put: Callable[[int, np.ndarray], None], what: str
) -> dict[int, str]:
    """Decode and `fit` every file on all cores, and `put(index, pixels)` it. Returns why files are broken, by index.

    Any exception of `fit` breaks that one image; one of `put` (a full disk) ends the work and is raised.
    """

    def one(index: int) -> str | None:
        try:
            decoded = image(paths[index])
        except ValueError as error:
            return str(error)
        try:
            pixels = fit(decoded)
        except Exception as error:  # a mode that cannot be converted, EXIF that cannot be read
            return _reason(error)
        put(index, pixels)
        return None

    broken: dict[int, str] = {}
    with progress.bar(len(paths), what) as bar, contextlib.closing(_results(one, range(len(paths)))) as reasons:
        for index, reason in enumerate(reasons):
            if reason is not None:
                broken[index] = reason
            bar.update()
    return broken


def _results(work: Callable[[Any], Any], items: Sequence[Any]) -> Generator[Any, None, None]:
    """The results of all items in their order, from a pool that ends when this is closed: Ctrl-C and a full disk end it at once."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(min(cores, THREADS)) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Pillow finds odd about a file is its reason, if it breaks it
        for start in range(0, len(items), AT_ONCE):
            yield from pool.map(work, items[start : start + AT_ONCE])  # closed, it cancels what has not begun


def _refuse_special(path: Path) -> None:
    """Raise OSError for what is no file: opening a named pipe waits for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("not a file")


def _reason(error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return shown(said) or type(error).__name__
