"""Test images and labels as files that a program outside Python reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SAMPLES, LABELS = "test_samples", "test_labels"
PIXELS = 32 * 32 * 3


def write(images: np.ndarray, labels: np.ndarray, folder: Path) -> dict[str, Any]:
    """Write test_samples.npy/.csv and test_labels.npy/.csv into `folder`; returns the manifest's info.

    images: float32 (n, 32, 32, 3) from 0 to 1; labels: int64 (n,). A CSV line of samples is
    `sample_id,pixel_0…pixel_3071` with pixel (row·32 + column)·3 + channel; of labels `sample_id,label`.
    """
    np.save(folder / f"{SAMPLES}.npy", images)
    np.save(folder / f"{LABELS}.npy", labels)
    header = ",".join(["sample_id", *(f"pixel_{p}" for p in range(PIXELS))])
    lines = (",".join([str(n), *map(shortest, image)]) for n, image in enumerate(images.reshape(len(images), PIXELS)))
    (folder / f"{SAMPLES}.csv").write_text("\n".join([header, *lines, ""]), encoding="ascii")
    lines = (f"{n},{label}" for n, label in enumerate(labels))
    (folder / f"{LABELS}.csv").write_text("\n".join(["sample_id,label", *lines, ""]), encoding="ascii")
    return {"samples": len(images), "layout": "NHWC", "dtype": "float32"}


def shortest(value: np.float32) -> str:
    """The shortest decimal text that parses back to the same float32."""
    return str(np.float32(value))
