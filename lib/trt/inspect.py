"""What a network and its engine consist of, as far as no driver is needed.

Reading the layers of a built engine means deserializing it, and that needs an NVIDIA driver. The parsed network can
be read anywhere: it says in which type every convolution and matrix product is asked for.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

PRODUCTS = ("CONVOLUTION", "MATRIX_MULTIPLY")  # the layers that hold nearly all of the work
TRANSPARENT = ("SHUFFLE",)  # moves values, leaves their type as it is
TYPES = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16", "INT8": "int8"}


@dataclass(frozen=True)
class Layer:
    """One layer of the parsed network. type: of its inputs ("fp32", "fp16", "int8"); shape: of its output, -1 is dynamic."""

    name: str
    kind: str
    type: str
    shape: tuple[int, ...]


def layers(network: Any) -> list[Layer]:
    """The layers of a parsed INetworkDefinition, in its order, before any fusion.

    A product whose input comes from a Dequantize layer counts as int8: TensorRT fuses the pair into an INT8 kernel
    (TensorRT developer guide, "Explicit quantization").
    """
    every = [network.get_layer(i) for i in range(network.num_layers)]
    producer = {layer.get_output(k).name: layer for layer in every for k in range(layer.num_outputs)}
    return [_layer(layer, producer) for layer in every]


def product_types(listed: list[Layer]) -> dict[str, int]:
    """How many convolutions and matrix products are asked for in each type, for example {"int8": 9}."""
    return dict(Counter(layer.type for layer in listed if layer.kind in PRODUCTS))


def wanted_type(precision: str) -> str:
    """The type that the products of a typed network must have for this precision; TF32 is FP32 with a flag."""
    return {"tf32": "fp32", "int8_qdq": "int8"}.get(precision, precision)


def weights_bytes(log: list[str]) -> int | None:
    """Bytes of weights in the engine as TensorRT's build log states them ("Total Weights Memory"), None where it does not."""
    stated = re.findall(r"Total Weights Memory: (\d+)", "\n".join(log))
    return int(stated[0]) if stated else None


def parser_errors(parser: Any) -> str:
    """Everything an OnnxParser complains about, in one line: node, operator, TensorRT's own words."""
    said = []
    for i in range(parser.num_errors):
        error = parser.get_error(i)
        where = f"node {error.node()} {_named(error)}: " if error.node() >= 0 else ""
        said.append(f"{where}{' '.join(error.desc().split())}")
    return "; ".join(said)


def _layer(layer: Any, producer: dict[str, Any]) -> Layer:
    kind, given = layer.type.name, layer.get_input(0) if layer.num_inputs else None
    source = given
    while source is not None and source.name in producer and producer[source.name].type.name in TRANSPARENT:
        source = producer[source.name].get_input(0)
    if source is not None and source.name in producer and producer[source.name].type.name == "DEQUANTIZE":
        of = "int8"
    else:
        of = TYPES.get(given.dtype.name, given.dtype.name.lower()) if given is not None else ""
    shape = tuple(layer.get_output(0).shape) if layer.num_outputs else ()
    return Layer(layer.name, kind, of, shape)


def _named(error: Any) -> str:
    name = error.node_name() if hasattr(error, "node_name") else ""  # parsers of 8.x do not say
    operator = error.node_operator() if hasattr(error, "node_operator") else ""
    return " ".join(part for part in (f"'{name}'" if name else "", f"({operator})" if operator else "") if part)
