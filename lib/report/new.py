"""A profile of the user's own model, written from what its file and its images say: `make new MODEL=flowers.onnx DATA=folder`."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from lib import session
from lib.data import names
from lib.errors import ConfigError, shown
from lib.experiment import profile as config
from lib.experiment.preprocess import PRESETS
from lib.report import found, guess
from lib.report.found import Data, Reading
from lib.report.guess import Guess
from lib.store import files

FILL_IN = "FILL IN"  # stands in each line that only the user can complete
GUESS = "A GUESS"
RANDOM = "# No images were named: random input tells conversion, engines, numeric agreement and speed, but neither accuracy nor INT8."
COMPARE = (
    "# Compare it with how the model was trained: most accuracy that is lost on the way is lost here. The report's first page tries others."
)


@dataclass(frozen=True)
class Draft:
    """All that a profile is written from. target: its file; model: the model's; images: None for none; refused: files of preprocessing
    that were not taken, each with its reason."""

    target: Path
    model: Path
    reading: Reading
    images: Data | None
    guess: Guess
    refused: list[str]

    @property
    def open(self) -> list[str]:
        """Keys that only the user can say."""
        return [*self.reading.open, *(["dataset.classes"] if self.images and self.images.unnamed else [])]

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) where the model says none and no file does."""
        return self.reading.said.get("preprocess.size") if "file" not in self.guess.section else None

    @property
    def next(self) -> str:
        """The command to run."""
        return f"make report PROFILE={shlex.quote(shown(self.target))}"

    def relative(self, path: Path) -> str:
        """A path as the profile says it."""
        relative = os.path.relpath(path, self.target.parent)
        return _yaml(f"./{relative}" if relative.startswith("~") else relative)


def new(model: str, data: str, to: str) -> str:
    """Write a commented profile of the model in the file `model` and of the images in `data` ("" for none).

    to: its file, or its name in params/; "" for a file beside the model, of its name. Returns what was found and what to run next, a
    line each. Raises ConfigError, one line, before anything is written: for a model or images that cannot be used, and for a profile that
    is already there.
    """
    path = Path(os.path.abspath(os.path.expanduser(model)))
    target = _target(path, to)
    place = Path(os.path.abspath(os.path.expanduser(data))) if data else None
    folders = [path.parent, *([path] if path.is_dir() else []), *([place if place.is_dir() else place.parent] if place else [])]
    file, says, refused = guess.beside(folders)
    reading = found.model(path, tuple(says.size) if says.size else None, place)
    images = found.images(place, path, reading.spec) if place else None
    guessed = guess.of(path, reading.spec, file)
    if not guessed.sure and file is None and images and images.present:
        images, guessed = _tried(target, path, reading, images, guessed)
    draft = Draft(target, path, reading, images, guessed, refused)
    files.write_text(target, "\n".join(_lines(draft)) + "\n")
    return "\n".join(_summary(draft))


def _tried(target: Path, model: Path, reading: Reading, images: Data, first: Guess) -> tuple[Data, Guess]:
    """The guess tried on images; with the folders' own order where that of a file of names makes all no better than guessing, and this
    does not."""

    def trial(tried_on: Data) -> Guess:
        return guess.tried(first, _profile(target, model, reading, tried_on, first), reading.spec)

    guessed = trial(images)
    if guessed.doubt == guess.NO_BETTER and {"folder", "classes"} <= set(images.settings):
        place = Path(images.settings["folder"])
        by_folders = found.images(place, model, reading.spec, files=False)
        if not by_folders.unnamed and (other := trial(by_folders)).right and other.doubt != guess.NO_BETTER:
            why = f"{by_folders.named_by}; in the order of {images.named_by}, the model is no better than guessing"
            return replace(by_folders, named_by=why), other
    return images, guessed


def _target(model: Path, to: str) -> Path:
    """The file to write. Raises ConfigError for one that is there, and for a name that no profile can have."""
    if to and not to.endswith(config.FILES) and os.sep in to:
        raise ConfigError(f"PROFILE={to}: a profile is a .yaml file; name one such as {to}.yaml")
    name = model.name if model.is_dir() else model.stem
    try:
        target = config.locate(to or str(model.parent / f"{name}.yaml"))
    except ConfigError as error:
        raise ConfigError(f"{error}; choose another with PROFILE=") from None
    if os.path.lexists(target):
        raise ConfigError(f"{shown(target)}: exists, and is never overwritten; choose another with PROFILE=, or remove it")
    if not target.parent.is_dir():
        raise ConfigError(f"{shown(target)}: there is no folder {shown(target.parent)}; make it, or choose another with PROFILE=")
    return target


def _profile(target: Path, model: Path, reading: Reading, images: Data, guessed: Guess) -> config.Profile:
    """The profile as it would be read, with absolute paths."""
    said = {key.partition(".")[2]: value for key, value in reading.said.items() if key.startswith("model.")}
    sections = {"model": {"file": str(model)} | said, "dataset": images.settings, "preprocess": guessed.section}
    if size := reading.said.get("preprocess.size"):
        sections["preprocess"] = guessed.section | {"size": list(size)}
    return config.Profile.model_validate({"name": target.stem} | sections)


