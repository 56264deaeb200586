"""Where a difference begins: every tensor between the layers against ONNX Runtime's FP32, for the runners that differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.data import dataset as datasets
from lib.errors import ReportError
from lib.experiment.precision import PRECISIONS
from lib.models import vgg as model
from lib.pages.consistency import tables as consistency
from lib.store.records import Record
from lib.text import Finding, Text

if TYPE_CHECKING:
    import onnx

    from lib.experiment.candidate import Pair
    from lib.measure.compare import Difference
    from lib.store.session import Session

IMAGES = 32
RUNNERS = ("onnxrt", "onnxrt_cuda", "tensorrt")
YARDSTICK = "onnxrt/fp32"
OPERATORS = (
    "Conv",
    "Gemm",
    "MatMul",
    "Add",
    "Mul",
    "BatchNormalization",
    "Relu",
    "Clip",
    "MaxPool",
    "AveragePool",
    "Softmax",
)  # arithmetic
# Half the distance of neighbouring numbers, relative to the number (floats) or to the largest that is represented (INT8).
ROUNDING = {"fp32": 2.0**-24, "tf32": 2.0**-11, "fp16": 2.0**-11, "int8": 1 / 254, "int8_fp16": 1 / 254, "int8_qdq": 1 / 254}
MULTIPLE = 16  # roundings of one tensor that may add up through the layers before it counts as a difference of its own
NOT_FINITE = Text("the values are not finite: they overflow", "値が有限でない：オーバーフローした")


@dataclass(frozen=True)
class Layer:
    """One tensor of the FP32 ONNX in two runners.

    index: its place among the tensors compared, from 1; relative: ‖a − b‖ / ‖b‖ over all images, None where the values
    are not finite; max_abs: largest absolute difference, None likewise.
    """

    index: int
    tensor: str
    operator: str
    relative: float | None
    max_abs: float | None


@dataclass(frozen=True)
class Trace:
    """A runner's tensors against ONNX Runtime FP32's, over `images` (indices of test images).

    over: whether its answers are over their tolerance. marking: largest difference of a probability between the copy whose
    tensors are outputs and the runner itself, None where the copy overflows. reason: why there is nothing to compare.
    """

    pair: Pair
    over: bool
    images: list[int]
    layers: list[Layer]
    artifact_sha256: str
    marking: float | None = None
    reason: Text | None = None

    @property
    def limit(self) -> float:
        """The relative difference from which on a tensor counts as different."""
        return MULTIPLE * ROUNDING[self.pair.precision]

    @property
    def begins(self) -> Layer | None:
        """The first tensor over the limit, None where there is none."""
        return next((layer for layer in self.layers if layer.relative is None or layer.relative > self.limit), None)


@dataclass(frozen=True)
class Study:
    """traces: of the runners that were compared; pairs: all that could be, for those that did not run here.

    export_over: whether the yardstick itself is over its tolerance, which no layer of it can explain.
    """

    traces: list[Trace]
    pairs: list[Pair]
    export_over: bool = False


def study(session: Session, done: consistency.Study) -> Study:
    """Compare layer by layer what is over its tolerance or, where nothing is, what is farthest from the reference in each runner."""
    able = [(pair, found) for pair, found in done.compared if pair.runner in RUNNERS and pair.key != YARDSTICK]
    over = [pair for pair, found in able if not consistency.within(pair, found)]
    traces = [_trace(session, done, pair, pair in over) for pair in over or _farthest(able)]
    export_over = any(pair.key == YARDSTICK and not consistency.within(pair, found) for pair, found in done.compared)
    return Study(traces, [pair for pair in done.pairs if pair.runner in RUNNERS], export_over)


def _farthest(able: list[tuple[Pair, Difference]]) -> list[Pair]:
    """Of each runner the pair that is farthest from the reference; one that gives the reference's very answers has nothing to show."""
    apart = sorted(((pair, found) for pair, found in able if found.max_abs > 0), key=lambda one: one[1].max_abs)
    last = {pair.runner: pair for pair, _ in apart}
    return [last[name] for name in RUNNERS if name in last]


def worst_images(done: consistency.Study, pair: Pair, count: int) -> list[int]:
    """Indices of the `count` test images to look at: those with another class first, by the largest difference of a probability."""
    expected, got = done.answers[consistency.REFERENCE], done.answers[pair.key]
    same = expected.argmax(axis=1) == got.argmax(axis=1)
    return np.lexsort((-np.abs(got - expected).max(axis=1), same))[:count].tolist()


