"""Thumbnails in exhibits: uint8 images as the text of a PNG."""

from __future__ import annotations

import base64
import io

import numpy as np

LARGEST = 96  # a page shows a dozen of them side by side


def encode(image: np.ndarray) -> str:
    """A uint8 image (height, width, 3 or 1), RGB or gray, as a PNG in base64, made smaller to LARGEST pixels a side."""
    from PIL import Image

    file, shown = io.BytesIO(), Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    shown.thumbnail((LARGEST, LARGEST))
    shown.save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def decode(text: str) -> np.ndarray:
    """The uint8 image (height, width, 3) that `encode` made. Raises ValueError for what is no picture."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, ValueError) as error:
        raise ValueError(f"no picture ({error})") from None
