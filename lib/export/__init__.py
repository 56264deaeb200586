"""The trained model in the formats it is deployed in: SavedModel, ONNX (FP32, FP16, explicit INT8), TFLite, and test samples.

Each is an artifact: built once from the trained model, checked, then reused. What a variant needs is built before it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib.errors import NotMeasured, ReportError
from lib.experiment import system
from lib.export import lite, quantize, sample_files, saved, tf_onnx
from lib.models import source
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason

if TYPE_CHECKING:
    import numpy as np

VERSION = 3  # of the exporters; a change makes old artifacts stale
SAVED_MODEL, ONNX_FILE, TFLITE_FILE = "saved_model", "model.onnx", "model.tflite"
ONNX_VARIANTS, TFLITE_VARIANTS = ("fp32", "fp16", "int8_qdq"), ("fp32", "fp16", "int8")
# Method of the exported INT8 model. Of the three it keeps the probabilities closest to FP32's on CIFAR-10's validation
# images, which neither trained nor calibrated it; notebook 04 compares them on the test images.
CALIBRATION = "percentile"


def saved_model(session: Session) -> Artifact:
    """The model as TensorFlow's SavedModel; payload `saved_model/`, each variable once. See lib.export.saved.build.

    A model that came as one is itself. Raises ReportError for one that came as ONNX.
    """
    own = session.model
    if own.file(SAVED_MODEL).is_dir():
        return own
    if own.file(ONNX_FILE).is_file():
        raise ReportError("the model comes as ONNX: there is no SavedModel of it")
    return _stored(
        session,
        "saved_model",
        {"model": own.sha256},
        lambda at: saved.build(source.network(session.profile, session.spec, own), session.spec, at / SAVED_MODEL),
    )


def onnx(session: Session, variant: str) -> Artifact:
    """The model as ONNX; payload `model.onnx` (`int8_qdq` also has `calibration.json`).

    variant: one of ONNX_VARIANTS, as rows of PRECISIONS name it. In each input and output as the session's spec says; FP32 of a
    model that came as ONNX is itself, others have the profile's opset.
    Raises ReportError if the conversion or a structural check fails.
    """
    _known(variant, ONNX_VARIANTS)
    inputs: dict[str, Any] = {"variant": variant}
    if variant == "fp32":
        own, opset, spec = session.model, session.profile.export.opset, session.spec
        if own.file(ONNX_FILE).is_file():
            return own
        inputs |= {"opset": opset, "model": own.sha256}
        return _stored(
            session, "onnx", inputs, lambda at: tf_onnx.build(saved_model(session).file(SAVED_MODEL), spec, opset, at / ONNX_FILE)
        )
    full = onnx(session, "fp32")
    inputs["onnx"] = full.sha256
    if variant == "fp16":
        return _stored(session, "onnx", inputs, lambda folder: quantize.half(full.file(ONNX_FILE), session.spec, folder / ONNX_FILE))
    percentile = session.profile.int8.percentile
    inputs |= {"method": CALIBRATION, "percentile": percentile, "rules": quantize.VERSION, **_calibration_inputs(session)}
    return _stored(
        session,
        "onnx",
        inputs,
        lambda at: quantize.build(full.file(ONNX_FILE), session.spec, calibration_images(session), CALIBRATION, percentile, at),
    )


def tflite(session: Session, variant: str) -> Artifact:
    """The model as TFLite; payload `model.tflite`, input and output float32 with a dynamic batch.

    variant: "fp32", "fp16" (weights in FP16) or "int8" (integer arithmetic, calibrated on training images).
    Raises ReportError if the conversion or a structural check fails.
    """
    _known(variant, TFLITE_VARIANTS)
    inputs, images = {"variant": variant, "model": session.model.sha256}, None
    if variant == "int8":
        inputs |= _calibration_inputs(session)
        images = calibration_images(session)
    return _stored(
        session,
        "tflite",
        inputs,
        lambda at: lite.build(saved_model(session).file(SAVED_MODEL), session.spec, variant, images, at / TFLITE_FILE),
    )


def samples(session: Session) -> Artifact:
    """The first `export.samples` test images for runners outside Python: test_samples.npy/.csv, test_labels.npy/.csv."""
    count = min(session.profile.export.samples, len(session.images.x_test))
    x, labels = session.to_input(session.images.x_test[:count]), session.images.y_test
    y = None if labels is None else labels[:count]
    inputs = {"samples": count, "dataset": session.images.sha256}
    return _stored(session, "samples", inputs, lambda folder: sample_files.write(x, y, folder))


def calibration_images(session: Session, count: int | None = None) -> np.ndarray:
    """Model inputs to calibrate on. count: as many as the exported INT8 models take where None. Raises NotMeasured where there are none."""
    found = session.to_input(session.calibration(count or session.profile.export.calibration_images))
    if not len(found):
        raise NotMeasured(Reason("no_calibration_images"))
    return found


def _stored(session: Session, kind: str, inputs: dict[str, Any], build: Callable[[Path], dict[str, Any]]) -> Artifact:
    """The artifact of these inputs, built now unless it is stored; its manifest says with which libraries."""
    libraries = {"libraries": system.describe()["libraries"]}
    return session.store.get_or_build(kind, inputs | {"version": VERSION}, lambda folder: build(folder) | libraries)


def _calibration_inputs(session: Session) -> dict[str, Any]:
    """What decides which images calibrate."""
    return {"images": session.profile.export.calibration_images, **session.calibration_source}


def _known(variant: str, variants: tuple[str, ...]) -> None:
    if variant not in variants:
        raise ReportError(f"no export variant '{variant}'; there are {', '.join(variants)}")
