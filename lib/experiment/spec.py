"""What a model is: its input, its output and what they mean. Read from the model's own file; no other place knows a size or a name."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LAYOUTS = ("NHWC", "NCHW")


@dataclass(frozen=True)
class ModelSpec:
    """One image classifier, one input and one output that counts.

    input, output: names of the tensors; dtype: NumPy's name of the input's type (float32, float16 or uint8); layout: of LAYOUTS;
    size: (height, width); channels: 1 or 3; classes: values an image in the output; logits: whether they are to be given to a softmax
    first (False: they are probabilities); batch: the one batch size that the model takes, None where any.
    """

    input: str
    dtype: str
    layout: str
    size: tuple[int, int]
    channels: int
    output: str
    classes: int
    logits: bool
    batch: int | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Of one image as the dataset holds it: (height, width, channels)."""
        return *self.size, self.channels

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """Of one image as the model takes it, in its layout."""
        return self.image_shape if self.layout == "NHWC" else (self.channels, *self.size)

    @property
    def row_bytes(self) -> int:
        """Of one image as the model takes it."""
        return math.prod(self.row_shape) * np.dtype(self.dtype).itemsize

    def input_shape(self, images: int) -> tuple[int, int, int, int]:
        """Of the input tensor with so many images."""
        return images, *self.row_shape

    def at_once(self, most: int, pixels: int) -> int:
        """How many images to have in memory at one time: `most`, fewer where they have more than `pixels` together, at least four."""
        height, width = self.size
        return max(min(most, 4), min(most, pixels // (height * width)))

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """float32 (n, classes), rows adding up to 1, of the model's outputs, float (n, classes): the softmax of logits, in float64."""
        if not self.logits:
            return outputs.astype(np.float32, copy=False)
        from scipy.special import softmax

        return softmax(outputs.astype(np.float64), axis=1).astype(np.float32)
