"""The layers of finished engines: what they are called in short, which of them hold the work, in which types they may run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from lib.experiment.precision import PRECISIONS
from lib.pages.engines.exhibits import Layer

HEAVY = 0.8  # of an engine's time: what counts as heavy where the inspector names no convolution or matrix product
NAME_LENGTH = 26  # characters of a shortened name
HEAVY_KIND = re.compile(r"conv|gemm|matrix|matmul|fully", re.IGNORECASE)  # kinds of layers that hold a convolution or a matrix product
PRODUCT = re.compile(r"(^|/)(Conv|MatMul|Gemm)(_\d+)?(/|$)")
HELPERS = re.compile(r"QuantizeLinear|_(quantize|dequantize)_|Unnamed Layer|^ONNXTRT_")  # parts of a fused name that TensorRT adds
COPY = re.compile(r"Reformatting CopyNode for (Input|Output) Tensor \d+ to (.*)")


def total_ms(layers: Iterable[Layer]) -> float:
    """Sum of the medians of an engine's layers in ms."""
    return sum(layer.ms for layer in layers)


def share(layer: Layer, layers: Iterable[Layer]) -> float:
    """Of the time of all layers of the engine."""
    return layer.ms / (total_ms(layers) or 1.0)


def longest(layers: Iterable[Layer]) -> Layer:
    """The layer that takes the most time."""
    return max(layers, key=lambda layer: layer.ms)


def reformats(layer: Layer) -> bool:
    """Whether a layer only copies values into another type or memory layout."""
    return "reformat" in f"{layer.kind} {layer.name}".lower()


def heavy(layers: Iterable[Layer]) -> list[Layer]:
    """The convolutions and matrix products, longest first; where none is named, the fewest layers that take HEAVY of the time."""
    computing = sorted((layer for layer in layers if not reformats(layer)), key=lambda layer: layer.ms, reverse=True)
    if products := [layer for layer in computing if HEAVY_KIND.search(layer.kind)]:
        return products
    before = np.cumsum([0.0, *(layer.ms for layer in computing)])
    return [layer for layer, sooner in zip(computing, before, strict=False) if sooner < HEAVY * before[-1]]


def not_as_asked(precision: str, layers: Iterable[Layer]) -> list[Layer]:
    """The layers that do not run in a type that was asked for."""
    row = PRECISIONS.get(precision)
    return [layer for layer in layers if row is not None and layer.type not in row.asked_types]


def not_allowed(precision: str, types: Iterable[str]) -> set[str]:
    """Types that an engine of a precision must not compute in; "" (not told) speaks neither for nor against."""
    row = PRECISIONS.get(precision)
    return {name for name in types if name} - set(row.layer_types) if row else set()


def lacks_its_type(precision: str, types: Iterable[str]) -> bool:
    """Whether the type that a precision is named after is not among those that were told. All of them must be: "" may be that one."""
    row, told = PRECISIONS.get(precision), set(types)
    return row is not None and bool(told) and not told & {"", *row.layer_types[:1]}


def short(name: str) -> str:
    """TensorRT's name of a (fused) layer in at most NAME_LENGTH characters: where it begins, and what was fused into it.

    "Reformatting CopyNode for Input Tensor 0 to Conv_1 + relu1/Relu" is "reformat → Conv_1". Weights and quantization
    nodes that stand in front of a product are left out.
    """
    fused = [] if COPY.match(name) else dict.fromkeys(part.split("/")[0] for part in _parts(name))
    shown = " + ".join([operation(name), *list(fused)[1:]])
    return shown if len(shown) <= NAME_LENGTH else f"{shown[: NAME_LENGTH - 1]}…"


def operation(name: str) -> str:
    """The first operation of a (fused) layer: by it the layers of two engines are recognised as the same."""
    if copy := COPY.match(name):
        return " → ".join(["reformat", operation(copy.group(2))][:: 1 if copy.group(1) == "Input" else -1])
    return "/".join(_parts(name)[0].split("/")[:2])


def by_operation(layers: Sequence[Layer]) -> dict[str, Layer]:
    """An engine's layers by their operation, numbered where it occurs again."""
    operations = [operation(layer.name) for layer in layers]
    return {f"{name} {operations[:place].count(name)}": layers[place] for place, name in enumerate(operations)}


def _parts(name: str) -> list[str]:
    """What was fused, in order, beginning with the product where there is one."""
    bare = re.sub(r"PWN\(|\{ForeignNode\[|\]\}|[()]", "", re.sub(r"\(Unnamed Layer\* \d+\) \[[^\]]*\]", "Unnamed Layer", name))
    parts = [part.strip() for part in re.split(r" \+ | \|\| |, |\.\.\.", bare) if part.strip()]
    first = next((i for i, part in enumerate(parts) if PRODUCT.search(part) and not HELPERS.search(part)), 0)
    return [part for part in parts[first:] if not HELPERS.search(part)] or parts or [name]
