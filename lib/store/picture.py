"""Thumbnails in exhibits: uint8 images as the text of a PNG."""

from __future__ import annotations

import base64
import io

import numpy as np


def encode(image: np.ndarray) -> str:
    """A uint8 image (height, width, 3), RGB, as a PNG in base64."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def decode(text: str) -> np.ndarray:
    """The uint8 image (height, width, 3) that `encode` was given. Raises ValueError for what is no picture."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, ValueError) as error:
        raise ValueError(f"no picture ({error})") from None