def _trace(session: Session, done: consistency.Study, pair: Pair, over: bool) -> Trace:
    images = worst_images(done, pair, min(IMAGES, session.profile.engines.max_batch))
    x, sha256 = datasets.to_input(session.images.x_test[images]), done.artifacts[pair.key]
    try:
        layers, probabilities = compare(session, pair, x)
    except ReportError as error:
        reason = Text(str(error), f"比較できなかった：{error}")
        return Trace(pair, over, images, [], sha256, reason=reason)
    apart = float(np.abs(probabilities - done.answers[pair.key][images]).max())
    return Trace(pair, over, images, layers, sha256, apart if np.isfinite(apart) else None)


def compare(session: Session, pair: Pair, x: np.ndarray) -> tuple[list[Layer], np.ndarray]:
    """The tensors that the FP32 ONNX and this runner's network share, in graph order, and the runner's probabilities.

    x: float32 (n, 32, 32, 3), n at most 32. Raises ReportError where the runner does not give them.
    """
    from lib import export

    full = _graph(export.onnx(session, "fp32").file("model.onnx"))
    named = {output: node.op_type for node in full.graph.node for output in node.output if node.op_type in OPERATORS}
    variant = _graph(export.onnx(session, _variant(pair)).file("model.onnx"))
    own = {output for node in variant.graph.node for output in node.output}
    shared = [tensor for tensor in named if tensor in own]
    base = marked(full, shared, x)
    got = _values(session, pair, variant, shared, x)
    layers = [_layer(i, tensor, named[tensor], got[tensor], base[tensor]) for i, tensor in enumerate(shared, 1)]
    return layers, got[model.OUTPUT]


def marked(network: onnx.ModelProto, tensors: list[str], x: np.ndarray, provider: Any = "CPUExecutionProvider") -> dict[str, np.ndarray]:
    """Values of `tensors` in ONNX Runtime, float32, from a copy of the network in which they are outputs.

    provider: an execution provider, with its options as a pair of name and dict.
    """
    import onnx
    import onnxruntime

    copy = onnx.ModelProto()
    copy.CopyFrom(network)
    there = {output.name for output in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=tensor) for tensor in tensors if tensor not in there)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    run = onnxruntime.InferenceSession(copy.SerializeToString(), options, [provider])
    return {name: value.astype(np.float32) for name, value in zip(tensors, run.run(tensors, {model.INPUT: x}), strict=True)}


def _graph(path: Any) -> onnx.ModelProto:
    import onnx

    return onnx.load(path)


def _variant(pair: Pair) -> str:
    """The exported ONNX that this runner's network comes from."""
    from lib import trt

    return trt.onnx_variant(pair.precision) if pair.runner == "tensorrt" else PRECISIONS[pair.precision].onnx


def _values(session: Session, pair: Pair, variant: onnx.ModelProto, tensors: list[str], x: np.ndarray) -> dict[str, np.ndarray]:
    from lib import trt
    from lib.runners import onnxrt

    if pair.runner == "tensorrt":
        return trt.intermediate(session, pair.precision, tensors, x)
    runner = {made.name: made for made in (onnxrt.OnnxRuntime, onnxrt.OnnxRuntimeCuda)}[pair.runner](session, pair.precision)
    return marked(variant, tensors, x, (runner.provider, runner.provider_options()))


def _layer(index: int, tensor: str, operator: str, got: np.ndarray, base: np.ndarray) -> Layer:
    if got.shape != base.shape:
        raise ReportError(f"tensor '{tensor}' has shape {got.shape}, in ONNX Runtime FP32 {base.shape}: not the same network")
    if not np.isfinite(got).all():
        return Layer(index, tensor, operator, None, None)
    apart, norm = got.astype(np.float64) - base, np.linalg.norm(base.astype(np.float64))
    relative = float(np.linalg.norm(apart) / norm) if norm else float(apart.any())
    return Layer(index, tensor, operator, relative, float(np.abs(apart).max()))


