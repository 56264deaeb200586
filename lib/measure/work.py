"""What a network has to do: FLOP and bytes of every layer, from its ONNX by shape inference. Nothing is run.

A layer is what a runtime does in one go: a node, and the elementwise nodes behind it. Its bytes are what it must read and write if every
value crosses the memory once: inputs, weights and outputs, each once. Those are a model: a cache may keep a tensor that is small.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lib.errors import ReportError
from lib.measure import flop
from lib.models import onnx_graph

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import onnx

# What gives the same values once they are quantized, so that engines quantize before it. Source: TensorRT developer guide, "Q/DQ
# Layer-Placement Recommendations".
PAST = ("MaxPool", "Transpose")
COPY = re.compile("reformat", re.IGNORECASE)  # an engine's layer that is named after another one and copies its input


@dataclass(frozen=True)
class Layer:
    """One layer. name, kind: of its first node that is more than elementwise; nodes: names of all, as engine inspectors write them into
    the names of their layers; unknown: operators in it whose FLOP are not counted, or
    whose shapes do not follow from the input's, so that `flop` and `bytes` are lower bounds."""

    name: str
    kind: str
    nodes: tuple[str, ...]
    flop: int
    bytes: int
    unknown: tuple[str, ...] = ()

    @property
    def intensity(self) -> float:
        """FLOP a byte."""
        return self.flop / self.bytes if self.bytes else math.inf


@dataclass(eq=False)
class _Group:
    """A layer in the making: its nodes, and the tensors that it reads and makes."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    reads: set[str] = field(default_factory=set)
    makes: set[str] = field(default_factory=set)
    flop: int = 0
    unknown: list[str] = field(default_factory=list)


def layers(model: onnx.ModelProto, given: str, shape: Sequence[int], width: int | None = None) -> list[Layer]:
    """The layers of a network, in its order, once its input `given` has this shape. Weights may be external: only their shapes count.

    width: bytes of a floating-point value inside, where a runtime computes in another type than the file says (2 for FP16, 1 for
    calibrated INT8); inputs and outputs of the network keep theirs, and what Q/DQ nodes make INT8, at once or after pooling, is one byte.
    Q/DQ nodes are no work, and what is computed from constants and shapes alone is none either. Raises ReportError where there is no such
    input.
    """
    network = _Network(model, given, shape, width)
    return [network.layer(group) for group in network.groups]


def whole(model: onnx.ModelProto, given: str, shape: Sequence[int], width: int | None = None) -> Layer:
    """All of a network as one layer, as if no value between its layers ever left the chip: its bytes are input, weights and output, which
    no runtime can do without. Arguments and errors of `layers`."""
    network, everything = _Network(model, given, shape, width), _Group()
    for group in network.groups:
        everything.nodes += group.nodes
        everything.reads |= group.reads
        everything.makes |= group.makes
        everything.flop += group.flop
        everything.unknown += group.unknown
    return network.layer(everything)


def total(parts: Iterable[Layer]) -> Layer:
    """Layers together: their FLOP and their bytes added, every value between them written and read. One alone stays what it is."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    nodes = tuple(node for layer in parts for node in layer.nodes)
    unknown = tuple(sorted({operator for layer in parts for operator in layer.unknown}))
    return Layer("total", "", nodes, sum(layer.flop for layer in parts), sum(layer.bytes for layer in parts), unknown)


def done_by(parts: Iterable[Layer], names: Iterable[str], told: Mapping[str, str] | None = None) -> dict[str, Layer | None]:
    """What each layer of a finished engine does, by its name, which is made of the names of the nodes that it does (`Conv + Relu`).

    told: what else an engine says of its layers, by their names: TensorRT 10 calls many by numbers and names their nodes in the
    inspector's Metadata. A ForeignNode names its first and its last node only: it does all between them that no other layer names.
    None for a layer that does nothing, such as a copy into another memory layout. Under "" stands what no engine layer does, None where
    there is nothing.
    """
    doing: dict[str, list[Layer]] = {name: [] for name in names}
    said = {name: f"{name} {(told or {}).get(name, '')}".replace("...", " ") for name in doing if not COPY.match(name)}
    parts = list(parts)
    whose = [_named_in(part, said) for part in parts]
    for name in doing:
        if "ForeignNode[" in name and (own := [at for at, found in enumerate(whose) if found == name]):
            whose[own[0] : own[-1] + 1] = [found or name for found in whose[own[0] : own[-1] + 1]]
    missing = []
    for part, found in zip(parts, whose, strict=True):
        doing.get(found, missing).append(part)
    return {name: total(done) if done else None for name, done in {**doing, "": missing}.items()}


def _named_in(part: Layer, said: Mapping[str, str]) -> str:
    """The first engine layer in whose words a node of the part is named, the part's own first; "" for none."""
    words = [re.compile(rf"(?<![\w/.-]){re.escape(node)}(?![\w/.-])") for node in (part.name, *part.nodes)]
    return next((name for word in words for name, text in said.items() if word.search(text)), "")


