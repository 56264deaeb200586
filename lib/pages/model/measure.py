"""What notebook 01 measures of a user's own model: what it is, what it is given, what it has right, and what would make it better."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np

from lib.data import decode, preprocess
from lib.errors import ConfigError, ReportError
from lib.measure import accuracy, predictions, probe
from lib.pages import classes
from lib.pages.model.exhibits import Facts, LeftOut, Mistake, Mistakes, Preprocessing, Sample, Samples, Statistics
from lib.session import Session
from lib.store import picture
from lib.store.records import Record

SOURCES = {".onnx": "onnx", ".keras": "keras"}  # by the file's suffix; a folder is a SavedModel
OPERATORS = 12  # the most frequent ones that are shown
SAMPLES = 8  # images that are shown
STATISTICS = 1000  # test images that the input's statistics are taken of
AT_ONCE_BYTES = 1 << 26  # of model inputs in memory at one time
TOP = 5
MISTAKES = 10  # pairs of classes that are shown
MATRIX = 20  # classes that a confusion matrix has room for


def measure(session: Session) -> None:
    """Record the images, the model, its preprocessing and input, the reference's accuracy, its mistakes, and the usual mistakes tried.

    Raises ConfigError for a profile that trains its model. Where the reference does not run, its accuracy's reason is recorded.
    """
    if session.profile.model is None:
        raise ConfigError(f"notebook {session.stage} is about a model of your own; profile {session.profile.name} trains one: use 01_train")
    _images(session)
    session.exhibit("facts", facts(session))
    session.exhibit("preprocessing", _preprocessing(session))
    session.exhibit("statistics", statistics(session))
    reference = session.profile.reference
    accuracy.accuracies(session, [reference])
    try:
        outputs = predictions.of(session, reference)
    except ReportError:  # the accuracy's record says why
        session.exhibit("samples", samples(session, None))
        return
    session.exhibit("samples", samples(session, outputs.argmax(axis=1)))
    if session.images.y_test is not None:
        _right_and_wrong(session, outputs, session.images.y_test)
    probe.probe(session)


def _images(session: Session) -> None:
    images = session.images
    for split, x in (("test", images.x_test), ("calibration", images.x_train)):
        session.record(Record("images", "count", len(x), case={"split": split}))
    session.record(Record("left_out", "count", len(images.left_out)))
    session.exhibit("left_out", LeftOut(files=list(images.left_out)))


def facts(session: Session) -> Facts:
    """What the model is, from its spec and its stored copy."""
    assert session.profile.model is not None
    spec, info, path = session.spec, session.model.info, Path(session.profile.model.file)
    operators = info.get("nodes", info.get("layers", {}))
    return Facts(
        source=SOURCES.get(path.suffix.lower(), "saved_model"),
        file=path.name,
        input=spec.input,
        dtype=spec.dtype,
        layout=spec.layout,
        size=list(spec.size),
        channels=spec.channels,
        output=spec.output,
        classes=spec.classes,
        logits=spec.logits,
        batch=spec.batch,
        opset=info.get("opset"),
        parameters=info.get("parameters"),
        operators=dict(list(operators.items())[:OPERATORS]),
        bytes=info["bytes"],
    )


def _preprocessing(session: Session) -> Preprocessing:
    values = dataclasses.asdict(session.rules)
    return Preprocessing(**{key: list(value) if isinstance(value, tuple) else value for key, value in values.items()})


def statistics(session: Session) -> Statistics:
    """Of what the model gets from the first STATISTICS test images, which stand for all, a few in memory at a time."""
    spec, images = session.spec, session.images.x_test[:STATISTICS]
    step = max(1, AT_ONCE_BYTES // (4 * math.prod(spec.row_shape)))
    axes = (0, 1, 2) if spec.layout == "NHWC" else (0, 2, 3)
    total, squares, ends = np.zeros(spec.channels), np.zeros(spec.channels), list[float]()
    for start in range(0, len(images), step):
        values = session.to_input(images[start : start + step]).astype(np.float64)
        total += values.sum(axis=axes)
        squares += (values**2).sum(axis=axes)
        ends += [float(values.min()), float(values.max())]
    count = len(images) * math.prod(spec.size)
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return Statistics(images=len(images), mean=mean.tolist(), std=std.tolist(), low=min(ends), high=max(ends))


def samples(session: Session, taken: np.ndarray | None) -> Samples:
    """The first SAMPLES test images, which are of as many classes as there are. taken: the classes the model gives, int64 (N,)."""
    images, made = session.images, []
    for index, image in enumerate(images.x_test[:SAMPLES]):
        made.append(
            Sample(
                disk=_on_disk(session, images.files[index]) if images.files else None,
                fitted=picture.encode(np.asarray(image)),
                given=picture.encode(given(session, np.asarray(image))),
                truth="" if images.y_test is None else images.class_names[images.y_test[index]],
                taken="" if taken is None else images.class_names[taken[index]],
            )
        )
    return Samples(samples=made)


def _on_disk(session: Session, path: Path) -> str | None:
    """The whole image in its own shape, as any program shows it; None where it is not there any more."""
    from PIL import ImageOps

    try:
        image = ImageOps.exif_transpose(decode.image(path))
        share = picture.LARGEST / max(image.size)
        width, height = (max(1, round(share * side)) for side in image.size)
        way = {"resize": "exact", "crop_pct": 1.0, "resize_size": None, "interpolation": "bilinear", "library": "pillow"}
        return picture.encode(preprocess.fit(image, dataclasses.replace(session.rules, size=(height, width), **way), 3))
    except (OSError, ValueError, ReportError):
        return None


def given(session: Session, image: np.ndarray) -> np.ndarray:
    """The model's input of one image, uint8 (height, width, channels), as a picture of the same shape: its smallest value black, its
    largest white, channel 0 as red, so that channels in another order are seen."""
    values = session.to_input(image[None])[0].astype(np.float64)
    values = values if session.spec.layout == "NHWC" else values.transpose(1, 2, 0)
    low, high = float(values.min()), float(values.max())
    return np.rint((values - low) * (255 / (high - low or 1))).astype(np.uint8)


def _right_and_wrong(session: Session, outputs: np.ndarray, labels: np.ndarray) -> None:
    """Top-5, and which classes are taken for which."""
    predicted, names = outputs.argmax(axis=1), session.images.class_names
    if session.spec.classes > TOP:
        right = int((places(outputs, labels) < TOP).sum())
        stats = {"correct": right, "total": len(labels)}
        session.record(Record("top5", "share", right / len(labels), session.profile.reference, stats=stats))
    session.exhibit("mistakes", mistakes(predicted, labels, names))
    if session.spec.classes <= MATRIX:
        session.exhibit("confusion", classes.counted(predicted, labels, names))


def places(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes stand before the true one, int64 (N,), of outputs (N, classes); of equal ones the first, as in numpy.argmax."""
    own = np.take_along_axis(outputs, labels[:, None], axis=1)
    alike_before = (outputs == own) & (np.arange(outputs.shape[1]) < labels[:, None])
    return (outputs > own).sum(axis=1) + alike_before.sum(axis=1)


def mistakes(predicted: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> Mistakes:
    """The most frequent of them, of two int arrays (N,) of classes."""
    wrong = predicted != labels
    pairs, counts = np.unique(np.stack([labels[wrong], predicted[wrong]]), axis=1, return_counts=True)
    of = np.bincount(labels, minlength=len(names))
    order = np.argsort(-counts, kind="stable")[:MISTAKES]
    found = [(*pairs[:, place].tolist(), int(counts[place])) for place in order]
    return Mistakes(pairs=[Mistake(truth=names[a], taken=names[b], count=n, total=int(of[a])) for a, b, n in found])
