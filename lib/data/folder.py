"""A folder of images: test/CLASS/*, and calibration/CLASS/* or train/CLASS/*; or images without labels."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from lib import progress
from lib.data import cache, names, part, preprocess
from lib.data.images import Images
from lib.data.part import Entry, Part
from lib.data.preprocess import Rules
from lib.errors import ConfigError, DatasetError
from lib.experiment.spec import ModelSpec

KEY = "key 'dataset.folder': "
TEST = "test"
CALIBRATION = ("calibration", "train")  # the first that is there
MOST_CALIBRATION = 10_000  # images: a whole training set would take hours to decode and gigabytes to keep
OF_SYSTEMS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir")  # beside all names that begin with a dot
LAYOUT = "put images into test/CLASS/ and calibration/CLASS/"


@dataclass(frozen=True)
class Folder:
    """What lies in a dataset's folder, nothing of it opened; class by class, names sorted. shown: the folder as the profile names it."""

    root: Path
    shown: str
    class_names: tuple[str, ...]
    test: list[Entry]
    calibration: list[Entry]


def check(settings: Any, path: Callable[[str], Path], classes: int) -> None:
    """Raise ConfigError, one line that names key and folder, where `dataset.folder` does not fit a model with `classes` outputs.

    settings: a profile's dataset section; path: resolves a path of the profile. Lists folders and opens no image.
    """
    scan(settings, path, classes)


def calibration_images(settings: Any, path: Callable[[str], Path]) -> int:
    """How many images there are to calibrate on, broken ones counted too. Raises ConfigError where they cannot be listed."""
    root, shown = _root(settings, path)
    return min(sum(1 for name in _calibration(root) for _ in _files(root, shown, PurePath(name))), MOST_CALIBRATION)


def scan(settings: Any, path: Callable[[str], Path], classes: int) -> Folder:
    """What lies in the folder; raises as `check`."""
    root, shown = _root(settings, path)
    where = f"key 'dataset.classes': {names.shown(settings.classes or '')}"
    named = names.read(path(settings.classes), classes, where) if settings.classes is not None else None
    below = TEST if (root / TEST).is_dir() else "."
    if settings.labels == "none":
        class_names = named or names.numbered(classes)
        files = _files(root, shown, PurePath(below))
        test = [Entry(None, file) for file in files if below == TEST or file.parts[0] not in CALIBRATION]
    elif below == TEST:
        class_names = named or _class_names(root, shown, classes)
        test = _labelled(root, shown, TEST, class_names)
    if below != TEST and not (settings.labels == "none" and test):
        there = names.listed(entry.name for entry in _listed(root, shown, PurePath())) or "nothing"
        none = "; where nobody knows the right classes, set dataset.labels: none" if settings.labels != "none" else ""
        raise ConfigError(f"{KEY}{shown}: misses the folder test, there is {there}; {LAYOUT}{none}")
    if not test:
        raise ConfigError(f"{KEY}{shown}{'/test' if below == TEST else ''}: holds no images; {LAYOUT}")
    calibration: list[Entry] = []
    for name in _calibration(root):
        if settings.labels != "none" and any(os.path.isdir(entry) for entry in _listed(root, shown, PurePath(name))):
            calibration = _labelled(root, shown, name, class_names)
        else:  # calibration needs no labels
            calibration = [Entry(None, file) for file in _files(root, shown, PurePath(name))]
        if not calibration:
            raise ConfigError(f"{KEY}{shown}/{name}: holds no images; put some in, or remove it")
    return Folder(root, shown, class_names, test, calibration)


def load(settings: Any, path: Callable[[str], Path], rules: Rules, spec: ModelSpec, cache_root: Path) -> Images:
    """Every image as `preprocess.fit` leaves it, decoded once and kept below `cache_root`, by content and not by name.

    x_test begins with an image of each class and goes on with the classes in their proportions: the first N stand for all. Of
    more than MOST_CALIBRATION calibration images that many are drawn, in the classes' proportions.

    Raises ConfigError as `check`; DatasetError that names the files which are no whole images (with skip_broken: the classes that
    have no others); OSError for a full disk.
    """
    found = scan(settings, path, spec.classes)
    parts = {"test": part.hashed(found.root, found.test), "train": part.hashed(found.root, _drawn(found))}

    def make(target: Path) -> dict[str, Any]:
        fit = functools.partial(preprocess.fit, rules=rules, channels=spec.channels)
        for name, files in parts.items():
            if files.entries:
                what = f"{'test' if name == 'test' else 'calibration'} images"
                files.write(target / f"x_{name}.npy", target / f"y_{name}.npy", fit, spec.image_shape, what)
        _refuse(found, parts, settings.skip_broken)
        return {name: sorted(files.broken.items()) for name, files in parts.items()}

    key = cache.key_of({name: files.contents for name, files in parts.items()}, rules, spec.channels)
    arrays, sha256, told = cache.kept(cache_root, key, make)
    for name, files in parts.items():
        files.broken = dict(told[name])
    left_out = _refuse(found, parts, settings.skip_broken)
    if left_out:
        progress.say(f"{names.counted(len(left_out), 'broken file')} left out: {names.listed(left_out)}")
    return Images(
        label=names.shown(found.root.resolve().name) + (f", {names.counted(len(left_out), 'broken file')} left out" if left_out else ""),
        class_names=found.class_names,
        x_train=np.empty((0, *spec.image_shape), np.uint8) if arrays["x_train"] is None else arrays["x_train"],
        y_train=arrays["y_train"] if found.calibration or settings.labels == "none" else np.empty(0, np.int64),
        x_test=arrays["x_test"],
        y_test=arrays["y_test"],
        digest=sha256,
        left_out=left_out,
        files=tuple(parts["test"].files),
    )


