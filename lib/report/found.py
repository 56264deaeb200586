"""What a user's model and images are, found out for a profile that is not written yet; what only the user knows is left open."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib.data import folder, names, npz
from lib.errors import ConfigError, shown
from lib.experiment.sections import Dataset
from lib.experiment.spec import LAYOUTS, ModelSpec
from lib.models import source

# Readers say which key of the profile they need: lib/models/tensors.py.
ASKED = re.compile(r"set (model\.output|model\.layout|model\.kind|preprocess\.size) to")
SEVERAL = re.compile(r"several outputs: (.*); set model\.output")
KINDS = ("probabilities", "logits")
SIZES = ((224, 224), (256, 256), (299, 299), (96, 96), (64, 64), (32, 32), (28, 28))  # tried where a model takes any
CLASS_FILES = ("classes.txt", "labels.txt", "class_names.txt", "imagenet_classes.txt")
KEYS = ("model.output", "model.kind", "model.layout", "preprocess.size")  # what a reader may be told, in the order of its arguments


@dataclass(frozen=True)
class Reading:
    """A model as it reads with these keys of the profile said. open: those among them that are a choice of several, with the choices."""

    said: dict[str, Any]
    spec: ModelSpec
    open: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Data:
    """Images as a profile's dataset section names them (absolute paths), and what lies there.

    settings: the section's keys; test, calibration: images; present: classes that have test images, None without labels; named_by: what
    the classes' names come from, in words; unnamed: why a file of names is needed, "" where none is.
    """

    settings: dict[str, Any]
    test: int
    calibration: int
    present: int | None
    named_by: str
    unnamed: str = ""


def model(path: Path, size: tuple[int, int] | None, data: Path | None) -> Reading:
    """What the file's model is. size: (height, width) that a file beside it says, for a model that takes any.

    Where the file leaves something to the profile, every choice that reads is taken up; those whose classes are the folders' of `data`
    come first, and what is then still undecided is open. Raises ConfigError, one line, for a model that cannot be used whatever is said.
    """
    found = _readings(path, {}, [size] if size else list(SIZES))
    fitting = [reading for reading in found if data and _fits(data, path, reading.spec)]
    picks = fitting or found
    chosen = picks[0]
    choices = {key: list(dict.fromkeys(reading.said.get(key) for reading in picks)) for key in chosen.said}
    unknown = {key: some for key, some in choices.items() if len(some) > 1 or (key == "preprocess.size" and not size)}
    return Reading(chosen.said, chosen.spec, unknown)


def _readings(path: Path, said: dict[str, Any], sizes: Sequence[tuple[int, int]]) -> list[Reading]:
    """Every way in which the model can be read; of sizes the first."""
    try:
        return [Reading(said, _reader(path).spec(path, *map(said.get, KEYS)))]
    except ConfigError as error:
        key, choices = _asked(str(error), sizes)
        if key is None or key in said:
            raise
        found: list[Reading] = []
        for choice in choices:
            with contextlib.suppress(ConfigError):
                found += _readings(path, said | {key: choice}, sizes)
            if found and key == "preprocess.size":
                break
        if not found:
            raise
        return found


def _asked(error: str, sizes: Sequence[tuple[int, int]]) -> tuple[str | None, Sequence[Any]]:
    """The key of the profile that a reader asks for, and what it may be."""
    asked = ASKED.search(error)
    if asked is None:
        return None, ()
    several = SEVERAL.search(error)
    outputs = several[1].split(", ") if several else []
    return asked[1], {"model.output": outputs, "model.layout": LAYOUTS, "model.kind": KINDS, "preprocess.size": sizes}[asked[1]]


def _reader(path: Path) -> Any:
    suffix = "" if path.is_dir() else path.suffix.lower()
    if not path.exists():
        raise ConfigError(f"{shown(path)}: no such file; MODEL names an .onnx, a .keras or a SavedModel folder")
    if suffix in (".h5", ".hdf5"):
        return source.READERS[".keras"]  # says how to save it again
    if suffix not in source.READERS or (suffix == "" and not path.is_dir()):
        how = "from PyTorch: torch.onnx.export(model, example, 'model.onnx')"
        raise ConfigError(f"{shown(path)}: no .onnx, .keras or SavedModel folder; export the model as one of them ({how})")
    return source.READERS[suffix]


def _fits(data: Path, path: Path, spec: ModelSpec) -> bool:
    with contextlib.suppress(ConfigError):
        return not images(data, path, spec).unnamed
    return False


def images(data: Path, path: Path, spec: ModelSpec, files: bool = True) -> Data:
    """What lies in `data`, a folder or an .npz, for the model `path`. Opens no image.

    A file of class names (CLASS_FILES) beside model or images is taken where it fits and `files` says so. Images that no folder of a class
    holds have no labels. Raises ConfigError, one line, for what is neither or cannot be used.
    """
    kind, reader = ("folder", folder) if data.is_dir() else ("npz", npz)
    if not data.exists():
        raise ConfigError(f"{shown(data)}: no such folder; DATA names one that holds test/CLASS/ and calibration/CLASS/, or an .npz")
    if kind == "npz" and data.suffix.lower() != ".npz":
        raise ConfigError(f"{shown(data)}: neither a folder nor an .npz; DATA names one that holds test/CLASS/ and calibration/CLASS/")
    given = {kind: str(data)} | ({"labels": "none"} if kind == "folder" and not _labelled(data) else {})
    for file in _class_files(data, path) if files else ():
        with contextlib.suppress(ConfigError):
            named = given | {"classes": str(file)}
            return _data(
                named,
                reader.scan(Dataset(**named), Path, spec.classes),
                f"{names.shown(file.name)}, beside the {'model' if file.parent == path.parent else 'images'}",
            )
    by = "the sorted names of the folders in test/" if kind == "folder" else "class_names of the file, or numbers"
    try:
        return _data(given, reader.scan(Dataset(**given), Path, spec.classes), by)
    except ConfigError as error:
        if "dataset.labels: none" in str(error) and kind == "npz":
            given |= {"labels": "none"}
            return _data(given, reader.scan(Dataset(**given), Path, spec.classes), by)
        if "dataset.classes" not in str(error):
            raise
        counted = reader.scan(Dataset(**given, **{} if "labels" in given else {"labels": "none"}), Path, spec.classes)
        return _data(given, counted, by, str(error).rpartition("/test: ")[2].partition("; ")[0])


def _data(settings: Mapping[str, Any], found: Any, named_by: str, unnamed: str = "") -> Data:
    if isinstance(found, npz.Content):
        test, calibration = (found.shapes.get(key, (0,))[0] for key in ("images", "calibration_images"))
        labels = found.labels.get("images")
        present = None if labels is None else len(set(labels.tolist()))
    else:
        test, calibration = len(found.test), len(found.calibration)
        present = len({entry.label for entry in found.test}) if found.test[0].label is not None else None
    by = "numbers" if present is None and "classes" not in settings else named_by
    return Data(dict(settings), test, calibration, present, by, unnamed)


def _labelled(data: Path) -> bool:
    """Whether there are folders for classes, or folders that may be meant as such: all images lie in none where nobody labelled them."""
    below = data / folder.TEST if (data / folder.TEST).is_dir() else data
    inside = [entry.name for entry in os.scandir(below) if entry.is_dir() and not entry.name.startswith(".")]
    return any(below != data or name not in folder.CALIBRATION for name in inside)


def _class_files(data: Path, path: Path) -> Iterator[Path]:
    for place in dict.fromkeys((data if data.is_dir() else data.parent, data.parent, path.parent)):
        yield from (place / name for name in CLASS_FILES if (place / name).is_file())


def model_line(spec: ModelSpec) -> str:
    """`input 'x', float32 NCHW [any, 3, 224, 224]; output 'y', 1,000 classes, logits`."""
    shape = ", ".join([str(spec.batch or "any"), *map(str, spec.row_shape)])
    kind = "logits" if spec.logits else "probabilities"
    return (
        f"input '{names.shown(spec.input)}', {spec.dtype} {spec.layout} [{shape}]; "
        f"output '{names.shown(spec.output)}', {spec.classes:,} classes, {kind}"
    )


def data_line(data: Data | None, spec: ModelSpec) -> str:
    """How many images of what there are."""
    if data is None:
        return "none; random input tells speed and numeric agreement, no accuracy"
    if data.unnamed:
        whose = "in folders that no output is named after"
    else:
        whose = "without labels" if data.present is None else f"of {data.present:,} of the {spec.classes:,} classes"
    return f"{names.counted(data.test, 'test image')} {whose}, {data.calibration:,} to calibrate INT8 on"
