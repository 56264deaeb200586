"""What a network and its engine consist of: the types that the parsed network asks for, which can be read anywhere, and the layers of
the finished engine with the types they really run in, by the engine inspector, which needs a GPU."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from lib.experiment.precision import PRECISIONS
from lib.trt.versions import EngineError

TRANSPARENT = ("SHUFFLE",)  # moves values, leaves their type as it is
TYPES = {"FLOAT": "fp32", "HALF": "fp16", "BF16": "bf16", "INT8": "int8"}
# The inspector's words, which differ between versions: a tensor's "Row major linear FP32", a weight's "Half".
WORDS = (("int8", r"\bint8\b"), ("fp16", r"\b(fp16|half)\b"), ("bf16", r"\b(bf16|bfloat16)\b"), ("fp32", r"\b(fp32|float)\b"))
PRODUCTS = re.compile(r"conv|gemm|matrix|matmul|fully", re.IGNORECASE)


@dataclass(frozen=True)
class Layer:
    """A layer of a network. kind: as TensorRT calls it; type: of its inputs ("fp32", "tf32", "fp16", "int8", …, "" unknown)."""

    name: str
    kind: str
    type: str

    @property
    def is_product(self) -> bool:
        """Whether it holds a convolution or a matrix product, so nearly all of the work."""
        return bool(PRODUCTS.search(self.kind))


@dataclass(frozen=True)
class NetworkLayer(Layer):
    """One layer of the parsed network. shape: of its output, -1 is dynamic."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class EngineLayer(Layer):
    """One layer of a finished engine, after fusion, with the type it runs in. tactic: its kernel; metadata: the nodes of the ONNX that it
    does, as TensorRT 10 names them, whose layers have numbers for names (`__myl_…`); "" for none."""

    tactic: str
    metadata: str = ""


def engine_layers(trt: ModuleType, engine: Any, context: Any) -> list[EngineLayer]:
    """The layers of a deserialized ICudaEngine that was built with detailed verbosity, in its order.

    context: of it, with input shapes set; without one a dynamic engine does not tell its types. Raises EngineError for what is not the
    inspector's JSON. Source: TensorRT developer guide, "Engine Inspector".
    """
    inspector = engine.create_engine_inspector()
    inspector.execution_context = context
    said = inspector.get_engine_information(trt.LayerInformationFormat.JSON)
    try:
        return [engine_layer(described) for described in json.loads(said)["Layers"]]
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"the engine inspector's answer is not what this project reads ({error}): {said[:80]!r}") from None


def engine_layer(described: dict[str, Any] | str) -> EngineLayer:
    """One entry of the inspector's "Layers"; only its name where the engine was built without detailed verbosity."""
    if isinstance(described, str):
        return EngineLayer(described, "", "", "")
    kind, tactic = described.get("LayerType", ""), described.get("TacticName", "")
    parameter = described.get("ParameterType", "")
    told = [*described.get("Inputs", []), described.get("Weights")]
    of = next((found for tensor in told if isinstance(tensor, dict) and (found := _word(tensor))), "")
    if of == "fp32" and "tf32" in tactic.lower():
        of = "tf32"
    kind = kind if PRODUCTS.search(kind) or not parameter else f"{kind} ({parameter})"
    return EngineLayer(described.get("Name", ""), kind, of, tactic, described.get("Metadata", ""))


def product_types(listed: Iterable[Layer]) -> dict[str, int]:
    """How many convolutions and matrix products have each type, for example {"int8": 9, "fp32": 1}."""
    return dict(Counter(layer.type for layer in listed if layer.is_product))


def other_than_asked(precision: str, found: dict[str, int]) -> str:
    """What is wrong with an engine whose products run in `found` types, or "": a type that was not asked for. That none runs in the type
    it is named after is the builder's choice, which page 03 tells; a layer whose type the inspector did not tell ("") speaks neither
    for nor against."""
    told, allowed = {name for name in found if name}, PRECISIONS[precision].layer_types
    listed = ", ".join(f"{number} in {name or 'an unknown type'}" for name, number in sorted(found.items()))
    if told - set(allowed):
        return f"asked for {precision}, but the convolutions and matrix products of the finished engine run: {listed}"
    return ""


def tensors(network: Any) -> dict[str, Any]:
    """Name -> ITensor of the inputs of a parsed network and of everything that its layers give."""
    found = [network.get_input(i) for i in range(network.num_inputs)]
    for layer in (network.get_layer(i) for i in range(network.num_layers)):
        found += [layer.get_output(k) for k in range(layer.num_outputs)]
    return {tensor.name: tensor for tensor in found}


def layers(network: Any) -> list[NetworkLayer]:
    """The layers of a parsed INetworkDefinition, in its order, before any fusion. A product fed by a Dequantize layer counts as int8:
    TensorRT fuses the pair into an INT8 kernel (TensorRT developer guide, "Explicit quantization")."""
    every = [network.get_layer(i) for i in range(network.num_layers)]
    producer = {layer.get_output(k).name: layer for layer in every for k in range(layer.num_outputs)}
    return [_layer(layer, producer) for layer in every]


def weights_bytes(log: list[str]) -> int | None:
    """Bytes of weights in the engine as TensorRT's build log states them ("Total Weights Memory"), None where it does not."""
    stated = re.findall(r"Total Weights Memory: (\d+)", "\n".join(log))
    return int(stated[0]) if stated else None


def parser_errors(parser: Any) -> str:
    """Everything an OnnxParser complains about, in one line: node, its name and operator as far as there are, TensorRT's own
    words."""
    said = []
    for i in range(parser.num_errors):
        error = parser.get_error(i)
        name, operator = (getattr(error, told, str)() for told in ("node_name", "node_operator"))  # parsers of 8.x do not say
        known = (f" '{name}'" if name else "") + (f" ({operator})" if operator else "")
        where = f"node {error.node()}{known}: " if error.node() >= 0 else ""
        said.append(f"{where}{' '.join(error.desc().split())}")
    return "; ".join(said)


def _layer(layer: Any, producer: dict[str, Any]) -> NetworkLayer:
    kind, given = layer.type.name, layer.get_input(0) if layer.num_inputs else None
    source = given
    while source is not None and source.name in producer and producer[source.name].type.name in TRANSPARENT:
        source = producer[source.name].get_input(0)
    if source is not None and source.name in producer and producer[source.name].type.name == "DEQUANTIZE":
        of = "int8"
    else:
        of = TYPES.get(given.dtype.name, given.dtype.name.lower()) if given is not None else ""
    shape = tuple(layer.get_output(0).shape) if layer.num_outputs else ()
    return NetworkLayer(layer.name, kind, of, shape)


def _word(described: dict[str, Any]) -> str:
    """The type that the inspector's words for a tensor or for weights name, "" for none of WORDS."""
    said = " ".join(str(described.get(key, "")) for key in ("Format/Datatype", "Format", "Datatype", "Type"))
    return next((name for name, words in WORDS if re.search(words, said, re.IGNORECASE)), "")