def records(done: Study) -> list[Record]:
    """relative_difference of every tensor, marking_difference of every runner; what could not run here with its reason."""
    made = []
    for trace in done.traces:
        common: dict[str, Any] = {"runner": trace.pair.runner, "precision": trace.pair.precision, "artifact_sha256": trace.artifact_sha256}
        case, stats = {"reference": YARDSTICK}, {"images": len(trace.images), "over_tolerance": trace.over}
        if trace.reason is not None:
            made.append(Record("relative_difference", "1", None, case=case, stats=stats, reason=trace.reason, **common))
            continue
        lost = NOT_FINITE if trace.marking is None else None
        made.append(
            Record("marking_difference", "1", trace.marking, case={"reference": trace.pair.key}, stats=stats, reason=lost, **common)
        )
        for layer in trace.layers:
            own = {"index": layer.index, "operator": layer.operator, "limit": trace.limit, "begins": layer == trace.begins}
            own |= {} if layer.max_abs is None else {"max_abs": layer.max_abs}
            reason = NOT_FINITE if layer.relative is None else None
            place = case | {"tensor": layer.tensor}
            made.append(Record("relative_difference", "1", layer.relative, case=place, stats=stats | own, reason=reason, **common))
    case = {"reference": YARDSTICK}
    absent = [pair for pair in done.pairs if not pair.answered]
    return made + [Record("relative_difference", "1", None, p.runner, p.precision, case=case, reason=p.reason) for p in absent]


def findings(done: Study) -> list[Finding]:
    """A note for every runner that was compared: where its difference begins, or how it grows. What did not run is in 05's own."""
    made = [_failed(trace) if trace.reason else _begins(trace) if trace.begins else _grows(trace) for trace in done.traces]
    if done.export_over:
        en = "ONNX Runtime (CPU) FP32 is itself over its tolerance against the SavedModel: that difference begins in the export."
        ja = "ONNX Runtime（CPU）のFP32自体がSavedModelに対する許容値を超えている。この差はエクスポートで生じている。"
        made.append(Finding("bad", Text(en, ja)))
    return made


def _failed(trace: Trace) -> Finding:
    name, reason = trace.pair.name, trace.reason or Text("", "")
    return Finding(
        "note", Text(f"{name.en} was not compared layer by layer: {reason.en}.", f"{name.ja}は層ごとに比較できなかった（{reason.ja}）。")
    )


def _begins(trace: Trace) -> Finding:
    name, first, marking = _named(trace), trace.begins, _marking(trace)
    assert first is not None
    size = NOT_FINITE if first.relative is None else Text(*[f"{first.relative:.1e}"] * 2)
    return Finding(
        "note",
        Text(
            f"Layer by layer, {name.en}: the difference from ONNX Runtime FP32 begins at {first.tensor} ({first.operator}, {first.index} "
            f"of {len(trace.layers)} tensors): {size.en}; the limit is {MULTIPLE} roundings, {trace.limit:.1e}.{marking.en}",
            f"{name.ja}を層ごとに比較すると、ONNX RuntimeのFP32との差は{first.tensor}（{first.operator}、テンソル{len(trace.layers)}個中"
            f"{first.index}番目）から始まる。相対差：{size.ja}（境界は丸め誤差の{MULTIPLE}倍、{trace.limit:.1e}）。{marking.ja}",
        ),
    )


def _grows(trace: Trace) -> Finding:
    """No tensor is over the limit: what there is has grown by rounding alone."""
    name, most, marking = _named(trace), max(trace.layers, key=lambda layer: layer.relative or 0.0), _marking(trace)
    return Finding(
        "note",
        Text(
            f"Layer by layer, {name.en}: no tensor is over {MULTIPLE} roundings ({trace.limit:.1e}); the largest relative difference is "
            f"{most.relative:.1e}, at {most.tensor} ({most.operator}, {most.index} of {len(trace.layers)} tensors).{marking.en}",
            f"{name.ja}を層ごとに比較しても、相対差が丸め誤差の{MULTIPLE}倍（{trace.limit:.1e}）を超えるテンソルはない。最大の相対差は"
            f"{most.tensor}（{most.operator}、テンソル{len(trace.layers)}個中{most.index}番目）での{most.relative:.1e}である。{marking.ja}",
        ),
    )


def _named(trace: Trace) -> Text:
    """The runner in words, and why it was chosen where it is within its tolerance."""
    name = trace.pair.name
    if trace.over:
        return name
    return Text(
        f"{name.en} (within its tolerance; of this runner's precisions the farthest from the SavedModel)",
        f"{name.ja}（許容内だが、この実行系の数値精度の中でSavedModelから最も離れている）",
    )


def _marking(trace: Trace) -> Text:
    """What it did to the answers that the tensors were made outputs."""
    if trace.marking is None:
        return Text("", "")
    changed = f"{trace.marking:.1e}"
    return Text(
        f" Reading the tensors changed a probability by up to {changed}.", f"テンソルの読み出しによる確率の変化は最大{changed}である。"
    )
