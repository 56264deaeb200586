"""How an image becomes the model's input. Nothing else in lib/ resizes an image or scales a pixel of one.

Two steps, so that images can be kept as bytes in between: `fit` resizes and crops, `to_input` does the arithmetic.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.data import preprocessor_files
from lib.errors import ConfigError, DatasetError
from lib.experiment.preprocess import PRESETS, Preprocess
from lib.experiment.spec import ModelSpec

if TYPE_CHECKING:
    from PIL import Image

MISSING = "preprocess: missing; name one: imagenet, tf, caffe, torch, none, or size, scale, mean, std (python -m lib new guesses one)"
LARGEST = 50_000_000  # pixels of a resized image before it is cropped; a strip of 1 × 10,000 pixels would become gigabytes
OPENCV = "opencv-python-headless"
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N", "I")


@dataclass(frozen=True)
class Rules:
    """All of the preprocessing, nothing left to a default.

    size: (height, width) of the input; resize: shortest_edge, exact or pad; crop_pct: side of the input over that of the resized
    image, or resize_size: that side itself, in pixels (then crop_pct counts for nothing); interpolation: bilinear, bicubic, nearest
    or lanczos, as library, pillow or opencv, does it; scale: what multiplies a pixel of 0..255; mean, std: one number a channel, what
    is then taken away and what divides, in the order of `channels`, RGB or BGR (RGB for gray).
    """

    size: tuple[int, int]
    resize: str
    crop_pct: float
    interpolation: str
    library: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: str
    resize_size: int | None = None

    @property
    def box(self) -> tuple[int, int]:
        """(height, width) that the image is resized to (exact), or covers (shortest_edge), before it is cropped to `size`."""
        if self.resize == "pad":
            return self.size
        if self.resize_size is not None:
            return self.resize_size, self.resize_size
        # timm's rule (timm/data/transforms_factory.py), and transformers' for ConvNeXT.
        height, width = (math.floor(side / self.crop_pct) for side in self.size)
        return height, width

    @property
    def fitting(self) -> dict[str, Any]:
        """All that `fit` depends on, for the key of what is kept of it."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in ("scale", "mean", "std", "channels")}


def named_size(section: Preprocess | None, path: Callable[[str], Path]) -> tuple[int, int] | None:
    """(height, width) that the section, or else the file it names, asks for; None where they say none.

    For models that take any size: their spec is made with it. path: makes a path of the section's file. Raises ConfigError for a file
    that cannot be used.
    """
    size = section and (section.size or (section.file and preprocessor_files.read(path(section.file)).size))
    return (size[0], size[1]) if size else None


def resolve(section: Preprocess | None, spec: ModelSpec, path: Callable[[str], Path]) -> Rules:
    """The rules that a section means for a model. path: makes a path of the section's file.

    What is said nowhere: the size is the model's, both sides are resized (exact), by Pillow, bilinear, RGB. Bytes go into a model that
    takes uint8 as they are; what is done to the values for a float model must be said. A section that changes how its preset or file
    resizes drops their crop; one that changes the order of the channels takes their mean and std along.

    Raises ConfigError, one line that names the key, for what is not said, does not fit the model or together, or has no library.
    """
    section = section or Preprocess()
    own = section.given()
    base = _named(section, spec, path)
    if spec.dtype != "uint8" and not base and "scale" not in own:
        raise ConfigError(MISSING if not {"mean", "std"} & set(own) else "key 'preprocess.scale': missing; mean and std act after it")
    order, way = base.get("channels", "RGB"), base.get("resize", "exact")
    if own.get("channels", order) != order:
        base |= {key: base[key][::-1] for key in ("mean", "std") if key in base}
    if own.keys() & {"crop_pct", "resize_size"} or own.get("resize", way) != way:
        base = {key: value for key, value in base.items() if key not in ("crop_pct", "resize_size")}
    said = base | own
    size = tuple(said.get("size", spec.size))
    if size != tuple(spec.size):
        whose = f" as {section.file} says; name the model's size if that is meant" if "size" not in own else ""
        raise ConfigError(f"key 'preprocess.size': the model takes {_by(spec.size)}, not {_by(size)}{whose}")
    rules = Rules(
        size=size,
        resize=said.get("resize", "exact"),
        crop_pct=said.get("crop_pct", 1.0),
        interpolation=said.get("interpolation", "bilinear"),
        library=said.get("library", "pillow"),
        scale=float(said.get("scale", 1.0)),
        mean=_each("mean", said.get("mean", [0.0]), spec.channels),
        std=_each("std", said.get("std", [1.0]), spec.channels),
        channels=said.get("channels", "RGB"),
        resize_size=said.get("resize_size"),
    )
    _check(rules, spec)
    return rules


