"""Images and labels of a profile: scikit-learn's digits (no network) and CIFAR-10."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lib.data import cifar10
from lib.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from lib.experiment import profile as config

DIGITS_TEST = 500
DIGITS_SEED = 0
IMAGES = {"digits": (1797 - DIGITS_TEST, DIGITS_TEST), "cifar10": (5 * cifar10.IMAGES_A_BATCH, cifar10.IMAGES_A_BATCH)}  # train, test


@dataclass(frozen=True)
class Images:
    """A dataset in memory. label: what records call it; x_*: uint8 (N, 32, 32, 3), RGB, 0 to 255; y_*: int64 (N,)."""

    label: str
    class_names: tuple[str, ...]
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray

    @cached_property
    def sha256(self) -> str:
        """Hex SHA-256 over every pixel and label."""
        return cifar10.fingerprint((self.x_train, self.y_train, self.x_test, self.y_test))


def check(profile: config.Profile) -> None:
    """Raise ConfigError where a profile asks for more images than its dataset has, or names a folder without it. Decodes none."""
    train, test = IMAGES[profile.dataset.name]
    left = train - profile.train.validation_images
    fifth, rest = f"a fifth of the {train:,} training images", "the training images that validation leaves"
    for key, asked, there, where in (  # every number that would otherwise silently become another one
        ("train.validation_images", profile.train.validation_images, train // 5, fifth),
        ("train.batch_size", profile.train.batch_size, left, rest),
        ("export.calibration_images", profile.export.calibration_images, left, rest),
        ("engines.calibration_images", profile.engines.calibration_images, left, rest),
        ("int8.image_counts", max(profile.int8.image_counts), left, rest),
        ("export.samples", profile.export.samples, test, "all test images"),
        ("engines.min_batch", profile.engines.min_batch, test, "all test images"),
    ):
        if asked > there:
            raise ConfigError(f"profile {profile.name}: key '{key}': {asked} is more than {there}, {where}")
    if profile.dataset.name == "cifar10" and (profile.dataset.folder or os.environ.get("CIFAR10_DIR")):
        try:
            cifar10.find(profile.dataset.folder)
        except DatasetError as error:
            key = "key 'dataset.folder': " if profile.dataset.folder else ""
            raise ConfigError(f"profile {profile.name}: {key}{error}") from None


def load(settings: config.Dataset) -> Images:
    """The dataset a profile names. Raises DatasetError, one line that says what to do."""
    return load_digits() if settings.name == "digits" else Images(*cifar10.load(settings.folder, settings.accept_unknown))


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


def to_input(images: np.ndarray) -> np.ndarray:
    """Model input, float32 (N, 32, 32, 3) from 0 to 1, of uint8 images of the same shape."""
    return images.astype(np.float32) / np.float32(255)


def calibration_subset(x_train: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` model inputs, float32 (count, 32, 32, 3), drawn without repetition from uint8 training images.

    A larger subset of the same seed begins with the smaller one. Takes every training image where there are fewer.
    """
    order = np.random.default_rng(seed).permutation(len(x_train))
    return to_input(x_train[order[:count]])
