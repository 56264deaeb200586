"""What notebook 10 shows beside numbers: the layers of its engines, with the work that each does and the time that it takes."""

from __future__ import annotations

from lib.store.records import Exhibit


class Layer(Exhibit):
    """A layer of an engine that does work, named as by TensorRT. flop, bytes: of a batch, as lib/measure/work.py counts them."""

    name: str
    flop: float
    bytes: float
    ms: float


class PlacedEngine(Exhibit):
    """An engine's layers for one batch, in its order. precision: key of PRECISIONS."""

    tensorrt: str
    precision: str
    batch_size: int
    layers: list[Layer]


class Roofline(Exhibit):
    """Every engine that was placed under its card's ceilings."""

    engines: list[PlacedEngine]
