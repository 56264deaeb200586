"""What notebook 03 shows beside numbers: what this TensorRT can do, what engines are made of, what their layers take."""

from __future__ import annotations

from lib.store.records import Exhibit


class Feature(Exhibit):
    """A feature of lib.trt by its key. path: where the API has it; here: whether this TensorRT does, None where none is installed."""

    key: str
    path: str
    here: bool | None


class Features(Exhibit):
    """tensorrt: name and version of what builds the engines, "" for none."""

    tensorrt: str
    features: list[Feature]


class Network(Exhibit):
    """What an engine (key of its candidate) was built from and came to.

    onnx: the exported variant; asked: how many convolutions and matrix products the network has of each type; found: the
    same in the finished engine ("" where the inspector does not tell), None where it was not opened.
    """

    candidate: str
    onnx: str
    asked: dict[str, int]
    found: dict[str, int] | None


class Networks(Exhibit):
    """Every engine that was built."""

    engines: list[Network]


class Layer(Exhibit):
    """A layer of a finished engine, named as by TensorRT; type: it runs in ("" not told); ms: median of its runs, with percentiles."""

    name: str
    kind: str
    type: str
    tactic: str
    ms: float
    p10_ms: float
    p90_ms: float


class Profile(Exhibit):
    """The layers of an engine (key of its candidate), in its order."""

    candidate: str
    layers: list[Layer]


class Profiles(Exhibit):
    """Every engine whose layers were timed."""

    engines: list[Profile]
