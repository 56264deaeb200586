"""Images and labels of a profile: scikit-learn's digits (no network), CIFAR-10, the user's own folder or file, or random ones."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from lib.data import cifar10, folder, names, npz
from lib.data.images import Images
from lib.data.synthetic import synthetic
from lib.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from lib.data.preprocess import Rules
    from lib.experiment import profile as config
    from lib.experiment.spec import ModelSpec

RANDOM = "random input"  # what records call it where there is no dataset
DIGITS_TEST = 500
DIGITS_SEED = 0
IMAGES = {"digits": (1797 - DIGITS_TEST, DIGITS_TEST), "cifar10": (5 * cifar10.IMAGES_A_BATCH, cifar10.IMAGES_A_BATCH)}  # train, test


def check(profile: config.Profile, spec: ModelSpec) -> None:
    """Raise ConfigError where a profile asks for more images than its dataset has, or names images that are not there. Decodes none."""
    settings = profile.dataset
    if not settings.name:
        if own := own_images(settings):
            own.check(settings, profile.path, spec.classes)
        return
    for key, asked, there, where in _asked(profile, settings.name, profile.train):
        if asked > there:
            raise ConfigError(f"profile {profile.name}: key '{key}': {asked} is more than {there}, {where}")
    if settings.name == "cifar10" and (settings.folder or os.environ.get("CIFAR10_DIR")):
        try:
            cifar10.find(settings.folder)
        except DatasetError as error:
            key = "key 'dataset.folder': " if settings.folder else ""
            raise ConfigError(f"profile {profile.name}: {key}{error}") from None


def _asked(profile: config.Profile, dataset: str, train: config.Train) -> list[tuple[str, int, int, str]]:
    """(key, images asked for, images that there are, which) of every number that would otherwise silently become another one."""
    training, test = IMAGES[dataset]
    left = training - train.validation_images
    fifth, rest = f"a fifth of the {training:,} training images", "the training images that validation leaves"
    return [
        ("train.validation_images", train.validation_images, training // 5, fifth),
        ("train.batch_size", train.batch_size, left, rest),
        ("export.calibration_images", profile.export.calibration_images, left, rest),
        ("engines.calibration_images", profile.engines.calibration_images, left, rest),
        ("int8.image_counts", max(profile.int8.image_counts), left, rest),
        ("export.samples", profile.export.samples, test, "all test images"),
        ("engines.min_batch", profile.engines.min_batch, test, "all test images"),
    ]


def load(profile: config.Profile, spec: ModelSpec, rules: Rules, cache: Path) -> Images:
    """The images of a profile, at the size that its model takes. cache: folder for what is decoded once.

    Raises DatasetError, one line that says what to do.
    """
    settings = profile.dataset
    if settings.name == "digits":
        return load_digits()
    if settings.name == "cifar10":
        return Images(*cifar10.load(settings.folder, bool(settings.accept_unknown)))
    if own := own_images(settings):
        return own.load(settings, profile.path, rules, spec, cache)
    x = synthetic(spec)
    return Images(RANDOM, names.numbered(spec.classes), x[:0], None, x, None)


def own_images(settings: config.Dataset) -> ModuleType | None:
    """What reads the user's own images, None where there are none."""
    return folder if settings.folder else npz if settings.npz else None


def load_digits() -> Images:
    """scikit-learn's digits (1,797 images of 8×8, UCI optical recognition of handwritten digits, test part).

    Scaled to 32×32 by bilinear interpolation and repeated in three channels; 500 images, stratified by class,
    are the test set. Source: sklearn.datasets.load_digits.
    """
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits as sklearn_digits
    from sklearn.model_selection import train_test_split

    images, labels = sklearn_digits(return_X_y=True)
    images = zoom(images.reshape(-1, 8, 8), (1, 4, 4), order=1, grid_mode=True, mode="nearest")
    images = np.repeat(np.rint(images * (255 / 16)).clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels.astype(np.int64), test_size=DIGITS_TEST, stratify=labels, random_state=DIGITS_SEED
    )
    return Images("scikit-learn digits, scaled to 32×32", tuple("0123456789"), x_train, y_train, x_test, y_test)


def let_go(images: np.ndarray) -> None:
    """Give back the memory of what was read of images that lie in a file; it is read again where it is asked for again."""
    mapped = getattr(images, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def drawn(images: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` of these images, drawn without repetition: a larger draw of the same seed begins with the smaller one. All where there are
    fewer."""
    order = np.random.default_rng(seed).permutation(len(images))
    return images[order[:count]]
