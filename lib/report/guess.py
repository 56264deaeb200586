"""A guess at a model's preprocessing: from a file beside it, from the model itself, and from how right it is on labelled images."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lib import progress, stats
from lib.data import dataset, decode, folder, part, preprocess, preprocessor_files
from lib.data.preprocess import Rules
from lib.errors import ConfigError, DatasetError, WrongOutput
from lib.experiment.preprocess import PRESETS, Preprocess
from lib.experiment.profile import Profile
from lib.experiment.spec import ModelSpec
from lib.measure import predictions
from lib.models import keras_file, onnx_graph, tensors
from lib.runners import RUNNERS
from lib.runners.base import Runner
from lib.session import Session

FILES = ("preprocessor_config.json", "config.json")  # transformers' and timm's
ONE = {"scale": 1 / 255}  # 0 to 1, which no preset is
NO_BETTER = "none is better than guessing: the order of the classes or the preprocessing is another"
MOST = 200  # images that presets are tried on
UNCHANGED = ("Cast", "Transpose", "Identity", "Pad", "Reshape", "Resize")  # operators that do not mean the pixels' range
ARITHMETIC = ("Mul", "Div", "Sub", "Add", "BatchNormalization")


@dataclass(frozen=True)
class Guess:
    """What a profile's preprocess section may say. section: its keys; because: why, in words; sure: whether it was read, not guessed;
    right: what was tried -> images that it has right, of `tried`; doubt: what is to be thought of that, "" for nothing."""

    section: dict[str, Any]
    because: str
    sure: bool = False
    right: Mapping[str, int] = field(default_factory=dict)
    tried: int = 0
    doubt: str = ""

    @property
    def name(self) -> str:
        """As people call it."""
        return _name(self.section)


@dataclass
class Trial(Session):
    """A session that keeps what it makes in `scratch`, a folder that goes away, and records nothing."""

    scratch: Path = Path()

    @property
    def folder(self) -> Path:
        """`scratch`, in place of outputs/PROFILE."""
        return self.scratch


def beside(places: list[Path]) -> tuple[Path | None, Preprocess, list[str]]:
    """The first file of FILES in these folders that says a preprocessing, what it says, and why others were not taken, each in words."""
    refused = []
    for path in dict.fromkeys(place / name for place in places for name in FILES):
        if path.is_file():
            try:
                return path, preprocessor_files.read(path), refused
            except ConfigError as error:
                refused.append(f"{error}")
    return None, Preprocess(), refused


def of(model: Path, spec: ModelSpec, file: Path | None) -> Guess:
    """The guess without looking at any image. file: what `beside` found."""
    if file is not None:
        for more in ({}, {"size": list(spec.size)}):
            section = {"file": str(file)} | more
            try:
                preprocess.resolve(Preprocess(**section), spec, Path)
                return Guess(section, f"{file.name} says so", sure=not more)
            except ConfigError as error:
                refused = str(error)
    named = _of_model(model, spec)
    return named if file is None else replace(named, because=f"{named.because} ({file.name} does not fit: {refused})")


def _of_model(model: Path, spec: ModelSpec) -> Guess:
    if spec.dtype == "uint8":
        return Guess({"preset": "none"}, "the model takes bytes, which go in as they are", sure=True)
    if inside := _inside(model, spec):
        return Guess({"preset": "none"}, f"the model does arithmetic on the pixels itself: {', '.join(inside)}")
    if spec.channels != 3:
        return Guess(ONE, "the input is gray, and pixels from 0 to 1 are usual")
    if spec.layout == "NCHW":
        return Guess({"preset": "imagenet"}, "channels come first, as in PyTorch, whose models mostly take this")
    return Guess({"preset": "tf"}, "channels come last, as in Keras, whose files do not say it; tf (-1 to 1) is one of its modes")


def _inside(model: Path, spec: ModelSpec) -> list[str]:
    """Names of what seems to preprocess images inside the model, nothing for a SavedModel."""
    if model.is_dir():
        return []
    if model.suffix.lower() != ".onnx":
        return keras_file.inside(model)
    tensor, nodes = spec.input, list(onnx_graph.load(model).graph.node)
    while True:
        takes = [node for node in nodes if tensor in node.input]
        if len(takes) != 1 or takes[0].op_type not in (*UNCHANGED, *ARITHMETIC):
            return []
        if takes[0].op_type in ARITHMETIC:
            return [f"{takes[0].op_type} '{takes[0].name or takes[0].output[0]}'"]
        tensor = takes[0].output[0]


def tried(first: Guess, profile: Profile, spec: ModelSpec) -> Guess:
    """The guess that is right most often among `first`, all presets and 0 to 1, on up to MOST labelled test images; `first` if none is
    more often. profile: names model and images by absolute paths. What is made on the way is not kept.

    `first` where the reference does not run here. Raises DatasetError where no image can be read.
    """
    candidates = {_name(section): section for section in (first.section, *({"preset": name} for name in PRESETS), ONE)}
    resolved = dict(_resolved(candidates, spec))
    with tempfile.TemporaryDirectory() as scratch:
        samples = {str(rules.fitting): _sample(profile, spec, rules, Path(scratch)) for rules in resolved.values()}
        labels = next(iter(samples.values()))[1]
        progress.say(f"preprocessing: {len(resolved)} ways tried on {len(labels)} test images")
        session = Trial(profile, "new", scratch=Path(scratch))
        right: dict[str, np.ndarray] = {}
        try:
            with RUNNERS[profile.reference.runner](session, profile.reference) as reference:
                for name, session.rules in resolved.items():
                    right[name] = _right(reference, *samples[str(session.rules.fitting)])
        except Exception as error:  # whatever a library says against the model; the report says it again, and a guess is no reason to stop
            return replace(first, doubt=f"not tried on images: {tensors.first_line(error)}")
    return _best(first, candidates, right, np.bincount(labels, minlength=spec.classes))


def _right(reference: Runner, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which images the reference has right, bool (n,); none where the numbers that it gets make it answer with none."""
    try:
        return predictions.run(reference, images).argmax(1) == labels
    except WrongOutput:
        return np.zeros(len(labels), bool)