class _Network:
    """A graph with the shapes of one input, divided into groups of nodes that are a layer each."""

    def __init__(self, model: onnx.ModelProto, given: str, shape: Sequence[int], width: int | None) -> None:
        graph = model.graph
        self._inputs = {value.name for value in onnx_graph.real_inputs(graph)}
        if given not in self._inputs:
            raise ReportError(f"this ONNX has no input '{given}'; it has {', '.join(sorted(self._inputs))}")
        self._values = onnx_graph.inferred(model, given, shape, strict=False)
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._width = width
        self._source: dict[str, str] = {}  # tensor -> the one that is read in its place
        self._ends = {value.name for value in graph.output}
        running = self._running(graph)
        self._ends |= {self._read(name) for name in self._ends}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in running:
            for name in self._reads(node):
                self._readers.setdefault(name, []).append(node)
        self._maker: dict[str, _Group] = {}
        self.groups: list[_Group] = []
        for node in running:
            self._add(node)

    def layer(self, group: _Group) -> Layer:
        """The group as a layer. Of what it makes, only what others read leaves it."""
        inside = {id(node) for node in group.nodes}
        left = {name for name in group.makes if name in self._ends or any(id(node) not in inside for node in self._readers.get(name, ()))}
        moved = sum(map(self._bytes, (group.reads - group.makes) | left))
        head = next((node for node in group.nodes if node.op_type not in flop.POINTWISE), group.nodes[0])
        return Layer(_name(head), head.op_type, tuple(map(_name, group.nodes)), group.flop, moved, tuple(sorted(set(group.unknown))))

    def _running(self, graph: onnx.GraphProto) -> list[onnx.NodeProto]:
        """The nodes that do something when the network runs; what others are read through is entered into `_source`."""
        known, running = set(self._constants), []  # known before anything runs: constants, shapes, and what is made of them
        for node in graph.node:
            names = [name for name in node.input if name]
            if self._through(node):
                self._source[node.output[0]] = self._read(names[0])
                known.update(node.output if names[0] in known else ())
            elif node.op_type in ("Constant", "Shape", "Size") or (names and known.issuperset(names)):
                known.update(node.output)
            else:
                running.append(node)
        return running

    def _through(self, node: onnx.NodeProto) -> bool:
        """Whether the input of a node is read in its place: an INT8 kernel reads what DequantizeLinear was given, and the first one
        quantizes the network's input itself."""
        if node.op_type == "DequantizeLinear":
            return node.output[0] not in self._ends
        return node.op_type in flop.VIEWS or (node.op_type == "QuantizeLinear" and self._read(node.input[0]) in self._inputs)

    def _add(self, node: onnx.NodeProto) -> None:
        """Put a node into the layer that does it."""
        group = self._joined(node)
        if group is None:
            self.groups.append(group := _Group())
        given, made = [self._dims(name) for name in node.input if name], self._dims(node.output[0])
        shaped = [dims for dims in given if dims is not None]
        count = None if made is None or len(shaped) < len(given) else flop.of(node, shaped, made)
        if count is None:
            group.unknown.append(f"{node.domain}.{node.op_type}" if node.domain else node.op_type)
        group.nodes.append(node)
        group.flop += count or 0
        group.reads |= self._reads(node)
        group.makes.update(filter(None, node.output))
        self._maker.update(dict.fromkeys(node.output, group))

    def _joined(self, node: onnx.NodeProto) -> _Group | None:
        """The layer that does an elementwise node: the latest of those whose output nobody else reads. What is quantized is always
        written so by the layer that makes it."""
        if node.op_type not in flop.POINTWISE:
            return None
        alone = [name for name in self._reads(node) if node.op_type == "QuantizeLinear" or self._alone(name)]
        makers = [self._maker[name] for name in alone if name in self._maker]
        return max(makers, key=self.groups.index, default=None)

    def _quantized(self, name: str) -> bool:
        """Whether all that read a tensor take it as INT8."""
        readers = self._readers.get(name, [])
        taken = (node.op_type == "QuantizeLinear" or (node.op_type in PAST and self._quantized(node.output[0])) for node in readers)
        return bool(readers) and name not in self._ends and all(taken)

    def _alone(self, name: str) -> bool:
        return len(self._readers[name]) == 1 and name not in self._ends

    def _reads(self, node: onnx.NodeProto) -> set[str]:
        given = node.input[:1] if node.op_type in ("QuantizeLinear", "DequantizeLinear") else node.input  # scales are part of a kernel
        return {self._read(name) for name in given if name}

    def _read(self, name: str) -> str:
        return self._source.get(name, name)

    def _dims(self, name: str) -> list[int] | None:
        """A tensor's shape, None where it does not follow from the input's."""
        if name in self._constants:
            return list(self._constants[name].dims)
        dims = onnx_graph.dims_of(self._values[name]) if name in self._values else None
        return None if dims is None or None in dims else [int(dim) for dim in dims if dim is not None]

    def _bytes(self, name: str) -> int:
        """What a tensor takes; nothing where that is not known: its layer says that it is not."""
        import onnx

        stored, dims = self._constants.get(name), self._dims(name)
        kind = stored.data_type if stored is not None else self._values[name].type.tensor_type.elem_type if name in self._values else 0
        if dims is None or not kind:
            return 0
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
        floating = kind in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)
        if floating and name not in self._inputs | self._ends:
            return math.prod(dims) * (1 if self._quantized(name) else self._width or dtype.itemsize)
        return math.prod(dims) * dtype.itemsize


def _name(node: onnx.NodeProto) -> str:
    return node.name or next(filter(None, node.output), node.op_type)