def _named(section: Preprocess, spec: ModelSpec, path: Callable[[str], Path]) -> dict[str, Any]:
    """What the section's preset or file says."""
    if section.file is not None:
        return preprocessor_files.read(path(section.file), spec.size).given()
    return dict(PRESETS[section.preset]) if section.preset is not None else {}


def _each(key: str, numbers: list[float], channels: int) -> tuple[float, ...]:
    if len(numbers) not in (1, channels):
        colour = "is gray, one channel" if channels == 1 else f"has {channels} channels"
        raise ConfigError(f"key 'preprocess.{key}': {len(numbers)} numbers, but the model's input {colour}; write one number")
    return tuple(float(number) for number in (numbers * channels if len(numbers) == 1 else numbers))


def _check(rules: Rules, spec: ModelSpec) -> None:
    """Refuse what these rules cannot do to this model's images."""
    identity = rules.scale == 1 and not any(rules.mean) and set(rules.std) == {1.0}
    if spec.dtype == "uint8" and not identity:
        raise ConfigError(
            "key 'preprocess': the model takes bytes (uint8), 0 to 255 as they are; write preset: none, no scale, mean or std"
        )
    if spec.channels == 1 and rules.channels == "BGR":
        raise ConfigError("key 'preprocess.channels': BGR, but the model's input is gray, one channel; remove channels")
    if rules.resize == "pad" and (rules.crop_pct != 1 or rules.resize_size is not None):
        raise ConfigError("key 'preprocess.crop_pct': nothing is cropped with resize: pad; remove it")
    if rules.resize_size is not None and rules.resize_size < max(rules.size):
        raise ConfigError(f"key 'preprocess.resize_size': {rules.resize_size} is less than the input's {_by(rules.size)}, nothing to crop")
    if rules.library == "opencv":
        _opencv()
    if spec.dtype != "uint8":
        extremes = np.repeat(np.uint8([0, 255]), spec.channels).reshape(2, 1, 1, spec.channels)
        with np.errstate(all="ignore"):
            inputs = to_input(extremes, rules, dataclasses.replace(spec, size=(1, 1)))
        if not np.isfinite(inputs).all() or (inputs[0] == inputs[1]).any():
            says = f"with scale, mean and std the pixels 0 and 255 become {inputs[0].flat[0]:g} and {inputs[1].flat[0]:g} in {spec.dtype}"
            raise ConfigError(f"key 'preprocess.scale': {says}; change them")


def _by(size: tuple[int, ...]) -> str:
    return f"{size[0]} × {size[1]}"


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        raise ConfigError(f"key 'preprocess.library': OpenCV is not installed here; pip install {OPENCV}, or write pillow") from None
    return cv2


def fit(image: Image.Image, rules: Rules, channels: int) -> np.ndarray:
    """uint8 (height, width, channels) of the model's size, RGB or gray: the image as its EXIF says it is to be turned, resized, cropped.

    Colours as Pillow's convert() makes them, which is what torchvision and timm train on: transparency is dropped, what is under it
    shows. 16 bits become 8. Raises DatasetError, not knowing the file's name, for a mode that has no colours (floats, integers beyond
    16 bits) and for a strip so long and thin that resizing it by its shorter side takes gigabytes.
    """
    plain = _plain(image, "RGB" if channels == 3 else "L")
    height, width = _resized(plain.height, plain.width, rules)
    if height * width > LARGEST:
        raise DatasetError(
            f"{plain.width} × {plain.height} pixels are too long and thin for resize: {rules.resize}; pad and exact take them"
        )
    return _placed(_resize(plain, (height, width), rules).reshape(height, width, channels), rules.size)


