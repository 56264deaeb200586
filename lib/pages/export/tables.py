"""What notebook 02 asks of every exported model: size, structure, and whether it still answers as the SavedModel does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lib import stats
from lib.data import dataset as datasets
from lib.experiment.precision import PRECISIONS
from lib.measure import compare, predictions
from lib.pages.int8.tables import TOLERATED_LOSS
from lib.runners import RUNNERS
from lib.show import table as show
from lib.store.records import Record
from lib.text import Finding, Text

if TYPE_CHECKING:
    from lib.store.artifacts import Artifact
    from lib.store.session import Session

BATCHES = (1, 3)  # sizes that one exported file must take; their answers may differ by what rounding does
FORMATS = {"onnxrt": Text("ONNX", "ONNX"), "tflite": Text("TFLite", "TFLite")}  # runner that checks it -> format

FILES = Text("Every exported file.", "エクスポートした全ファイル。")
OPERATORS = Text("Number of nodes of each operator.", "演算子ごとのノード数。")
NUMBERS = Text("Against the SavedModel, on all test images.", "全テスト画像でのSavedModelとの比較。")
SAMPLES = Text("The test samples for runners outside Python.", "Python以外の実行系のためのテストサンプル。")


@dataclass(frozen=True)
class Export:
    """One exported model: the runner that checks it, its precision, and its artifact."""

    runner: str
    precision: str
    artifact: Artifact

    @property
    def label(self) -> Text:
        """Format and precision, such as "ONNX FP16"."""
        form, precision = FORMATS[self.runner], PRECISIONS[self.precision].label
        if self.runner == "tflite" and self.precision == "int8_qdq":  # quantized explicitly as well, but TFLite has no Q/DQ pairs
            precision = Text("INT8", "INT8")
        return Text(f"{form.en} {precision.en}", f"{form.ja} {precision.ja}")


def everything(session: Session) -> list[Export]:
    """Export the model in every format and precision, or take what is stored."""
    return [
        Export(runner, precision, _artifact(session, runner, precision)) for runner in FORMATS for precision in RUNNERS[runner].precisions
    ]


def measure(session: Session, exports: Sequence[Export]) -> list[Record]:
    """Records of each export: file_size (bytes), export_time (s, of the conversion when it was made), and against the
    SavedModel on all test images max_abs_difference, agreement, accuracy (with its interval); batch_difference (of
    the probabilities, when the same images come in batches of 1 and of 3)."""
    reference = predictions.of(session, "savedmodel", "fp32")
    return [record for one in exports for record in _measure(session, one, reference)]


def file_rows(exports: Sequence[Export]) -> list[dict[str, Any]]:
    """One dict an export for a table: label, size in MB, nodes, opset and the time that the conversion took in s."""
    return [
        {
            "label": one.label,
            "size": one.artifact.info["bytes"] / 1e6,
            "nodes": sum(one.artifact.info["nodes"].values()),
            "opset": one.artifact.info.get("opset"),
            "seconds": one.artifact.info["seconds"],
        }
        for one in exports
    ]


def file_columns() -> list[show.Column]:
    """The columns of `file_rows`."""
    return [
        show.Column("label", Text("Model", "モデル")),
        show.Column("size", Text("File", "ファイル"), "MB", 2, best="min"),
        show.Column("nodes", Text("Nodes", "ノード数"), digits=0),
        show.Column("opset", Text("Opset", "opset"), digits=0),
        show.Column("seconds", Text("Conversion", "変換時間"), "s", 1),
    ]


def operator_rows(exports: Sequence[Export], runner: str) -> list[dict[str, Any]]:
    """One dict an operator of one format's exports: operator, and the number of nodes by precision (None for none)."""
    own = {one.precision: one.artifact.info["nodes"] for one in exports if one.runner == runner}
    names = sorted({name for nodes in own.values() for name in nodes})
    return [{"operator": name, **{precision: nodes.get(name) for precision, nodes in own.items()}} for name in names]


def operator_columns(runner: str) -> list[show.Column]:
    """The columns of `operator_rows`."""
    first = show.Column("operator", Text(f"{FORMATS[runner].en} operator", f"{FORMATS[runner].ja}の演算子"))
    return [first, *(show.Column(key, PRECISIONS[key].label, digits=0) for key in RUNNERS[runner].precisions)]


def number_rows(exports: Sequence[Export], records: Sequence[Record]) -> list[dict[str, Any]]:
    """One dict an export for a table: label, largest difference (also of batches), agreement and accuracy in %."""
    found = []
    for one in exports:
        own = _own(records, one)
        accuracy = own["accuracy"]
        row = {"label": one.label, "difference": own["max_abs_difference"].value, "batch": own["batch_difference"].value}
        row |= {"agreement": 100 * (own["agreement"].value or 0.0), "accuracy": 100 * (accuracy.value or 0.0)}
        found.append(row | {key: 100 * accuracy.stats[key] for key in ("ci_low", "ci_high")})
    return found


def number_columns() -> list[show.Column]:
    """The columns of `number_rows`."""
    return [
        show.Column("label", Text("Model", "モデル")),
        show.Column("difference", Text("Largest difference", "最大絶対差"), digits=1, scientific=True),
        show.Column("agreement", Text("Same top-1 class", "top-1一致率"), "%", 2),
        show.Column("accuracy", Text("Accuracy", "正解率"), "%", 2, interval=("ci_low", "ci_high")),
        show.Column("batch", Text("Difference between batch sizes", "バッチサイズによる差"), digits=1, scientific=True),
    ]


