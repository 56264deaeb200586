"""Images as the model's preprocessing leaves them, kept as .npy files under a key of their content and read as memory maps."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lib.data.preprocess import Rules

VERSION = 1  # of the files below and of what `folder` and `npz` put into them
ARRAYS = ("x_train", "y_train", "x_test", "y_test")  # in the order in which lib.data.images.Images hashes them
ABOUT = "about.json"
BLOCK = 1 << 20


class Table:
    """Context manager: an .npy file of equal rows, written in any order and by any thread.

    Written, not mapped: a full disk is an OSError and no SIGBUS, and pages that wait for the disk are not this process' memory.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str = "uint8") -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._file = open(path, "wb+", buffering=0)  # noqa: SIM115 - closed by __exit__
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._start, self._row = self._file.tell(), self.dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        self._file.truncate(self._start + self._row * shape[0])

    def __enter__(self) -> Table:
        return self

    def put(self, index: int, row: np.ndarray) -> None:
        """Write one row, of the file's dtype and shape without its first axis. Raises OSError where the disk is full."""
        if row.shape != self.shape[1:] or row.dtype != self.dtype:
            raise ValueError(f"a row is {row.dtype} {row.shape}, not {self.dtype} {self.shape[1:]}")
        data, at = memoryview(np.ascontiguousarray(row).reshape(-1).view(np.uint8)), self._start + index * self._row
        while data:  # a write may fall short
            written = os.pwrite(self._file.fileno(), data, at)
            data, at = data[written:], at + written

    def get(self, index: int) -> np.ndarray:
        """A row that was put, read-only."""
        data = os.pread(self._file.fileno(), self._row, self._start + index * self._row)
        return np.frombuffer(data, self.dtype).reshape(self.shape[1:])

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            os.fsync(self._file.fileno())
        self._file.close()


def key_of(contents: Any, rules: Rules, channels: int) -> str:
    """Hex SHA-256 over what decides every pixel and label: `contents` (JSON), how they are fitted, and the libraries that do it."""
    import PIL

    library = [PIL.__version__]
    if rules.library == "opencv":
        import cv2

        library.append(cv2.__version__)
    return hashlib.sha256(json.dumps([VERSION, library, rules.fitting, channels, contents], sort_keys=True).encode()).hexdigest()


def kept(root: Path, key: str, make: Callable[[Path], dict[str, Any]]) -> tuple[dict[str, np.ndarray | None], str, dict[str, Any]]:
    """The arrays of ARRAYS (None where there is none), their sha256, and what `make` told, from `root`/`key`.

    make: writes NAME.npy of each array into a folder and returns JSON; called where the key is not there yet, or is there truncated
    or of another shape. Two processes make it once. Raises what `make` raises, and OSError for a full disk; nothing is left then.
    """
    final, partial = root / key, root / f".{key}.partial"
    if (found := _read(final)) is not None:
        return found
    from filelock import FileLock

    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f".{key}.lock"):
        if (found := _read(final)) is not None:
            return found  # another process has made it meanwhile
        shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
        partial.mkdir()
        try:
            told = make(partial)
            arrays = {name: _shape(partial / f"{name}.npy") for name in ARRAYS if (partial / f"{name}.npy").exists()}
            about = {"arrays": arrays, "sha256": _fingerprint([partial / f"{name}.npy" for name in arrays]), "told": told}
            (partial / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
            shutil.rmtree(final, ignore_errors=True)  # a damaged one; who has it mapped keeps it
            partial.rename(final)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    found = _read(final)
    if found is None:
        raise OSError(f"{final}: written, but cannot be read back")
    return found


def _read(folder: Path) -> tuple[dict[str, np.ndarray | None], str, dict[str, Any]] | None:
    """What `kept` gives, or None where a file is missing, truncated or of another shape than was written."""
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        arrays: dict[str, np.ndarray | None] = dict.fromkeys(ARRAYS)
        for name, (dtype, shape) in about["arrays"].items():
            array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            if [array.dtype.name, list(array.shape)] != [dtype, shape]:
                return None
            arrays[name] = array
        return arrays, about["sha256"], about["told"]
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):  # damage takes any of these forms
        return None


def _shape(path: Path) -> tuple[str, list[int]]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array.dtype.name, list(array.shape)


def _fingerprint(paths: list[Path]) -> str:
    """Hex SHA-256 over the values of .npy files, as `cifar10.fingerprint` of their arrays; read as a file to stay small in memory."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            (np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0)(file)
            while block := file.read(BLOCK):
                digest.update(block)
    return digest.hexdigest()