def _resolved(candidates: Mapping[str, dict[str, Any]], spec: ModelSpec) -> Iterator[tuple[str, Rules]]:
    """The rules of each candidate, without those that the model cannot take."""
    for name, section in candidates.items():
        try:
            yield name, preprocess.resolve(Preprocess(**section), spec, Path)
        except ConfigError:
            continue


def _sample(profile: Profile, spec: ModelSpec, rules: Rules, scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    """Up to MOST labelled test images, uint8 of the model's size, and their labels, int64. Broken files are passed over."""
    if profile.dataset.npz:
        whole = dataset.load(profile, spec, rules, scratch / "images")
        return whole.x_test[:MOST], whole.y_test[:MOST]
    found = folder.scan(profile.dataset, profile.path, spec.classes)
    labels = [entry.label for entry in found.test]
    order = part.interleaved(labels, np.random.default_rng(0).random(len(labels)))[:MOST]
    images, kept = [], []
    for index in order:
        try:
            images.append(preprocess.fit(decode.image(found.root / found.test[index].path), rules, spec.channels))
            kept.append(labels[index])
        except (ValueError, DatasetError):
            continue
    if not images:
        raise DatasetError(f"{found.shown}/test: none of {len(order)} files is a whole image; see that they are PNG, JPEG or the like")
    return np.stack(images), np.array(kept, np.int64)


def _best(first: Guess, candidates: Mapping[str, dict[str, Any]], right: Mapping[str, np.ndarray], counts: np.ndarray) -> Guess:
    """The best of what was tried. counts: images of each class among them."""
    correct = {name: int(hits.sum()) for name, hits in right.items()}
    best = max(correct, key=lambda name: (correct[name], name == first.name))
    total, doubt = int(counts.sum()), ""
    close = [name for name in correct if name != best and stats.paired(*_alone(right[best], right[name]), total).high >= 0]
    if stats.at_chance(correct[best], total, stats.chance_level(counts.tolist())):
        doubt = NO_BETTER
    elif close:
        doubt = f"so few images do not tell it from {', '.join(close)}"
    because = first.because if best == first.name else f"right most often of what was tried; without images: {first.name}, {first.because}"
    return Guess(candidates[best], because, False, dict(sorted(correct.items(), key=lambda item: -item[1])), total, doubt)


def _alone(best: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """Images that only the one and only the other has right."""
    return int((best & ~other).sum()), int((other & ~best).sum())


def _name(section: Mapping[str, Any]) -> str:
    return section.get("preset") or ("0 to 1" if section == ONE else section["file"])
