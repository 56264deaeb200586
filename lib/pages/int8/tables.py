"""The calibration study: how INT8 accuracy depends on the calibration method and on the number of images."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib import export, progress, stats
from lib.data import dataset as datasets
from lib.measure import predictions
from lib.models import train as training
from lib.show import table as show
from lib.store.records import Record
from lib.text import Finding, Text

if TYPE_CHECKING:
    from lib.store.session import Session

TOLERATED_LOSS = 0.01  # of accuracy: one percentage point
SETTLED = 0.002  # share of test images: counts whose disagreement is this close to the largest count's are as good
RUNNER, PRECISION = "onnxrt", "int8_qdq"
BATCH = predictions.BATCH  # so that a model that is both exported and studied answers the same in both
METHOD_NAMES = {
    "entropy": Text("entropy", "エントロピー"),
    "minmax": Text("min-max", "最小最大"),
    "percentile": Text("percentile", "パーセンタイル"),
}

TABLE = Text("Every method and number of images, on all test images.", "全テスト画像での、方法と画像数の各組み合わせの結果。")
WHERE = Text("ONNX Runtime", "ONNX Runtime")


def study(session: Session) -> list[Record]:
    """Calibrate, quantize and test every method × image count of the profile through ONNX Runtime on the CPU.

    Records, for precision fp32 and for int8_qdq with case {"method", "images"}: `accuracy` (fraction of all test
    images; stats: correct, tested, ci_low, ci_high) and, for int8_qdq, `disagreement` (fraction whose top-1 class
    is not that of FP32; the same stats, and `disagreeing`). Each count's images begin with those of the smaller
    count, so one pass over the largest subset serves all.
    """
    from lib.export import calibration, quantize

    settings, reference = session.profile.int8, predictions.of(session, "onnxrt", "fp32").argmax(1)
    source = export.onnx(session, "fp32")
    full = {"runner": RUNNER, "precision": "fp32", "artifact_sha256": source.sha256}
    records = [accuracy_record(reference, session.images.y_test, full)]
    counts = image_counts(session)
    x_train, *_ = training.split(session.profile.train, session.images)
    images = datasets.calibration_subset(x_train, counts[-1], session.profile.train.seed)
    with tempfile.TemporaryDirectory() as folder, progress.bar(len(counts) * len(settings.methods), "INT8 calibrations") as bar:
        prepared = quantize.prepare(source.file(export.ONNX_FILE), Path(folder) / "prepared.onnx")
        histograms = calibration.Histograms(prepared)
        for before, count in zip((0, *counts), counts, strict=False):
            histograms.add(images[before:count])
            for method in settings.methods:
                ranges = histograms.ranges(method, settings.percentile)
                records += _measure(session, prepared, ranges, {"method": method, "images": count}, reference)
                bar.update(1)
    return records


def image_counts(session: Session) -> list[int]:
    """The profile's image counts, ascending, each at most the number of training images there are."""
    there = len(training.split(session.profile.train, session.images)[0])
    return sorted({min(count, there) for count in session.profile.int8.image_counts})


def rows(records: Sequence[Record], precision: str = PRECISION) -> list[dict[str, Any]]:
    """One dict a calibration for a table: method (Text), images, accuracy, ci_low, ci_high, loss and disagreement in %."""
    baseline = 100 * value(records, "accuracy", "fp32")
    found = []
    for accuracy, disagreement in pairs(records, precision):
        own = 100 * (accuracy.value or 0.0)
        found.append(
            {
                "method": METHOD_NAMES[accuracy.case["method"]],
                "images": accuracy.case["images"],
                "accuracy": own,
                "ci_low": 100 * accuracy.stats["ci_low"],
                "ci_high": 100 * accuracy.stats["ci_high"],
                "loss": baseline - own,
                "disagreement": 100 * (disagreement.value or 0.0),
            }
        )
    return sorted(found, key=lambda row: (row["method"].en, row["images"]))


