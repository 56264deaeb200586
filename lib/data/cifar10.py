"""Reads CIFAR-10 in its own layout (`cifar-10-batches-py`) without trusting its pickles.

Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009), and the dataset's page: each batch is a pickled
dict with b'data', uint8 (10000, 3072), and b'labels', 10,000 integers.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import DatasetError
from lib.experiment.profile import ROOT

FOLDER = "cifar-10-batches-py"
TRAIN = tuple(f"data_batch_{k}" for k in range(1, 6))
TEST = "test_batch"
IMAGES_A_BATCH = 10_000
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# MD5 of the original files, as the dataset's readers publish them.
ORIGINAL_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
# SHA-256 over pixels and labels of the copies that are known beside the original.
KNOWN_COPIES = {"cefbc8d0e46266637447413e51cc2b53f117b9eca1ac5a25afc9cbc14e34d578": "CIFAR-10, JPEG mirror"}

HINT = "set dataset.folder or CIFAR10_DIR to the folder that holds cifar-10-batches-py"


class _Unpickler(pickle.Unpickler):
    """Admits what builds numpy arrays; containers, bytes, text and numbers need no global at all."""

    ADMITTED = {
        (module, name)
        for core in ("numpy.core", "numpy._core")
        for module, name in ((f"{core}.multiarray", "_reconstruct"), (f"{core}.numeric", "_frombuffer"), (f"{core}.multiarray", "scalar"))
    } | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ADMITTED:
            raise DatasetError(f"wants to load {module}.{name}, which no CIFAR-10 batch needs")
        return super().find_class(module, name)


def load(folder: str | None, accept_unknown: bool) -> tuple[str, tuple[str, ...], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The fields of `dataset.Images`, from `folder`, else $CIFAR10_DIR, else Keras' cache, else downloaded by Keras.

    Raises DatasetError for missing, truncated, altered, hostile or misshapen files, and without a network.
    """
    root = find(folder)
    parts = {name: read_batch(root / name) for name in (*TRAIN, TEST)}
    label = _identify(root, parts, accept_unknown)
    x_train = np.concatenate([parts[name][0] for name in TRAIN])
    y_train = np.concatenate([parts[name][1] for name in TRAIN])
    return label, CLASS_NAMES, x_train, y_train, *parts[TEST]


def find(folder: str | None) -> Path:
    """The folder `cifar-10-batches-py`; a relative `folder` or CIFAR10_DIR begins in the project, wherever this process runs.

    Raises DatasetError if a named folder does not hold it or it cannot be had.
    """
    for source, named in (("dataset.folder", folder), ("CIFAR10_DIR", os.environ.get("CIFAR10_DIR"))):
        if named:
            folder = ROOT / os.path.expanduser(named)
            for root in (folder, folder / FOLDER):
                if os.path.exists(root / TEST) or os.path.exists(root / TRAIN[0]):
                    return root
            raise DatasetError(f"{named}: {source} names no folder with {FOLDER}/{TEST}; {HINT}")
    return _keras_cache() or _download()


def _keras_cache() -> Path | None:
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets"
    return next((root for root in (home / FOLDER, home / f"{FOLDER}-target" / FOLDER) if (root / TEST).is_file()), None)


def _download() -> Path:
    """Let Keras fetch the archive, whose hash Keras checks; the batches are then read by this module."""
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's keras.json asks for
    try:
        import keras

        keras.datasets.cifar10.load_data()
    except Exception as error:  # Keras raises a bare Exception for a failed download, and several for a keras.json it does not take
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DatasetError(f"CIFAR-10 could not be downloaded ({reason}); {HINT}") from None
    if root := _keras_cache():
        return root
    raise DatasetError(f"CIFAR-10 was downloaded but is not in Keras' cache; {HINT}")


def read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """One batch file as uint8 (10000, 32, 32, 3) images and int64 (10000,) labels from 0 to 9.

    Raises DatasetError for a file that is missing, truncated, hostile or of another shape.
    """
    try:
        batch = _Unpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        data, labels = batch[b"data"], np.asarray(batch[b"labels"])
    except FileNotFoundError:
        raise DatasetError(f"{path}: missing; {HINT}, with all six batches") from None
    except DatasetError as error:
        raise DatasetError(f"{path}: refused: {error}; get the dataset again from its source") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except Exception as error:  # a damaged pickle can raise almost anything
        raise DatasetError(f"{path}: truncated or not a CIFAR-10 batch ({type(error).__name__}); get it again") from None
    _check(path, data, labels)
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy(), labels.astype(np.int64)


def _check(path: Path, data: Any, labels: np.ndarray) -> None:
    expected = (IMAGES_A_BATCH, 3072)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != expected:
        got = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise DatasetError(f"{path}: data must be uint8 {expected}, got {got}; get the dataset again")
    if labels.shape != expected[:1] or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
        raise DatasetError(f"{path}: labels must be {IMAGES_A_BATCH} integers from 0 to 9; get the dataset again")


def _identify(root: Path, parts: dict[str, tuple[np.ndarray, np.ndarray]], accept_unknown: bool) -> str:
    """What records call this copy: the original, a known copy, or an unknown one that the user accepted."""
    altered = [name for name in parts if hashlib.md5((root / name).read_bytes(), usedforsecurity=False).hexdigest() != ORIGINAL_MD5[name]]
    if not altered:
        return "CIFAR-10"
    digest = fingerprint(array for name in (*TRAIN, TEST) for array in parts[name])
    if digest in KNOWN_COPIES or accept_unknown:
        return KNOWN_COPIES.get(digest, f"CIFAR-10, unknown copy {digest[:12]}")
    raise DatasetError(
        f"{root / altered[0]}: not the original (MD5 differs) nor a known copy; get the dataset again, "
        "or set dataset.accept_unknown: true to measure on this copy under that name"
    )


def fingerprint(arrays: Iterable[np.ndarray]) -> str:
    """Hex SHA-256 over the values of arrays, in their order."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