def _lines(draft: Draft) -> Iterator[str]:
    """The file, line by line."""
    yield f"# The report's profile of {names.shown(draft.model.name)}, written by make new. What is not said here has a default: every key"
    yield "# is in params/README.md of the project. Paths are relative to this file."
    yield f"# {f'First fill in {_listed(draft.open)}. ' if draft.open else ''}Next: {draft.next}"
    for part in (_model_lines, _data_lines, _preprocess_lines):
        yield ""
        yield from part(draft)


def _model_lines(draft: Draft) -> Iterator[str]:
    spec, reading = draft.reading.spec, draft.reading
    yield f"# Found: {found.model_line(spec)}."
    if spec.batch is not None:
        yield f"# It takes batches of {spec.batch} and no others, and is measured with those."
    yield "model:"
    yield f"  file: {draft.relative(draft.model)}"
    for key in ("output", "layout", "kind"):
        if choices := reading.open.get(f"model.{key}"):
            yield f"  # {key}: {_yaml(choices[0])}  # {FILL_IN}, one of: {names.listed(choices)}"
        elif (value := reading.said.get(f"model.{key}")) is not None:
            yield f"  {key}: {_yaml(value)}"
    if "model.kind" not in reading.said:
        is_it, other = ("no", "probabilities") if spec.logits else ("a", "logits")
        yield f"  # kind: {other}  # if they are: {is_it} softmax ends the graph"


def _data_lines(draft: Draft) -> Iterator[str]:
    images = draft.images
    if images is None:
        yield RANDOM
        yield "# dataset:"
        yield "#   folder: images  # test/CLASS/* and calibration/CLASS/*"
        return
    named = "" if images.unnamed else f"; names of the classes: {images.named_by}"
    yield f"# Found: {found.data_line(images, draft.reading.spec)}{named}."
    if images.present is None and not images.unnamed:
        yield "# Nobody says the right classes: agreement with the reference is told in place of accuracy."
    if not images.calibration:
        yield "# INT8 needs images to calibrate on, none of them in test: put some hundred into calibration/ (an .npz: calibration_images)."
    yield "dataset:"
    for key in ("folder", "npz", "classes"):
        if key in images.settings:
            yield f"  {key}: {draft.relative(Path(images.settings[key]))}"
    if images.unnamed:
        yield f"  # classes: classes.txt  # {FILL_IN}: {images.unnamed}; a file with a name a line, in the order of the outputs"
    if "labels" in images.settings:
        yield f"  labels: {images.settings['labels']}"


def _preprocess_lines(draft: Draft) -> Iterator[str]:
    guessed, section = draft.guess, draft.guess.section
    yield f"# {'Found' if guessed.sure else GUESS}: {_called(guessed)}. {guessed.because[0].upper()}{guessed.because[1:]}."
    if guessed.right:
        yield f"# Of {guessed.tried} test images right: {_counts(guessed)}."
    if guessed.doubt:
        yield f"# But {guessed.doubt}."
    yield from (f"# Not taken: {reason}." for reason in draft.refused)
    if not guessed.sure:
        yield COMPARE
    preset = section.get("preset")
    if preset and not guessed.sure:
        spelled = {"resize": "exact", "interpolation": "bilinear", "channels": "RGB"} | PRESETS[preset]
        listed = ", ".join(f"{key}: {_yaml(value)}" for key, value in spelled.items())
        yield f"# {preset} is {listed}; each can be written below preset to overrule it."
    yield "preprocess:"
    for key, value in section.items():
        yield f"  {key}: {draft.relative(Path(value)) if key == 'file' else _yaml(value)}"
    if draft.size is not None:
        yield f"  # size: {_yaml(list(draft.size))}  # {FILL_IN}: height and width that it was trained with; the model takes any"


def _summary(draft: Draft) -> Iterator[str]:
    guessed, outputs = draft.guess, session.outputs(draft.target.stem)
    yield f"{names.shown(draft.model.name)}: {found.model_line(draft.reading.spec)}"
    yield f"images: {found.data_line(draft.images, draft.reading.spec)}"
    if draft.images and not draft.images.unnamed and draft.images.named_by != "numbers":
        yield f"classes: {draft.images.named_by}"
    why = f"; of {guessed.tried} test images right: {_counts(guessed)}" if guessed.right else f": {guessed.because}"
    but = f"; but {guessed.doubt}" if guessed.doubt else ""
    yield f"preprocessing: {'' if guessed.sure else 'a guess, '}{_called(guessed)}{why}{but}"
    yield f"{shown(draft.target)}: written; {f'fill in {_listed(draft.open)}' if draft.open else 'read it'}, then: {draft.next}"
    if outputs.exists():
        yield f"{shown(outputs)}: there already; reports of profiles of one name replace each other"


def _called(guessed: Guess) -> str:
    return Path(guessed.name).name


def _counts(guessed: Guess) -> str:
    return ", ".join(f"{name} {count}" for name, count in guessed.right.items())


def _listed(keys: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(keys[:-1]), keys[-1]]))


def _yaml(value: Any) -> str:
    """A value on one line of YAML."""
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf).split("\n...")[0].strip()