def columns() -> list[show.Column]:
    """The columns of `rows`."""
    return [
        show.Column("method", Text("Method", "方法")),
        show.Column("images", Text("Calibration images", "キャリブレーション画像数"), digits=0),
        show.Column("accuracy", Text("Accuracy", "正解率"), "%", 2, interval=("ci_low", "ci_high")),
        show.Column("loss", Text("Below FP32", "FP32からの低下"), "pp", 2),
        show.Column("disagreement", Text("Other answer than FP32", "FP32と異なる回答"), "%", 2),
    ]


def findings(session: Session, records: Sequence[Record]) -> list[Finding]:
    """What the study says, by rule: a loss over one point, the steadiest method, when more images stop to matter."""
    measured = pairs(records)
    largest = max(accuracy.case["images"] for accuracy, _ in measured)
    at_largest = {a.case["method"]: (a, d) for a, d in measured if a.case["images"] == largest}
    baseline = value(records, "accuracy", "fp32")
    found = [_loss(method, baseline - (accuracy.value or 0.0), largest) for method, (accuracy, _) in at_largest.items()]
    found.append(steadiest([disagreement for _, disagreement in at_largest.values()], WHERE))
    found += [settling(method, measured, WHERE) for method in at_largest]
    return found + _capped(session)


def accuracy_record(classes: np.ndarray, labels: np.ndarray, common: dict[str, Any]) -> Record:
    """`accuracy` of classes against labels, int64 (N,) each, with its Wilson interval. common: runner, precision, case, artifact."""
    counted = _share(int((classes == labels).sum()), len(labels), "correct")
    return Record("accuracy", "1", counted["correct"] / len(labels), stats=counted, **common)


def disagreement_record(classes: np.ndarray, reference: np.ndarray, common: dict[str, Any]) -> Record:
    """`disagreement`: the share of classes, int64 (N,), that are not the reference's, with its Wilson interval."""
    counted = _share(int((classes != reference).sum()), len(classes), "disagreeing")
    return Record("disagreement", "1", counted["disagreeing"] / len(classes), stats=counted, **common)


def pairs(records: Sequence[Record], precision: str = PRECISION) -> list[tuple[Record, Record]]:
    """(accuracy, disagreement) of every calibration of `precision` that was measured."""
    own = [r for r in records if r.precision == precision and r.metric in ("accuracy", "disagreement") and r.value is not None]
    by_case = {(r.metric, r.case["method"], r.case["images"]): r for r in own}
    return [(r, by_case["disagreement", method, images]) for (metric, method, images), r in by_case.items() if metric == "accuracy"]


def value(records: Sequence[Record], metric: str, precision: str) -> float:
    """The first number of a metric at a precision. Raises StopIteration where there is none."""
    return next(r.value for r in records if r.metric == metric and r.precision == precision and r.value is not None)


def steadiest(disagreements: Sequence[Record], where: Text) -> Finding:
    """The method that changes the fewest answers, or that this cannot be told: the 95 % intervals of others reach into its own.

    disagreements: of one number of images, one record a method; where: what calibrated.
    """
    best, images = min(disagreements, key=lambda r: r.value or 0.0), disagreements[0].case["images"]
    alike = [r for r in disagreements if r.stats["ci_low"] <= best.stats["ci_high"]]
    shares = [(METHOD_NAMES[r.case["method"]], f"{r.value:.2%}") for r in alike]
    en, ja = ", ".join(f"{name.en} {share}" for name, share in shares), "、".join(f"{name.ja}法 {share}" for name, share in shares)
    if len(alike) == 1:
        en, ja = f"the fewest answers change by: {en}", f"FP32と異なる回答が最も少ない方法：{ja}"
    elif len(alike) == len(disagreements):
        en = f"the methods are not told apart by how many answers change: {en} (their 95 % intervals overlap)"
        ja = f"FP32と異なる回答の割合からは方法の優劣を判定できない。{ja}（95%信頼区間が重なる）"
    else:
        en = f"the fewest answers change by these, which are not told apart: {en} (their 95 % intervals overlap)"
        ja = f"FP32と異なる回答が少ないのは次の方法であり、互いの優劣は判定できない。{ja}（95%信頼区間が重なる）"
    return Finding("note", Text(f"{where.en}: with {images:,} images {en}.", f"{where.ja}：{images:,}枚のとき、{ja}。"))


