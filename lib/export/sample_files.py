"""Test images and labels as files that a program outside Python reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def write(images: np.ndarray, labels: np.ndarray, folder: Path) -> dict[str, Any]:
    """Write test_samples.npy/.csv and test_labels.npy/.csv into `folder`; returns the manifest's info.

    images: float32 (n, 32, 32, 3) from 0 to 1; labels: int64 (n,). A CSV line of samples is `sample_id,pixel_0…pixel_3071` with
    pixel (row·32 + column)·3 + channel, the shortest text that parses back to the same float32 (as numpy writes it); of labels
    `sample_id,label`.
    """
    for name, values, columns in (("test_samples", images, [f"pixel_{p}" for p in range(32 * 32 * 3)]), ("test_labels", labels, ["label"])):
        np.save(folder / f"{name}.npy", values)
        lines = (",".join(map(str, (n, *row))) for n, row in enumerate(values.reshape(len(values), -1)))
        (folder / f"{name}.csv").write_text("\n".join([",".join(["sample_id", *columns]), *lines, ""]), encoding="ascii")
    return {"samples": len(images), "layout": "NHWC", "dtype": "float32"}