def _plain(image: Image.Image, mode: str) -> Image.Image:
    """The image turned, 8 bits a channel, in a mode of RGB or L."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in SIXTEEN_BITS:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise DatasetError(f"whole numbers of {values.min()} to {values.max()} are no pixels of 16 bits; store 8 or 16 bits")
        # A 16-bit image's white is 65535, an 8-bit one's 255: 257 times as much. Rounded, not cut off.
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    elif image.mode == "F":
        raise DatasetError("floating-point pixels, whose white is not known; store 8 or 16 bits")
    elif image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # the same colours; straight to RGB Pillow warns of transparency
    try:
        return image if image.mode == mode else image.convert(mode)
    except ValueError:
        raise DatasetError(f"colours of mode {image.mode} cannot be made {mode}; store RGB or gray") from None


def _resized(height: int, width: int, rules: Rules) -> tuple[int, int]:
    """(height, width) of an image after it was resized, before it is cropped or black is put around it."""
    box_height, box_width = rules.box
    if rules.resize == "exact":
        return box_height, box_width
    if rules.resize == "pad":  # as ImageOps.contain of Pillow does
        if width * box_height > box_width * height:
            return max(1, round(height / width * box_width)), box_width
        return box_height, max(1, round(width / height * box_height))
    if box_height == box_width:  # as torchvision's Resize does, which cuts off what is left of a pixel
        if height <= width:
            return box_height, int(box_height * width / height)
        return int(box_width * height / width), box_width
    ratio = min(height / box_height, width / box_width)  # as timm's ResizeKeepRatio does, which rounds
    return round(height / ratio), round(width / ratio)


def _resize(image: Image.Image, size: tuple[int, int], rules: Rules) -> np.ndarray:
    """uint8 (height, width) or (height, width, 3)."""
    height, width = size
    if rules.library == "opencv":
        cv2 = _opencv()
        methods = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}
        return cv2.resize(np.asarray(image), (width, height), interpolation=methods[rules.interpolation])
    from PIL import Image

    return np.asarray(image.resize((width, height), Image.Resampling[rules.interpolation.upper()]))


def _placed(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of the image, black around it where it is smaller: a copy (height, width, channels)."""
    for axis, side in enumerate(size):
        over = image.shape[axis] - side
        if over >= 0:  # the odd pixel where torchvision's CenterCrop has it
            image = np.moveaxis(np.moveaxis(image, axis, 0)[round(over / 2) :][:side], 0, axis)
        else:  # and where ImageOps.pad of Pillow has it
            before = round(-over / 2)
            image = np.pad(image, [(before, -over - before) if axis == other else (0, 0) for other in range(3)])
    return np.array(image, order="C")


def to_input(images: np.ndarray, rules: Rules, spec: ModelSpec) -> np.ndarray:
    """The model's input for uint8 images (n, height, width, channels), RGB or gray: spec.input_shape(n), spec.dtype, C order.

    (pixel * scale - mean) / std in float32, mean and std where they change anything. The scale divides by its inverse: for 1/255 that is
    a division by 255, to the bit. Takes a slice of a memory map; beside the result no float copy is made but for float16.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.shape[1:] != spec.image_shape:
        raise ValueError(f"images are {images.dtype} {images.shape}, not uint8 (n, {', '.join(map(str, spec.image_shape))})")
    if rules.channels == "BGR":
        images = images[..., ::-1]
    if spec.layout == "NCHW":
        images = images.transpose(0, 3, 1, 2)
    if spec.dtype == "uint8":
        return np.ascontiguousarray(images)
    shape = (-1, 1, 1) if spec.layout == "NCHW" else (-1,)
    values = images.astype(np.float32, order="C")
    if rules.scale != 1:
        values /= np.float32(1 / rules.scale)
    if any(rules.mean):
        values -= np.float32(rules.mean).reshape(shape)
    if set(rules.std) != {1.0}:
        values /= np.float32(rules.std).reshape(shape)
    return values.astype(spec.dtype, copy=False)
