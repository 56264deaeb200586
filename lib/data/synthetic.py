"""Images where there are none: noise, which is enough to convert, to compare numbers and to time."""

from __future__ import annotations

import numpy as np

from lib.experiment.spec import ModelSpec


def synthetic(spec: ModelSpec, count: int = 256, seed: int = 0) -> np.ndarray:
    """uint8 (count, height, width, channels) of the model's size, every value equally likely; the same of the same seed.

    More images of one seed begin with the fewer. They look like nothing: a model's accuracy on them, and INT8 ranges from them,
    mean nothing.
    """
    return np.random.default_rng(seed).integers(0, 256, (count, *spec.image_shape), np.uint8)
