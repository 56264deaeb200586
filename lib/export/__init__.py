"""The trained model in the formats it is deployed in: SavedModel, ONNX (FP32, FP16, explicit INT8), TFLite, and test samples.

Each is an artifact: built once from the trained model, checked, then reused. What a variant needs is built before it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.data import dataset as datasets
from lib.errors import ReportError
from lib.experiment import system
from lib.export import lite, quantize, sample_files, saved, tf_onnx
from lib.models import train as training
from lib.models import vgg as model
from lib.store.artifacts import Artifact
from lib.store.session import Session

if TYPE_CHECKING:
    import numpy as np

VERSION = 3  # of the exporters; a change makes old artifacts stale
SAVED_MODEL, ONNX_FILE, TFLITE_FILE = "saved_model", "model.onnx", "model.tflite"
ONNX_VARIANTS, TFLITE_VARIANTS = ("fp32", "fp16", "int8_qdq"), ("fp32", "fp16", "int8")
# Method of the exported INT8 model. Of the three it keeps the probabilities closest to FP32's on CIFAR-10's validation
# images, which neither trained nor calibrated it; notebook 04 compares them on the test images.
CALIBRATION = "percentile"


def saved_model(session: Session) -> Artifact:
    """The model as TensorFlow's SavedModel; payload `saved_model/`, each variable once. See lib.export.saved.build."""
    source = training.trained(session)
    inputs = {"model": source.sha256}
    return _stored(session, "saved_model", inputs, lambda folder: saved.build(model.load_keras(source), folder / SAVED_MODEL))


def onnx(session: Session, variant: str) -> Artifact:
    """The model as ONNX; payload `model.onnx` (`int8_qdq` also has `calibration.json`).

    variant: one of ONNX_VARIANTS, as rows of PRECISIONS name it. In each: input `images` float32 (batch, 32, 32, 3), output
    `probabilities` float32 (batch, classes), batch dynamic, opset of the profile.
    Raises ReportError if the conversion or a structural check fails.
    """
    _known(variant, ONNX_VARIANTS)
    inputs: dict[str, Any] = {"variant": variant}
    if variant == "fp32":
        opset = session.profile.export.opset
        inputs |= {"opset": opset, "model": training.trained(session).sha256}
        return _stored(
            session, "onnx", inputs, lambda folder: tf_onnx.build(saved_model(session).file(SAVED_MODEL), opset, folder / ONNX_FILE)
        )
    full = onnx(session, "fp32")
    inputs["onnx"] = full.sha256
    if variant == "fp16":
        return _stored(session, "onnx", inputs, lambda folder: quantize.half(full.file(ONNX_FILE), folder / ONNX_FILE))
    percentile = session.profile.int8.percentile
    inputs |= {"method": CALIBRATION, "percentile": percentile, "rules": quantize.VERSION, **_calibration_inputs(session)}
    return _stored(
        session, "onnx", inputs, lambda at: quantize.build(full.file(ONNX_FILE), calibration_images(session), CALIBRATION, percentile, at)
    )


def tflite(session: Session, variant: str) -> Artifact:
    """The model as TFLite; payload `model.tflite`, input and output float32 with a dynamic batch.

    variant: "fp32", "fp16" (weights in FP16) or "int8" (integer arithmetic, calibrated on training images).
    Raises ReportError if the conversion or a structural check fails.
    """
    _known(variant, TFLITE_VARIANTS)
    inputs, images = {"variant": variant, "model": training.trained(session).sha256}, None
    if variant == "int8":
        inputs |= _calibration_inputs(session)
        images = calibration_images(session)
    return _stored(
        session, "tflite", inputs, lambda folder: lite.build(saved_model(session).file(SAVED_MODEL), variant, images, folder / TFLITE_FILE)
    )


def samples(session: Session) -> Artifact:
    """The first `export.samples` test images for runners outside Python: test_samples.npy/.csv, test_labels.npy/.csv."""
    count = min(session.profile.export.samples, len(session.images.x_test))
    x, y = datasets.to_input(session.images.x_test[:count]), session.images.y_test[:count]
    inputs = {"samples": count, "dataset": session.images.sha256}
    return _stored(session, "samples", inputs, lambda folder: sample_files.write(x, y, folder))


def calibration_images(session: Session, count: int | None = None) -> np.ndarray:
    """Training images to calibrate on, float32 (n, 32, 32, 3) from 0 to 1. count: as many as the exported INT8 models take where None."""
    x_train, *_ = training.split(session.profile.train, session.images)  # not the validation images
    return datasets.calibration_subset(x_train, count or session.profile.export.calibration_images, session.profile.train.seed)


def _stored(session: Session, kind: str, inputs: dict[str, Any], build: Callable[[Path], dict[str, Any]]) -> Artifact:
    """The artifact of these inputs, built now unless it is stored; its manifest says with which libraries."""
    libraries = {"libraries": system.describe()["libraries"]}
    return session.store.get_or_build(kind, inputs | {"version": VERSION}, lambda folder: build(folder) | libraries)


def _calibration_inputs(session: Session) -> dict[str, Any]:
    """What decides which images calibrate."""
    export, train = session.profile.export, session.profile.train
    chosen = {"images": export.calibration_images, "held_out": train.validation_images, "seed": train.seed}
    return chosen | {"dataset": session.images.sha256}


def _known(variant: str, variants: tuple[str, ...]) -> None:
    if variant not in variants:
        raise ReportError(f"no export variant '{variant}'; there are {', '.join(variants)}")
