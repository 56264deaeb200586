"""What each runner answers on every test image, stored, so that every comparison reads the same answers."""

from __future__ import annotations

import importlib.metadata
import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib import progress
from lib.data import dataset as datasets
from lib.errors import ArtifactError, NotMeasured, ReportError
from lib.experiment import candidate as pairs
from lib.experiment import system
from lib.experiment.candidate import Pair
from lib.store import artifacts
from lib.store.artifacts import Artifact
from lib.text import Text

if TYPE_CHECKING:
    from lib.runners.base import Runner
    from lib.store.session import Session

VERSION = 1  # of how predictions are made; a change makes the stored ones stale
BATCH = 100  # images a call, fewer where an engine takes fewer; the last call takes what is left
KIND = "predictions"
FILE = "probabilities.npy"
TRAINING = ("tensorflow", "keras", "tf2onnx")  # what a system may lack that compares with answers brought from another
# Whose version changes the numbers a runner gives; a runner that is not named here answers for every library.
LIBRARIES = {
    "savedmodel": ("tensorflow",),
    "tflite": ("tensorflow",),
    "onnxrt": ("onnxruntime",),
    "onnxrt_cuda": ("onnxruntime-gpu",),
    "tensorrt": ("tensorrt", "tensorrt-rtx-cu13-libs"),
    "cpp": ("tensorrt", "tensorrt-rtx-cu13-libs"),
}


def of(session: Session, runner: str, precision: str) -> np.ndarray:
    """Probabilities of all test images, float32 (N, classes), in the test set's order.

    Computed now unless they are stored. Raises NotMeasured where this system cannot run it, ReportError where
    the runner answers another shape or something that is no number.
    """
    return read(artifact(session, runner, precision))


def artifact(session: Session, runner: str, precision: str) -> Artifact:
    """The artifact that holds `of`: payload `probabilities.npy`, info: which system and libraries answered.

    Keyed on the model file, the dataset, runner, precision, the version of the runtime library and, but for the
    reference, the system. The reference is what is stored where this system cannot run it.
    """
    from lib.runners import RUNNERS

    made = RUNNERS[runner]
    if reason := made.unavailable(precision):
        stored = stored_reference(session) if (runner, precision) == pairs.REFERENCE else None
        if stored is None:
            raise NotMeasured(reason.en)
        return stored
    one = made(session, precision)
    inputs = {
        **_what(session, one),
        "libraries": _libraries(runner) | made.versions(),
        # The reference may come from another system; every other answer is this system's own, even with shared outputs.
        "system": "" if (runner, precision) == pairs.REFERENCE else system.system_id(),
    }
    return session.store.get_or_build(KIND, inputs, lambda folder: _build(session, one, folder))


def stored_reference(session: Session) -> Artifact | None:
    """The newest stored answers of the reference to this model and dataset, with whatever version of its library; or None.

    What a system without TensorFlow compares with: the answers came here with the artifacts. Raises ArtifactError for
    a manifest that is unreadable and for answers that were altered.
    """
    from lib.runners import RUNNERS

    runner, precision = pairs.REFERENCE
    try:
        wanted = _what(session, RUNNERS[runner](session, precision))
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in TRAINING:
            raise
        return None  # the model itself is not stored either, and cannot be trained here
    found = []
    for folder in sorted((session.store.root / KIND).glob("[!.]*")):
        manifest = artifacts.read_manifest(folder)
        if manifest["inputs"].items() >= wanted.items():
            found.append((manifest.get("built_at", ""), folder))
    return artifacts.load(max(found)[1]) if found else None


def with_reference(session: Session, every: list[Pair]) -> list[Pair]:
    """The same pairs; where this system cannot run the reference but has its answers, that pair's `origin` says whose they are."""
    lacks = [pair.reason is not None and (pair.runner, pair.precision) == pairs.REFERENCE for pair in every]
    return [replace(pair, origin=_origin(session, pair)) if lacking else pair for pair, lacking in zip(every, lacks, strict=True)]


def read(stored: Artifact) -> np.ndarray:
    """The probabilities of a stored artifact, float32 (N, classes). Raises ArtifactError for anything else."""
    path = stored.file(FILE)
    try:
        values = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"{path}: no predictions ({error}); remove {path.parent.parent} to have them made again") from None
    if values.dtype != np.float32 or values.ndim != 2:
        raise ArtifactError(f"{path}: must be float32 (N, classes), got {values.dtype} {values.shape}; remove {path.parent.parent}")
    return values


def run(runner: Runner, images: np.ndarray, batch: int = BATCH) -> np.ndarray:
    """Answers of an entered runner to uint8 images (N, 32, 32, 3), `batch` at a time, the last call with the rest.

    A runner that splits images into batches itself gets all of them in one call.
    Returns float32 (N, classes). Raises ReportError, naming runner and images, for an answer of another shape or
    type, or one that is not finite.
    """
    batch = _images_a_call(runner, batch, len(images))
    parts = []
    with progress.bar(len(images), f"{runner.name}/{runner.precision} on the test images") as bar:
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            parts.append(_checked(runner, runner.infer(datasets.to_input(part)), start, len(part)))
            bar.update(len(part))
    return np.concatenate(parts)


def _build(session: Session, one: Runner, folder: Path) -> dict[str, Any]:
    with one as entered:
        values = run(entered, session.images.x_test)
    classes = len(session.images.class_names)
    if values.shape[1] != classes:
        raise ReportError(f"{one.name}/{one.precision}: answers {values.shape[1]} classes, the dataset has {classes}; export it again")
    np.save(folder / FILE, values)
    return {"system_id": system.system_id(), "batch": _images_a_call(one, BATCH, len(values))}


def _images_a_call(runner: Runner, batch: int, images: int) -> int:
    return images if runner.batches_itself else min(batch, runner.max_batch or batch)


def _what(session: Session, one: Runner) -> dict[str, Any]:
    """What is asked of whom: the part of an artifact's inputs that does not depend on the system."""
    asked = {"version": VERSION, "runner": one.name, "precision": one.precision}
    return asked | {"model": one.artifact_sha256, "dataset": session.images.sha256}


def _origin(session: Session, reference: Pair) -> Text | None:
    """Whose answers stand in for the reference's, None where none are stored."""
    stored = stored_reference(session)
    if stored is None or reference.reason is None:
        return None
    giver, why = stored.info["system_id"], reference.reason
    return Text(
        f"The answers of {reference.label.en} come from the system {giver}, not from this one ({why.en}).",
        f"{reference.label.ja}の答えはこのシステムではなく、システム{giver}で得たものである（{why.ja}）。",
    )


def _checked(runner: Runner, answer: np.ndarray, start: int, count: int) -> np.ndarray:
    where = f"{runner.name}/{runner.precision}: images {start} to {start + count - 1}"
    if not isinstance(answer, np.ndarray) or answer.dtype != np.float32 or answer.ndim != 2 or len(answer) != count:
        got = f"{answer.dtype} {answer.shape}" if isinstance(answer, np.ndarray) else type(answer).__name__
        raise ReportError(f"{where}: answered {got} in place of float32 ({count}, classes)")
    if not np.isfinite(answer).all():
        raise ReportError(f"{where}: the answer holds NaN or infinity; the exported model overflows or is damaged")
    return answer.copy()  # a runner may reuse its output buffer


def _libraries(runner: str) -> dict[str, str]:
    found = {}
    for name in LIBRARIES.get(runner, system.LIBRARIES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
