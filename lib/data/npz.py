"""Images of one .npz file: `images` and `labels`, and optionally `calibration_images`, `calibration_labels` and `class_names`."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from lib import progress
from lib.data import cache, decode, names, preprocess
from lib.data.images import Images
from lib.data.part import interleaved
from lib.data.preprocess import Rules
from lib.errors import ConfigError, DatasetError
from lib.experiment.spec import ModelSpec

KEYS = ("images", "labels", "calibration_images", "calibration_labels", "class_names")
PARTS = {"test": ("images", "labels"), "train": ("calibration_images", "calibration_labels")}
CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}  # PIL's mode of an image with so many
DAMAGED = (OSError, ValueError, EOFError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Content:
    """A file's headers and all but its images. shapes: of images and calibration_images; labels: int64 (N,), of the same keys."""

    path: Path
    where: str
    class_names: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    labels: dict[str, np.ndarray]


def check(settings: Any, path: Callable[[str], Path], classes: int) -> None:
    """Raise ConfigError, one line that names file and key, where `dataset.npz` does not fit a model with `classes` outputs.

    settings: a profile's dataset section; path: resolves a path of the profile. Reads headers and labels, no image.
    """
    scan(settings, path, classes)


def calibration_images(settings: Any, path: Callable[[str], Path]) -> int:
    """How many images there are to calibrate on. Raises ConfigError for a file that is no .npz."""
    with _opened(*_place(settings, path)) as (archive, where):
        return _header(archive, "calibration_images", where)[0][0] if "calibration_images" in _keys(archive) else 0


def scan(settings: Any, path: Callable[[str], Path], classes: int) -> Content:
    """The headers, labels and class names of the file; raises as `check`. No pickle is read."""
    with _opened(*_place(settings, path)) as (archive, where):
        keys = _keys(archive)
        if unknown := [key for key in keys if key not in KEYS]:
            raise ConfigError(f"{where}: unknown key {names.shown(unknown[0])}; it takes {', '.join(KEYS)}")
        if "images" not in keys:
            raise ConfigError(f"{where}: misses the key images, uint8 (N, height, width, channels)")
        if settings.labels != "none" and "labels" not in keys:
            raise ConfigError(f"{where}: misses the key labels, a whole number an image; or set dataset.labels: none")
        shapes, labels = {}, {}
        for images, of_them in PARTS.values():
            if images in keys:
                shapes[images] = _images(archive, images, where)
                if of_them in keys and settings.labels != "none":
                    labels[images] = _labels(archive, of_them, where, shapes[images][0], classes)
            elif of_them in keys:
                raise ConfigError(f"{where}: has {of_them} without {images}")
        return Content(path(settings.npz), where, _class_names(settings, path, classes, archive, where), shapes, labels)


def load(settings: Any, path: Callable[[str], Path], rules: Rules, spec: ModelSpec, cache_root: Path) -> Images:
    """The file's images, through `preprocess.fit` where their size is not the model's, kept below `cache_root` as those of a folder.

    x_test begins with an image of each class and goes on with the classes in their proportions. Never holds more than one image.

    Raises ConfigError as `check`; DatasetError for a damaged file, or an image that cannot be fitted; OSError for a full disk.
    """
    found = scan(settings, path, spec.classes)

    def make(target: Path) -> dict[str, Any]:
        for part, (key, _) in PARTS.items():
            if key in found.shapes:
                labels = found.labels.get(key)
                count = found.shapes[key][0]
                order = interleaved([None] * count if labels is None else labels.tolist(), np.random.default_rng(0).random(count))
                if labels is not None:
                    np.save(target / f"y_{part}.npy", labels[order])
                places = np.argsort(order)
                what = f"{'test' if part == 'test' else 'calibration'} images"
                with cache.Table(target / f"x_{part}.npy", (count, *spec.image_shape)) as table, progress.bar(count, what) as bar:
                    for index, pixels in enumerate(_rows(found, key)):
                        table.put(int(places[index]), _fitted(pixels, rules, spec, f"{found.where}: {key}[{index}]"))
                        bar.update()
        return {}

    sha256 = decode.digest(found.path)
    key = cache.key_of(["npz", sha256, settings.labels], rules, spec.channels)
    arrays, of_arrays, _ = cache.kept(cache_root, key, make)
    none = "calibration_images" not in found.shapes
    return Images(
        label=names.shown(found.path.name),
        class_names=found.class_names,
        x_train=np.empty((0, *spec.image_shape), np.uint8) if none else arrays["x_train"],
        y_train=np.empty(0, np.int64) if none and settings.labels != "none" else arrays["y_train"],
        x_test=arrays["x_test"],
        y_test=arrays["y_test"],
        digest=of_arrays,
    )


def _place(settings: Any, path: Callable[[str], Path]) -> tuple[Path, str]:
    return path(settings.npz), f"key 'dataset.npz': {names.shown(settings.npz)}"


@contextlib.contextmanager
def _opened(path: Path, where: str) -> Iterator[tuple[zipfile.ZipFile, str]]:
    try:
        if not path.is_file():
            raise ConfigError(f"{where}: no such file; name an .npz with images and labels")
        with zipfile.ZipFile(path) as archive:
            yield archive, where
    except DAMAGED as error:
        said = getattr(error, "strerror", None) or names.shown(str(error).partition("\n")[0])
        raise ConfigError(f"{where}: no whole .npz ({said}); write it with numpy.savez") from None