def sample_rows(samples: Artifact) -> list[dict[str, Any]]:
    """One dict a file of the samples artifact: name and size in kB."""
    return [{"file": path.name, "size": path.stat().st_size / 1e3} for path in sorted(samples.path.iterdir())]


def sample_columns() -> list[show.Column]:
    """The columns of `sample_rows`."""
    return [show.Column("file", Text("File", "ファイル")), show.Column("size", Text("Size", "大きさ"), "kB", 1)]


def findings(exports: Sequence[Export], records: Sequence[Record]) -> list[Finding]:
    """What the exports say, by rule: within the tolerance of their precision (lib/experiment/precision.py) or not, INT8's loss, sizes."""
    found = [_tolerance(one, _own(records, one)) for one in exports]
    baseline = next(r.value for r in records if (r.metric, r.runner, r.precision) == ("accuracy", "onnxrt", "fp32"))
    for one in exports:
        if one.precision == "int8_qdq":
            found.append(_loss(one, (baseline or 0.0) - (_own(records, one)["accuracy"].value or 0.0)))
    return [*found, _sizes(exports)]


def _artifact(session: Session, runner: str, precision: str) -> Artifact:
    return RUNNERS[runner](session, precision).artifact  # type: ignore[attr-defined]  # runners of exported files have it


def _measure(session: Session, one: Export, reference: np.ndarray) -> list[Record]:
    answers, labels = predictions.of(session, one.runner, one.precision), session.images.y_test
    apart = compare.difference(reference, answers, ("savedmodel", one.label.en))
    correct = int((answers.argmax(1) == labels).sum())
    low, high = stats.wilson(correct, len(labels))
    tested = {"images": apart.images}

    def record(metric: str, unit: str, value: float, **counted: Any) -> Record:
        return Record(metric, unit, value, one.runner, one.precision, stats=counted, artifact_sha256=one.artifact.sha256)

    return [
        record("file_size", "bytes", float(one.artifact.info["bytes"])),
        record("export_time", "s", float(one.artifact.info["seconds"])),
        record("max_abs_difference", "1", apart.max_abs, **tested),
        record("agreement", "1", apart.agreement, disagreeing=len(apart.disagree), **tested),
        record("accuracy", "1", correct / len(labels), correct=correct, ci_low=low, ci_high=high, **tested),
        record("batch_difference", "1", _batch_difference(session, one), batch_sizes=list(BATCHES)),
    ]


def _batch_difference(session: Session, one: Export) -> float:
    """Largest difference between the answers to the same test images in batches of either size."""
    count = int(np.prod(BATCHES))
    images = datasets.to_input(session.images.x_test[:count])
    with RUNNERS[one.runner](session, one.precision) as run:
        answers = [np.concatenate([run.infer(images[at : at + size]).copy() for at in range(0, count, size)]) for size in BATCHES]
    return float(np.abs(answers[0] - answers[1]).max())


def _own(records: Sequence[Record], one: Export) -> dict[str, Record]:
    return {r.metric: r for r in records if (r.runner, r.precision) == (one.runner, one.precision)}


def _tolerance(one: Export, own: dict[str, Record]) -> Finding:
    """Within what the precision is expected to change, or a problem."""
    expected, apart = PRECISIONS[one.precision], own["max_abs_difference"].value or 0.0
    agreement, tested = own["agreement"].value or 0.0, own["agreement"].stats["images"]
    worst = max(apart, own["batch_difference"].value or 0.0)  # batches of two sizes must answer alike, too
    good = worst <= expected.max_abs_difference and agreement >= expected.min_agreement
    verdict = ("within", "範囲内") if good else ("outside", "範囲外")
    limits = f"{expected.max_abs_difference:.0e}, {expected.min_agreement:.1%}"
    en = f"{one.label.en}: largest difference from the SavedModel {apart:.1e}, top-1 agreement {agreement:.2%} on {tested:,} images"
    ja = f"{one.label.ja}：SavedModelとの最大絶対差は{apart:.1e}、テスト画像{tested:,}枚でのtop-1一致率は{agreement:.2%}"
    text = Text(f"{en}; {verdict[0]} what is tolerated ({limits}).", f"{ja}。許容{verdict[1]}（{limits}）。")
    return Finding("good" if good else "bad", text)


def _loss(one: Export, loss: float) -> Finding:
    over, points = loss > TOLERATED_LOSS, abs(100 * loss)
    change = ("below", "低い") if loss >= 0 else ("above", "高い")
    verdict = ("more than one point", "1ポイントを超える") if over else ("within one point", "1ポイント以内である")
    if not loss:
        return Finding("good", Text(f"{one.label.en}: the same accuracy as FP32.", f"{one.label.ja}：正解率はFP32と同じである。"))
    en = f"{one.label.en}: accuracy {points:.2f} points {change[0]} FP32, {verdict[0]}."
    ja = f"{one.label.ja}：正解率はFP32より{points:.2f}ポイント{change[1]}。差は{verdict[1]}。"
    return Finding("bad" if over else "good", Text(en, ja))


def _sizes(exports: Sequence[Export]) -> Finding:
    size = {(one.runner, one.precision): one.artifact.info["bytes"] for one in exports}
    half, int8 = (size["onnxrt", precision] / size["onnxrt", "fp32"] for precision in ("fp16", "int8_qdq"))
    en = f"Against FP32 the ONNX file in FP16 takes {half:.0%} of the space, in INT8 {int8:.0%}."
    ja = f"ONNXファイルの大きさは、FP32に対しFP16で{half:.0%}、INT8で{int8:.0%}である。"
    return Finding("note", Text(en, ja))
