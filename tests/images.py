"""Small folders of images for tests, made where they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from lib.data.preprocess import Rules
from lib.experiment.spec import ModelSpec

ENDINGS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "BMP": "bmp", "GIF": "gif", "TIFF": "tif"}
CLASSES = ("ネコ ねこ", "犬", "flower pot")  # Japanese, a space, and が in two code points on macOS is tested beside
SIZE = (8, 10)


def pixels(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """uint8 (height, width, 3): a colour of its own and a little noise, which every format and resize leaves recognizable."""
    rng = np.random.default_rng(seed)
    return (rng.integers(16, 224, 3) + rng.integers(0, 16, (*size, 3))).astype(np.uint8)


def picture(path: Path, seed: int = 0, form: str = "PNG", size: tuple[int, int] = SIZE, **options: Any) -> Path:
    """An image file of that format, whatever its name; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed, size)).save(path, form, **options)
    return path


def folder(root: Path, parts: Mapping[str, Mapping[str, int]], form: str = "PNG", size: tuple[int, int] = SIZE) -> Path:
    """`folder(root, {"test": {"cat": 3}})` writes three different images into root/test/cat."""
    seed = 0
    for part, classes in parts.items():
        for name, count in classes.items():
            (root / part / name).mkdir(parents=True)
            for index in range(count):
                picture(root / part / name / f"{index}.{ENDINGS[form]}", seed := seed + 1, form, size)
    return root


def settings(**values: Any) -> SimpleNamespace:
    """A profile's dataset section."""
    return SimpleNamespace(**{"folder": None, "npz": None, "classes": None, "labels": "folders", "skip_broken": False} | values)


def spec(classes: int = 3, size: tuple[int, int] = SIZE, channels: int = 3) -> ModelSpec:
    """Of a model that takes such images."""
    return ModelSpec("images", "float32", "NCHW", size, channels, "logits", classes, logits=True)


def rules(size: tuple[int, int] = SIZE, **values: Any) -> Rules:
    """Of a preprocessing that resizes to `size` and nothing else."""
    fields = {"resize": "exact", "crop_pct": 1.0, "interpolation": "bilinear", "library": "pillow", "scale": 1.0}
    return Rules(**fields | {"size": size, "mean": (0.0,) * 3, "std": (1.0,) * 3, "channels": "RGB"} | values)