def _keys(archive: zipfile.ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist()]


def _header(archive: zipfile.ZipFile, key: str, where: str, file: IO[bytes] | None = None) -> tuple[tuple[int, ...], np.dtype, bool]:
    """Shape, dtype and whether it is in Fortran's order; leaves `file` at the first value. Objects, which are pickles, are refused."""
    info = archive.getinfo(f"{key}.npy")
    with contextlib.nullcontext(file) if file else archive.open(info) as opened:
        version = np.lib.format.read_magic(opened)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(opened)
        if dtype.hasobject:
            raise ConfigError(f"{where}: {key} holds Python objects, which are not read; store an array of numbers or text")
        if opened.tell() + dtype.itemsize * int(np.prod(shape, dtype=object)) != info.file_size:
            raise ConfigError(f"{where}: {key} is truncated; write it again")
    return shape, dtype, fortran


def _images(archive: zipfile.ZipFile, key: str, where: str) -> tuple[int, ...]:
    """The shape of images, (N, height, width) or (N, height, width, channels)."""
    shape, dtype, fortran = _header(archive, key, where)
    takes = "it takes uint8 (N, height, width, channels), 0 to 255"
    if dtype != np.uint8:
        how = f"multiply by 255 and round where they are 0 to 1; {takes}" if dtype.kind == "f" else takes
        raise ConfigError(f"{where}: {key} are {dtype}; {how}")
    if len(shape) == 4 and shape[1] in CHANNELS and shape[3] not in CHANNELS:
        raise ConfigError(f"{where}: {key} are {shape}, channels first; {takes} (numpy.transpose(images, (0, 2, 3, 1)))")
    if len(shape) not in (3, 4) or 0 in shape or (len(shape) == 4 and shape[3] not in CHANNELS):
        raise ConfigError(f"{where}: {key} are {shape}; {takes}, 1, 3 or 4 channels")
    if fortran:
        raise ConfigError(f"{where}: {key} are in Fortran's order; store numpy.ascontiguousarray(images)")
    return shape


def _labels(archive: zipfile.ZipFile, key: str, where: str, count: int, classes: int) -> np.ndarray:
    values = _small(archive, key, where, count)
    if values.dtype.kind not in "iu" or values.shape != (count,):
        raise ConfigError(f"{where}: {key} are {values.dtype} {values.shape}; it takes a whole number for each of the {count:,} images")
    if (wrong := (values < 0) | (values >= classes)).any():
        first = int(wrong.argmax())
        raise ConfigError(f"{where}: {key}[{first}] is {values[first]}; the model's {classes:,} outputs are 0 to {classes - 1}")
    return values.astype(np.int64)


def _class_names(settings: Any, path: Callable[[str], Path], classes: int, archive: zipfile.ZipFile, where: str) -> tuple[str, ...]:
    """Of the classes file, else of the .npz, else numbers."""
    if settings.classes is not None:
        return names.read(path(settings.classes), classes, f"key 'dataset.classes': {names.shown(settings.classes)}")
    if "class_names" not in _keys(archive):
        return names.numbered(classes)
    values = _small(archive, "class_names", where, classes)
    if values.dtype.kind not in "US" or values.ndim != 1:
        raise ConfigError(f"{where}: class_names are {values.dtype} {values.shape}; it takes a text for each of the {classes:,} outputs")
    texts = values.tolist()
    return names.of_outputs([text.decode() if isinstance(text, bytes) else text for text in texts], classes, f"{where}: class_names")


def _small(archive: zipfile.ZipFile, key: str, where: str, count: int) -> np.ndarray:
    """An array that is read whole."""
    shape, _, _ = _header(archive, key, where)
    if len(shape) != 1 or shape[0] != count:
        raise ConfigError(f"{where}: {key} are {shape}; there should be {count:,}")
    with archive.open(f"{key}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _rows(found: Content, key: str) -> Iterator[np.ndarray]:
    """The images one by one, uint8 (height, width) or (height, width, channels), uncompressed as they come."""
    count, *shape = found.shapes[key]
    size = int(np.prod(shape, dtype=object))
    try:
        with zipfile.ZipFile(found.path) as archive, archive.open(f"{key}.npy") as file:
            _header(archive, key, found.where, file)
            for _ in range(count):
                yield np.frombuffer(file.read(size), np.uint8).reshape(shape)
    except DAMAGED as error:
        raise DatasetError(f"{found.where}: {key} cannot be read ({names.shown(str(error))}); write the file again") from None


def _fitted(pixels: np.ndarray, rules: Rules, spec: ModelSpec, where: str) -> np.ndarray:
    """uint8 of the model's image shape; what has its size keeps its pixels."""
    import PIL.Image

    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    if pixels.shape[:2] != tuple(spec.size):
        try:
            return preprocess.fit(PIL.Image.fromarray(pixels), rules, spec.channels)
        except DatasetError as error:
            raise DatasetError(f"{where}: {error}") from None
    if pixels.shape == spec.image_shape:
        return pixels
    converted = PIL.Image.fromarray(pixels).convert("RGB" if spec.channels == 3 else "L")
    return np.asarray(converted).reshape(spec.image_shape)
