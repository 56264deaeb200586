"""Trains the classifier: augmentation, learning-rate schedule, checkpoints that a killed run goes on from."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib import models, progress
from lib.data import dataset as datasets
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.models import vgg as model
from lib.store import files
from lib.store.artifacts import Artifact, Store

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

CHECKPOINT = "checkpoint.keras"
HISTORY = "history.json"


class Diverged(ReportError):
    """The training diverged: its loss became infinite or no number. epoch: in which (from 1), of epochs."""

    def __init__(self, epoch: int, epochs: int, peak_learning_rate: float) -> None:
        super().__init__(
            f"training diverged in epoch {epoch} of {epochs}: the loss is no number; "
            f"lower train.peak_learning_rate ({peak_learning_rate:g}), or train.momentum and train.weight_decay"
        )
        self.epoch, self.epochs = epoch, epochs


def trained(settings: config.Train, images: datasets.Images, store: Store) -> Artifact:
    """The classifier of these settings and images, trained now unless it is stored.

    Payload: `model.keras` and `history.json`, see `history`. Raises Diverged where the training does.
    """
    inputs = {"version": model.VERSION, "train": settings.model_dump(exclude={"minimum_accuracy"}), "dataset": images.sha256}
    work = store.work("model", inputs)
    return store.get_or_build("model", inputs, lambda folder: train(settings, images, folder, work))


def train(settings: config.Train, images: datasets.Images, folder: Path, work: Path) -> dict[str, Any]:
    """Train and write the model into `folder`; `work` keeps a checkpoint an epoch, from which a killed run goes on. Returns what the
    manifest says of it: parameters, seconds, versions. Raises Diverged as soon as a loss is no number."""
    keras, tf = models.keras(), models.tensorflow()
    keras.utils.set_random_seed(settings.seed)
    x_train, y_train, x_val, y_val = split(settings, images)
    steps = len(x_train) // settings.batch_size
    network, history = _resume(settings, len(images.class_names), steps, work)
    for epoch in range(len(history), settings.epochs):
        batches = epoch_of(settings, x_train, y_train, epoch, len(images.class_names))
        validation = tf.data.Dataset.from_tensor_slices((x_val, y_val)).batch(500).map(_as_pair(len(images.class_names)))
        history.append(_one_epoch(network, batches, validation, epoch, settings, steps))
        _checkpoint(network, history, work)
    network.save(folder / model.FILE)
    (folder / HISTORY).write_text(json.dumps(history, indent=1, allow_nan=False))
    return {
        "parameters": int(network.count_params()),
        "seconds": round(sum(epoch["seconds"] for epoch in history), 1),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def history(artifact: Artifact) -> list[dict[str, float]]:
    """One entry an epoch of a `trained` artifact: loss, accuracy, val_loss, val_accuracy, learning_rate, seconds.

    Raises Diverged for one that an earlier version stored with a loss that is no number.
    """
    entries = json.loads(artifact.file(HISTORY).read_text(encoding="utf-8"))
    for number, entry in enumerate(entries, 1):
        if not all(map(math.isfinite, entry.values())):
            raise Diverged(number, len(entries), artifact.inputs["train"]["peak_learning_rate"])
    return entries


def split(settings: config.Train, images: datasets.Images) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(x_train, y_train, x_val, y_val): the last `validation_images` training images are held out for the curves."""
    held = settings.validation_images
    return images.x_train[:-held], images.y_train[:-held], images.x_train[-held:], images.y_train[-held:]


