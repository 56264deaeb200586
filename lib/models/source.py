"""Where a profile's model comes from: trained here, or a file of the user's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lib.data import preprocess
from lib.data.preprocess import Rules
from lib.errors import ConfigError
from lib.experiment.spec import ModelSpec
from lib.models import keras_file, onnx_file, onnx_graph, saved_model, train, vgg
from lib.store import files
from lib.store.artifacts import Artifact, Store

if TYPE_CHECKING:
    import keras

    from lib.data.dataset import Images
    from lib.experiment.profile import Model, Profile

READERS: dict[str, ModuleType] = {".onnx": onnx_file, ".keras": keras_file, "": saved_model}  # by the file's suffix
SPEC = "spec.json"
VERSION = 1  # of how a file is taken over; a change makes the copies stale


def spec(profile: Profile, store: Store) -> ModelSpec:
    """What the profile's model is, read from its file once: a system without TensorFlow knows a Keras model by what another has read.

    Raises ConfigError, one line that names file or key, for a model that cannot be used.
    """
    if profile.model is None:
        return vgg.SPEC
    size = preprocess.named_size(profile.preprocess, profile.path)
    path, reader = _file(profile.model, profile.path)
    asked = profile.model.model_dump(exclude={"file"})
    inputs = {"version": VERSION, "sha256": _hashes(path), "size": list(size) if size else None, **asked}

    def read(folder: Path) -> dict[str, Any]:
        found = reader.spec(path, **asked, size=size)
        (folder / SPEC).write_text(json.dumps(asdict(found)), encoding="utf-8")
        return {"file": path.name}

    values = json.loads(store.get_or_build("spec", inputs, read).file(SPEC).read_text(encoding="utf-8"))
    return ModelSpec(**values | {"size": tuple(values["size"])})


def rules(profile: Profile, spec: ModelSpec) -> Rules:
    """How an image becomes the model's input. Raises ConfigError where the profile does not say it, or says what the model cannot take."""
    return vgg.RULES if profile.model is None else preprocess.resolve(profile.preprocess, spec, profile.path)


def artifact(profile: Profile, spec: ModelSpec, images: Callable[[], Images], store: Store) -> Artifact:
    """The model itself: trained now unless it is stored, or the user's file, copied unless it is. images: read only to train on."""
    if profile.model is None:
        assert profile.train is not None  # Profile.one_model
        return train.trained(profile.train, images(), store)
    path, reader = _file(profile.model, profile.path)
    inputs = {"version": VERSION, "sha256": _hashes(path), "output": spec.output, "size": list(spec.size)}
    return store.get_or_build("own_model", inputs, lambda folder: reader.copy(path, folder, spec))


def network(profile: Profile, spec: ModelSpec, artifact: Artifact) -> keras.Model:
    """The Keras model of an `artifact` that holds a .keras file, not compiled. Raises ReportError, one line, where it cannot be loaded."""
    if profile.train is None:
        return keras_file.load(artifact.file(keras_file.FILE))
    return vgg.load(artifact.file(vgg.FILE), profile.train, spec.classes)


def _hashes(path: Path) -> list[str]:
    """Of every file that the model consists of."""
    if path.is_dir():
        return [files.sha256(part) for part in sorted(path.rglob("*")) if part.is_file()]
    outside = onnx_graph.weights_beside(path) if READERS[path.suffix.lower()] is onnx_file else []
    return [files.sha256(part) for part in (path, *outside)]


def _file(model: Model, resolve: Callable[[str], Path]) -> tuple[Path, ModuleType]:
    path = resolve(model.file)
    if not path.exists():
        raise ConfigError(f"key 'model.file': {path}: no such file")
    suffix = "" if path.is_dir() else path.suffix.lower()
    if suffix not in READERS or (suffix == "" and not path.is_dir()):
        raise ConfigError(f"key 'model.file': {path.name}: give an .onnx, a .keras or a SavedModel folder")
    return path, READERS[suffix]
