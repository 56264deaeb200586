"""The trained model in the formats it is deployed in: SavedModel, ONNX (FP32, FP16, explicit INT8), TFLite, and test samples.

Each is an artifact: built once from the trained model, checked, then reused. What a variant needs is built before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lib.data import dataset as datasets
from lib.errors import ReportError
from lib.models import train as training
from lib.models import vgg as model

if TYPE_CHECKING:
    import numpy as np

    from lib.store.artifacts import Artifact
    from lib.store.session import Session

VERSION = 3  # of the exporters; a change makes old artifacts stale
SAVED_MODEL, ONNX_FILE, TFLITE_FILE = "saved_model", "model.onnx", "model.tflite"
TFLITE_VARIANTS = ("fp32", "fp16", "int8")
# Method of the exported INT8 model. Of the three it keeps the probabilities closest to FP32's on CIFAR-10's validation
# images, which neither trained nor calibrated it; notebook 04 compares them on the test images.
CALIBRATION = "percentile"


def saved_model(session: Session) -> Artifact:
    """The model as TensorFlow's SavedModel; payload `saved_model/`, each variable once. See lib.export.saved.build."""
    from lib.export import saved

    source = training.trained(session)
    inputs = {"version": VERSION, "model": source.sha256}
    return session.store.get_or_build("saved_model", inputs, lambda folder: saved.build(model.load_keras(source), folder / SAVED_MODEL))


def onnx(session: Session, variant: str) -> Artifact:
    """The model as ONNX; payload `model.onnx` (`int8_qdq` also has `calibration.json`).

    variant: one of ONNX_VARIANTS, as rows of PRECISIONS name it. In each: input `images` float32 (batch, 32, 32, 3), output
    `probabilities` float32 (batch, classes), batch dynamic, opset of the profile.
    Raises ReportError if the conversion or a structural check fails.
    """
    _known(variant, ONNX_VARIANTS)
    return _ONNX[variant](session)


def tflite(session: Session, variant: str) -> Artifact:
    """The model as TFLite; payload `model.tflite`, input and output float32 with a dynamic batch.

    variant: "fp32", "fp16" (weights in FP16) or "int8" (integer arithmetic, calibrated on training images).
    Raises ReportError if the conversion or a structural check fails.
    """
    from lib.export import lite

    _known(variant, TFLITE_VARIANTS)
    source, inputs, images = training.trained(session), {"version": VERSION, "variant": variant}, None
    inputs["model"] = source.sha256
    if variant == "int8":
        inputs |= _calibration_inputs(session)
        images = calibration_images(session)
    return session.store.get_or_build(
        "tflite", inputs, lambda folder: lite.build(saved_model(session).file(SAVED_MODEL), variant, images, folder / TFLITE_FILE)
    )


def samples(session: Session) -> Artifact:
    """The first `export.samples` test images for runners outside Python: test_samples.npy/.csv, test_labels.npy/.csv."""
    from lib.export import sample_files

    count = min(session.profile.export.samples, len(session.images.x_test))
    inputs = {"version": VERSION, "samples": count, "dataset": session.images.sha256}
    x, y = datasets.to_input(session.images.x_test[:count]), session.images.y_test[:count]
    return session.store.get_or_build("samples", inputs, lambda folder: sample_files.write(x, y, folder))


def calibration_images(session: Session) -> np.ndarray:
    """The training images that the exported INT8 models are calibrated on, float32 (n, 32, 32, 3) from 0 to 1."""
    x_train, *_ = training.split(session.profile.train, session.images)  # not the validation images
    return datasets.calibration_subset(x_train, session.profile.export.calibration_images, session.profile.train.seed)


def _onnx_fp32(session: Session) -> Artifact:
    from lib.export import tf_onnx

    source, opset = training.trained(session), session.profile.export.opset
    inputs = {"version": VERSION, "variant": "fp32", "opset": opset, "model": source.sha256}
    return session.store.get_or_build(
        "onnx", inputs, lambda folder: tf_onnx.build(saved_model(session).file(SAVED_MODEL), opset, folder / ONNX_FILE)
    )


def _onnx_fp16(session: Session) -> Artifact:
    from lib.export import half

    source = onnx(session, "fp32")
    inputs = {"version": VERSION, "variant": "fp16", "onnx": source.sha256}
    return session.store.get_or_build("onnx", inputs, lambda folder: half.build(source.file(ONNX_FILE), folder / ONNX_FILE))


def _onnx_int8(session: Session) -> Artifact:
    from lib.export import quantize

    source, percentile = onnx(session, "fp32"), session.profile.int8.percentile
    inputs = {"version": VERSION, "variant": "int8_qdq", "onnx": source.sha256, **_calibration_inputs(session)}
    inputs |= {"method": CALIBRATION, "percentile": percentile, "rules": quantize.VERSION}
    return session.store.get_or_build(
        "onnx", inputs, lambda folder: quantize.build(source.file(ONNX_FILE), calibration_images(session), CALIBRATION, percentile, folder)
    )


def _calibration_inputs(session: Session) -> dict[str, object]:
    """What decides which images calibrate."""
    settings = session.profile
    return {
        "images": settings.export.calibration_images,
        "held_out": settings.train.validation_images,
        "seed": settings.train.seed,
        "dataset": session.images.sha256,
    }


def _known(variant: str, variants: tuple[str, ...]) -> None:
    if variant not in variants:
        raise ReportError(f"no export variant '{variant}'; there are {', '.join(variants)}")


_ONNX = {"fp32": _onnx_fp32, "fp16": _onnx_fp16, "int8_qdq": _onnx_int8}
ONNX_VARIANTS = tuple(_ONNX)