def epoch_of(settings: config.Train, x: np.ndarray, y: np.ndarray, epoch: int, classes: int) -> tf.data.Dataset:
    """The batches of one epoch, shuffled and augmented (random crop of the reflected border, horizontal flip), by seed and epoch only.

    x: uint8 (N, 32, 32, 3), y: int64 (N,) -> float32 (batch, 32, 32, 3) from 0 to 1 and one-hot (batch, classes).
    """
    tf = models.tensorflow()
    pad = settings.crop_padding

    def augment(index: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
        seed = tf.stack([tf.constant(settings.seed, tf.int64), index])
        if pad:
            image = tf.pad(image, [[pad, pad], [pad, pad], [0, 0]], "REFLECT")
            image = tf.image.stateless_random_crop(image, model.SPEC.image_shape, seed)
        return tf.image.stateless_random_flip_left_right(image, seed) if settings.horizontal_flip else image

    order = np.random.default_rng([settings.seed, epoch]).permutation(len(x))
    data = tf.data.Dataset.from_tensor_slices((x[order], y[order])).enumerate(epoch * len(x))
    data = data.map(lambda i, pair: (augment(i, pair[0]), pair[1]), num_parallel_calls=tf.data.AUTOTUNE)
    return data.batch(settings.batch_size, drop_remainder=True).map(_as_pair(classes)).prefetch(4)


def _as_pair(classes: int) -> Any:
    tf = models.tensorflow()
    return lambda image, label: (tf.cast(image, tf.float32) / 255.0, tf.one_hot(label, classes))


def compiled(settings: config.Train, classes: int, steps: int) -> keras.Model:
    """The untrained network with its optimizer: SGD with Nesterov momentum, linear warm-up, then a cosine to zero
    (one cycle, after Smith & Topin, 2018), decoupled weight decay on kernels only, label smoothing."""
    keras = models.keras()
    total = steps * settings.epochs
    warmup = max(1, round(settings.warmup_fraction * total))
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.peak_learning_rate / 25, max(1, total - warmup), warmup_target=settings.peak_learning_rate, warmup_steps=warmup
    )
    network = model.build(settings, classes)
    optimizer = keras.optimizers.SGD(
        schedule, momentum=settings.momentum, nesterov=settings.momentum > 0, weight_decay=settings.weight_decay or None
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
    network.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    return network


def _resume(settings: config.Train, classes: int, steps: int, work: Path) -> tuple[keras.Model, list[dict[str, float]]]:
    """The network and its history after the last epoch that was finished, or untrained and empty."""
    network = compiled(settings, classes, steps)
    checkpoints = sorted(work.glob(f"*-{CHECKPOINT}"))
    if not checkpoints:
        return network, []
    restored = models.keras().models.load_model(checkpoints[-1])
    network.set_weights(restored.get_weights())
    network.optimizer.build(network.trainable_variables)
    for mine, stored in zip(network.optimizer.variables, restored.optimizer.variables, strict=True):
        mine.assign(stored)
    history = json.loads((work / HISTORY).read_text())[: int(checkpoints[-1].name.split("-")[0])]
    progress.say(f"going on after epoch {len(history)} of {settings.epochs}")
    return network, history


def _checkpoint(network: keras.Model, history: list[dict[str, float]], work: Path) -> None:
    """Keep the network after this epoch; the checkpoint's name appears last, so it is whole and has its history."""
    with files.writable(work):
        work.mkdir(parents=True, exist_ok=True)
        files.write_text(work / HISTORY, json.dumps(history))
        temporary = work / "saving.keras"  # one process trains at a time; it replaces what one that was killed has left
        try:
            network.save(temporary)
            temporary.rename(work / f"{len(history):04d}-{CHECKPOINT}")
        finally:
            temporary.unlink(missing_ok=True)
        for old in sorted(work.glob(f"*-{CHECKPOINT}"))[:-1]:
            old.unlink()


def _one_epoch(network: keras.Model, batches: Any, validation: Any, epoch: int, settings: config.Train, steps: int) -> dict[str, float]:
    """Train one epoch with a progress bar of its batches; returns its entry of the history. Raises Diverged."""

    def check(values: Iterable[float]) -> None:
        if not all(map(math.isfinite, values)):
            raise Diverged(epoch + 1, settings.epochs, settings.peak_learning_rate)

    def after_batch(batch: int, logs: dict[str, float]) -> None:
        check(logs.values())  # at once: the rest of the training would be spent on weights that are no numbers
        bar.update(1, **logs)

    started = time.perf_counter()
    with progress.bar(total=steps, what=f"epoch {epoch + 1}/{settings.epochs}") as bar:
        step = models.keras().callbacks.LambdaCallback(on_train_batch_end=after_batch)
        log = network.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[step], validation_data=validation).history
    entry = {name: float(values[-1]) for name, values in log.items()}
    check(entry.values())
    entry["learning_rate"] = float(network.optimizer.learning_rate)
    return entry | {"seconds": time.perf_counter() - started}