def settling(method: str, measured: Sequence[tuple[Record, Record]], where: Text) -> Finding:
    """From how many images on this method's disagreement stays as close to the largest count's as SETTLED."""
    own = sorted(((d.case["images"], d.value or 0.0) for _, d in measured if d.case["method"] == method), reverse=True)
    enough = own[0][0]
    for count, share in own:
        if abs(share - own[0][1]) > SETTLED:
            break
        enough = count
    name, points = METHOD_NAMES[method], 100 * SETTLED
    ja = f"{name.ja}法：{enough:,}枚以上では、FP32との不一致率（{where.ja}）の変動は{points:.1f}ポイント以下にとどまる。"
    en = (
        f"{name.en.capitalize()}: from {enough:,} images on, "
        f"the disagreement with FP32 ({where.en}) moves by no more than {points:.1f} points."
    )
    return Finding("note", Text(en, ja))


def _measure(session: Session, prepared: Path, ranges: Any, case: dict[str, Any], reference: np.ndarray) -> list[Record]:
    """Quantize with these ranges, test, forget the model; its hash stays in the records."""
    from lib.export import quantize
    from lib.store import files

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / export.ONNX_FILE
        quantize.apply(prepared, ranges, target, Path(folder) / quantize.CACHE)
        started = time.perf_counter()
        classes = _classes(target, session.images.x_test)
        seconds, digest = time.perf_counter() - started, files.sha256(target)
    common = {"runner": RUNNER, "precision": PRECISION, "case": case, "artifact_sha256": digest}
    accuracy = accuracy_record(classes, session.images.y_test, common)
    accuracy.stats["seconds"] = round(seconds, 3)
    return [accuracy, disagreement_record(classes, reference, common)]


def _classes(network: Path, images: np.ndarray) -> np.ndarray:
    """Top-1 classes, int64 (N,), of uint8 (N, 32, 32, 3) images through ONNX Runtime on the CPU."""
    import onnxruntime

    from lib.models import vgg as model
    from lib.runners import host

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = host.threads()
    options.log_severity_level = 3  # errors only
    run = onnxruntime.InferenceSession(str(network), options, ["CPUExecutionProvider"])
    batches = (datasets.to_input(images[first : first + BATCH]) for first in range(0, len(images), BATCH))
    return np.concatenate([run.run([model.OUTPUT], {model.INPUT: batch})[0].argmax(1) for batch in batches])


def _share(count: int, tested: int, name: str) -> dict[str, Any]:
    low, high = stats.wilson(count, tested)
    return {name: count, "tested": tested, "ci_low": low, "ci_high": high}


def _loss(method: str, loss: float, images: int) -> Finding:
    """A loss over a point is a problem where it is the exported model's method, else a reason not to take that method."""
    name, points = METHOD_NAMES[method], 100 * loss
    over = loss > TOLERATED_LOSS
    level = ("bad" if method == export.CALIBRATION else "note") if over else "good"
    verdict = ("more than one point", "1ポイントを超える") if over else ("within one point", "1ポイント以内である")
    side = ("below", "低い") if points >= 0 else ("above", "高い")
    en = f"INT8 ({WHERE.en}), {name.en}, {images:,} images: {abs(points):.2f} points {side[0]} FP32 in accuracy, {verdict[0]}."
    ja = f"INT8（{WHERE.ja}、{name.ja}法、{images:,}枚）の正解率はFP32に比べ{abs(points):.2f}ポイント{side[1]}。差は{verdict[1]}。"
    if not loss:
        en = f"INT8 ({WHERE.en}), {name.en}, {images:,} images: the same accuracy as FP32."
        ja = f"INT8（{WHERE.ja}、{name.ja}法、{images:,}枚）の正解率はFP32と同じである。"
    return Finding(level, Text(en, ja))


def _capped(session: Session) -> list[Finding]:
    asked, there = max(session.profile.int8.image_counts), len(training.split(session.profile.train, session.images)[0])
    if asked <= there:
        return []
    en = f"The profile asks for {asked:,} calibration images; there are {there:,} training images, so {there:,} were used."
    ja = f"プロファイルの指定は{asked:,}枚だが、訓練画像は{there:,}枚しかないため、{there:,}枚を用いた。"
    return [Finding("note", Text(en, ja))]
