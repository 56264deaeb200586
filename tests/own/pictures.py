"""Pictures of coloured shapes on textured ground, in folders as a user has them: a class is a colour and a shape, its name has spaces."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

COLOURS = {
    "red": (205, 50, 45),
    "blue": (45, 60, 205),
    "green": (45, 160, 60),
    "yellow": (220, 200, 50),
    "white": (235, 235, 235),
}
CORNERS = {"triangle": (3, 1.0), "square": (4, 1.0), "star": (10, 0.45)}  # of the outline; radius of every second one


@dataclass(frozen=True)
class Kind:
    """One class: the name of its folder, and what its pictures show."""

    name: str
    colour: str
    shape: str


# Sorted as folders are: the order of the outputs. Red for blue and blue for red is what BGR does to a picture.
SHAPES = (
    Kind("green triangle", "green", "triangle"),
    Kind("赤い 丸", "red", "circle"),
    Kind("青い 丸", "blue", "circle"),
    Kind("青い 四角", "blue", "square"),
    Kind("黄色い 星", "yellow", "star"),
)
SIGNS = (
    Kind("white cross", "white", "cross"),
    Kind("緑の 四角", "green", "square"),
    Kind("赤い 三角", "red", "triangle"),
    Kind("青い 三角", "blue", "triangle"),
)


def draw(kind: Kind, rng: np.random.Generator) -> Image.Image:
    """One RGB picture of 96 to 192 by 72 to 144 pixels, wider than high: the shape near its middle, on ground with spots of any colour."""
    height = int(rng.integers(72, 145))
    width = int(height * rng.uniform(1.2, 1.5))
    picture = _ground(height, width, rng)
    for _ in range(rng.integers(2, 8)):  # spots that say nothing of the class
        other, colour = rng.choice(("circle", "square", "triangle")), rng.integers(0, 256, 3)
        centre = rng.uniform(0, width), rng.uniform(0, height)
        _paint(picture, str(other), colour, centre, height * rng.uniform(0.04, 0.09), rng)
    colour = np.array(COLOURS[kind.colour]) * rng.uniform(0.7, 1.15) + rng.normal(0, 14, 3)
    centre = width / 2 + rng.normal(0, 0.06 * width), height / 2 + rng.normal(0, 0.06 * height)
    _paint(picture, kind.shape, colour, centre, height * rng.uniform(0.16, 0.32), rng)
    pixels = np.asarray(picture, np.float64) * rng.uniform(0.75, 1.15) + rng.normal(0, rng.uniform(2, 14), (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def folders(folder: Path, kinds: Sequence[Kind], test: int, calibration: int, seed: int) -> Path:
    """Write `test` pictures a class into folder/test/CLASS and `calibration` a class into folder/calibration/CLASS; returns the folder.

    PNG and JPEG by turns, names with spaces and Japanese letters. The same seed draws the same pictures.
    """
    for part, count in (("test", test), ("calibration", calibration)):
        for kind, rng in zip(kinds, _streams(seed, part, len(kinds)), strict=True):
            place = folder / part / kind.name
            place.mkdir(parents=True)
            for k in range(count):
                if k % 2:
                    draw(kind, rng).save(place / f"写真 {k:03d}.{'JPG' if k % 4 == 1 else 'jpeg'}", quality=90)
                else:
                    draw(kind, rng).save(place / f"picture {k:03d}.png")
    return folder


def drawn(kinds: Sequence[Kind], count: int, seed: int) -> tuple[list[Image.Image], np.ndarray]:
    """`count` pictures a class and their labels, int64 (n,): those to train with, never those of `folders`."""
    pictures = [draw(kind, rng) for kind, rng in zip(kinds, _streams(seed, "train", len(kinds)), strict=True) for _ in range(count)]
    return pictures, np.repeat(np.arange(len(kinds)), count)


def _streams(seed: int, part: str, count: int) -> Iterator[np.random.Generator]:
    """A stream of random numbers a class, other ones for every part of the data."""
    part_number = ("train", "test", "calibration").index(part)
    return (np.random.default_rng((seed, part_number, kind)) for kind in range(count))


def _ground(height: int, width: int, rng: np.random.Generator) -> Image.Image:
    """Clouds of two colours with a grain."""
    low, high = rng.uniform(20, 200, 3), rng.uniform(60, 235, 3)
    coarse = Image.fromarray(rng.integers(0, 256, (int(rng.integers(3, 9)), int(rng.integers(3, 9))), np.uint8))
    share = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float64)[..., None] / 255
    return Image.fromarray(np.clip(low + (high - low) * share, 0, 255).astype(np.uint8))


def _paint(
    picture: Image.Image, shape: str, colour: np.ndarray, centre: tuple[float, float], radius: float, rng: np.random.Generator
) -> None:
    """Paint one shape, turned at will, with soft edges, into the picture."""
    mask = Image.new("L", picture.size)
    canvas = ImageDraw.Draw(mask)
    (x, y), turn = centre, rng.uniform(0, 2 * math.pi)
    if shape == "circle":
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    else:
        canvas.polygon([(x + radius * r * math.cos(turn + a), y + radius * r * math.sin(turn + a)) for r, a in _outline(shape)], fill=255)
    picture.paste(tuple(int(c) for c in np.clip(colour, 0, 255)), mask=mask.filter(ImageFilter.GaussianBlur(0.6)))


def _outline(shape: str) -> list[tuple[float, float]]:
    """Corners of a shape of radius 1: (radius, angle) each."""
    if shape == "cross":
        corners = [(1, 0.3), (0.3, 0.3), (0.3, 1), (-0.3, 1), (-0.3, 0.3), (-1, 0.3)]
        corners += [(-x, -y) for x, y in corners]
        return [(math.hypot(x, y), math.atan2(y, x)) for x, y in corners]
    count, inner = CORNERS[shape]
    return [(inner if k % 2 else 1.0, 2 * math.pi * k / count) for k in range(count)]
