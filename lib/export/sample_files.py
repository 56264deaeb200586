"""Test images and labels as files that a program outside Python reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

MOST_COLUMNS = 4096  # of a CSV file


def write(images: np.ndarray, labels: np.ndarray | None, folder: Path) -> dict[str, Any]:
    """Write test_samples.npy/.csv and test_labels.npy/.csv into `folder`; returns the manifest's info.

    images: model inputs (n, …); labels: int64 (n,), None for none. A CSV line of samples is `sample_id,pixel_0,…` with the values of one
    image in the order in which they lie in memory, the shortest text that parses back to the same float32 (as numpy writes it); of labels
    `sample_id,label`. Images that are large or not float32 are written as .npy alone.
    """
    values_each = images[0].size
    pixels = [f"pixel_{p}" for p in range(values_each)]
    for name, values, columns in (("test_samples", images, pixels), ("test_labels", labels, ["label"])):
        if values is None:
            continue
        np.save(folder / f"{name}.npy", values)
        if len(columns) > MOST_COLUMNS or values.dtype not in (np.float32, np.int64):
            continue
        lines = (",".join(map(str, (n, *row))) for n, row in enumerate(values.reshape(len(values), -1)))
        (folder / f"{name}.csv").write_text("\n".join([",".join(["sample_id", *columns]), *lines, ""]), encoding="ascii")
    return {"samples": len(images), "dtype": str(images.dtype)}
