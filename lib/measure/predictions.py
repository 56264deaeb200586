"""What each runner answers on every test image, stored, so that every comparison reads the same answers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from lib import progress
from lib.data import dataset
from lib.errors import ArtifactError, NotMeasured, WrongOutput
from lib.experiment import system
from lib.experiment.candidate import Candidate
from lib.runners import RUNNERS
from lib.runners.base import Runner, wrong_output
from lib.session import Session
from lib.store import artifacts
from lib.store.artifacts import Artifact

VERSION = 3  # of how predictions are made; a change makes the stored ones stale
PIXELS = 1 << 21  # of all images of a call: what a network holds between its layers is many times as large
BATCH = 100  # images a call, fewer where an engine takes fewer or they are large; the last call takes what is left
KIND = "predictions"
FILE = "outputs.npy"
MOST_BYTES = 1 << 28  # of model inputs in memory at one time, for what takes any number of them
TRAINING = ("tensorflow", "keras", "tf2onnx")  # what a system may lack that compares with answers brought from another


def of(session: Session, candidate: Candidate) -> np.ndarray:
    """The model's outputs of all test images, float32 (N, classes), in the test set's order, computed now unless they are stored.

    They are as the model gives them; `session.spec.probabilities` makes probabilities of logits. Raises
    NotMeasured where this system cannot run it, ReportError where the answer has another shape or is no number.
    """
    return read(artifact(session, candidate))


def artifact(session: Session, candidate: Candidate) -> Artifact:
    """The artifact that holds `of`: payload `outputs.npy`, info: which system answered (`system_id`).

    Keyed on model file, dataset, candidate, library versions and, but for the reference, the system. The reference is what is stored where
    this system cannot run it.
    """
    made = RUNNERS[candidate.runner]
    if reason := made.unavailable(candidate.precision):
        if candidate == session.profile.reference and (stored := stored_reference(session)):
            return stored
        raise NotMeasured(reason)
    one = made(session, candidate)
    inputs = {
        **_what(session, one),
        "libraries": system.versions(made.libraries) | made.versions(),
        # The reference may come from another system; every other answer is this system's own, even with shared outputs.
        "system": "" if candidate == session.profile.reference else system.system_id(),
    }
    return session.store.get_or_build(KIND, inputs, lambda folder: _build(session, one, folder))


def by(session: Session, one: Runner, inputs: dict[str, Any]) -> Artifact:
    """The answers of a runner of an engine that is not this environment's own; inputs: what decides on them, `model` too."""
    about = _what(session, one) | {"libraries": one.versions(), "system": system.system_id()}
    return session.store.get_or_build(KIND, about | inputs, lambda folder: _build(session, one, folder))


def stored_reference(session: Session) -> Artifact | None:
    """The newest stored answers of the reference to this model and dataset, with whatever version of its library; or None.

    What a system without TensorFlow compares with. Raises ArtifactError for an unreadable manifest and for altered answers.
    """
    try:
        reference = session.profile.reference
        wanted = _what(session, RUNNERS[reference.runner](session, reference))
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


def origin(session: Session) -> str:
    """Which system gave the reference's answers (a system_id), for they may have been brought here. Raises as `artifact` does."""
    return artifact(session, session.profile.reference).info["system_id"]


def read(stored: Artifact) -> np.ndarray:
    """The outputs of a stored artifact, float32 (N, classes). Raises ArtifactError for anything else."""
    path = stored.file(FILE)
    try:
        values = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"{path}: no predictions ({error}); remove {path.parent.parent} to have them made again") from None
    if values.dtype != np.float32 or values.ndim != 2:
        raise ArtifactError(f"{path}: must be float32 (N, classes), got {values.dtype} {values.shape}; remove {path.parent.parent}")
    return values


def run(runner: Runner, images: np.ndarray, batch: int | None = None) -> np.ndarray:
    """Answers of an open runner to uint8 images (N, height, width, channels), float32 (N, classes): `images_a_call`, the last
    call with the rest.

    Where an engine takes no batch as small as the rest, images are repeated to fill it and their second answers dropped. Raises
    WrongOutput, naming runner and images, for answers that are wrong (`wrong_output`).
    """
    session, batch = runner.session, images_a_call(runner, batch, len(images))
    parts = []
    with progress.bar(len(images), f"{runner.candidate.key} on the test images") as bar:
        for start in range(0, len(images), batch):
            part = images[start : start + batch]
            filled = part[np.arange(max(len(part), runner.min_batch)) % len(part)]
            answer = runner.infer(session.to_input(filled))
            if problem := wrong_output(answer, len(filled), session.spec):
                raise WrongOutput(f"{runner.candidate.key}: images {start} to {start + len(part) - 1}: {problem}")
            parts.append(answer[: len(part)].copy())  # a runner may reuse its output buffer
            dataset.let_go(images)
            bar.update(len(part))
    return np.concatenate(parts)


def images_a_call(runner: Runner, batch: int | None, images: int) -> int:
    """How many of `images` a runner is given at a time where `batch` are wanted (None: BATCH): no fewer and no more than it takes."""
    spec = runner.session.spec
    batch = batch or spec.at_once(BATCH, PIXELS)
    if runner.batches_itself:
        return min(images, max(1, MOST_BYTES // spec.row_bytes))
    return max(min(batch, runner.max_batch or batch), runner.min_batch)


def _build(session: Session, one: Runner, folder: Path) -> dict[str, Any]:
    with one as entered:
        values = run(entered, session.images.x_test)
    np.save(folder / FILE, values)
    return {"system_id": system.system_id(), "batch": images_a_call(one, None, len(values)), **one.told()}


def _what(session: Session, one: Runner) -> dict[str, Any]:
    """What is asked of whom: the part of an artifact's inputs that does not depend on the system."""
    return {"version": VERSION, "candidate": one.candidate.key, "model": one.artifact_sha256, "dataset": session.images.sha256}