def _root(settings: Any, path: Callable[[str], Path]) -> tuple[Path, str]:
    root, shown = path(settings.folder), names.shown(settings.folder.rstrip("/") or "/")
    if not root.is_dir():
        raise ConfigError(f"{KEY}{shown}: {'a file, no folder' if root.is_file() else 'no such folder'}; name the folder that holds test/")
    return root, shown


def _calibration(root: Path) -> list[str]:
    """The name of the folder of calibration images, where there is one."""
    return [name for name in CALIBRATION if (root / name).is_dir()][:1]


def _class_names(root: Path, shown: str, classes: int) -> tuple[str, ...]:
    """The sorted names of test's folders, one for each output."""
    found = sorted(names.clean(entry.name) for entry in _listed(root, shown, PurePath(TEST)) if os.path.isdir(entry))
    for name in found:
        names.showable(name, f"{KEY}{shown}/test")
    if len(found) != classes:
        there = f"{names.counted(len(found), 'folder')} ({names.listed(found)})" if found else "no folder of a class"
        how = "name every class in a file, one a line in the order of the outputs, and give it as dataset.classes"
        raise ConfigError(f"{KEY}{shown}/test: {there} for the model's {names.counted(classes, 'output')}; {how}")
    return tuple(found)


def _labelled(root: Path, shown: str, name: str, class_names: tuple[str, ...]) -> list[Entry]:
    """Images of name/CLASS/, class by class in the order of the outputs."""
    where, found = f"{KEY}{shown}/{name}", dict[int, list[Entry]]()
    for entry in _listed(root, shown, PurePath(name)):
        if not os.path.isdir(entry):
            raise ConfigError(f"{where}/{names.shown(entry.name)}: lies beside the classes' folders; put it into one of them, or remove it")
        label = names.index_of(entry.name, class_names, where)
        if label in found:
            raise ConfigError(f"{where}: two folders are named {names.shown(class_names[label])}, but for spaces or Unicode; make them one")
        found[label] = [Entry(label, file) for file in _files(root, shown, PurePath(name, entry.name))]
        if not found[label]:
            raise ConfigError(f"{where}/{names.shown(entry.name)}: a class without images; put some in, or remove it")
    return [entry for label in sorted(found) for entry in found[label]]


def _files(root: Path, shown: str, below: PurePath, above: tuple[str, ...] = ()) -> Iterator[PurePath]:
    """Files anywhere below a folder, names sorted. Links to folders are followed, but not back to one above."""
    if (real := os.path.realpath(root / below)) in above:
        return
    for entry in _listed(root, shown, below):
        if os.path.isdir(entry):
            yield from _files(root, shown, below / entry.name, (*above, real))
        else:
            yield below / entry.name


def _listed(root: Path, shown: str, below: PurePath) -> list[os.DirEntry[str]]:
    """What a folder holds, names sorted, without what systems leave behind."""
    try:
        with os.scandir(root / below) as entries:
            seen = [entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in OF_SYSTEMS]
    except OSError as error:
        raise ConfigError(f"{KEY}{shown}/{names.shown(str(below))}: cannot be listed: {error.strerror}") from None
    return sorted(seen, key=lambda entry: entry.name)


def _drawn(found: Folder) -> list[Entry]:
    """The calibration images that are decoded, drawn by name: no file is read for it."""
    every = found.calibration
    if len(every) <= MOST_CALIBRATION:
        return every
    progress.say(f"{found.shown}: {MOST_CALIBRATION:,} of {len(every):,} images drawn to calibrate on")
    order = part.interleaved([entry.label for entry in every], np.random.default_rng(0).random(len(every)))
    return [every[index] for index in order[:MOST_CALIBRATION]]


def _refuse(found: Folder, parts: dict[str, Part], skip: bool) -> tuple[str, ...]:
    """The broken files, each with its reason. Raises DatasetError where they may not be left out, or where nothing of a class is left."""
    broken = [(files.entries[index].path, reason) for files in parts.values() for index, reason in files.broken.items()]
    broken.sort()
    if not broken:
        return ()
    said = names.listed(f"{file} ({reason})" for file, reason in broken)
    if not skip:
        how = "repair or remove them, or set dataset.skip_broken: true"
        raise DatasetError(f"{KEY}{found.shown}: {names.counted(len(broken), 'file')} cannot be decoded: {said}; {how}")
    for files in parts.values():
        if files.emptied:
            whose = ", ".join("images" if label is None else found.class_names[label] for label in files.emptied)
            raise DatasetError(f"{KEY}{found.shown}: without its broken files nothing is left of {names.shown(whose)}: {said}; repair them")
    return tuple(f"{found.shown}/{names.shown(str(file))} ({reason})" for file, reason in broken)
