"""What a trained classifier is worth: accuracy with its interval, what it confuses, how it was trained."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lib import stats
from lib.errors import ArtifactError
from lib.show import table as show
from lib.store.records import Record
from lib.text import Finding, Text

if TYPE_CHECKING:
    from lib.data.dataset import Images
    from lib.store.artifacts import Artifact
    from lib.store.session import Session

EXAMPLES_SEED = 0

LAYERS = Text("Layers that hold parameters or change the resolution.", "パラメータをもつ層と、解像度を変える層。")
RESULT = Text("The trained classifier on all test images.", "学習済み分類器の全テスト画像での結果。")


class Examples(NamedTuple):
    """Indices of test images, int64: some that the classifier gets right, and its most confident mistakes."""

    right: np.ndarray
    wrong: np.ndarray


def history(trained: Artifact) -> list[dict[str, float]]:
    """One dict an epoch: loss, accuracy, val_loss, val_accuracy, learning_rate, seconds. Raises ArtifactError if unreadable."""
    path = trained.file("history.json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: no history of a training ({error}); remove {trained.path.parent} to train again") from None


def accuracy(probabilities: np.ndarray, labels: np.ndarray, artifact_sha256: str = "") -> Record:
    """Top-1 accuracy (a fraction) of (N, classes) probabilities against (N,) labels, with its 95 % Wilson interval.

    stats: correct and images (counts), ci_low and ci_high (fractions), chance (share of the largest class).
    """
    correct, total = int((probabilities.argmax(1) == labels).sum()), len(labels)
    low, high = stats.wilson(correct, total)
    chance = float(np.bincount(labels).max() / total)
    counts = {"correct": correct, "images": total, "ci_low": low, "ci_high": high, "chance": chance}
    return Record("accuracy", "1", correct / total, runner="savedmodel", precision="fp32", stats=counts, artifact_sha256=artifact_sha256)


def training_records(trained: Artifact) -> list[Record]:
    """The time that training took (s, measured when this model was trained) and the number of parameters."""
    epochs = {"epochs": len(history(trained))}
    return [
        Record("training_time", "s", float(trained.info["seconds"]), stats=epochs, artifact_sha256=trained.sha256),
        Record("parameters", "1", float(trained.info["parameters"]), artifact_sha256=trained.sha256),
    ]


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """How often class `row` was taken for class `column`: int64 (classes, classes) from two (N,) arrays of classes."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def examples(probabilities: np.ndarray, labels: np.ndarray, count: int) -> Examples:
    """At most `count` of each: images that are right, drawn at random with a fixed seed, and the most confident mistakes."""
    predicted = probabilities.argmax(1)
    right, wrong = np.flatnonzero(predicted == labels), np.flatnonzero(predicted != labels)
    drawn = np.random.default_rng(EXAMPLES_SEED).permutation(right)[:count]
    return Examples(np.sort(drawn), wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")][:count])


def dataset_rows(session: Session) -> list[dict[str, Any]]:
    """Rows (split, images, use) of the training, validation and test images, for a table."""
    from lib.models import train as training

    x_train, _, x_val, _ = training.split(session.profile.train, session.images)
    return [
        {"split": Text("training", "訓練"), "images": len(x_train), "use": Text("weights", "重みの学習")},
        {
            "split": Text("validation", "検証"),
            "images": len(x_val),
            "use": Text("learning curves, choice of the calibration method", "学習曲線、キャリブレーション方法の選択"),
        },
        {
            "split": Text("test", "テスト"),
            "images": len(session.images.x_test),
            "use": Text("accuracy, agreement, differences", "正解率、一致率、差"),
        },
    ]


def layer_rows(trained: Artifact) -> list[dict[str, Any]]:
    """Rows (layer, kind, shape, parameters) of the layers that hold parameters or change the resolution, for a table."""
    from lib.models import vgg as model

    layers = [layer for layer in model.load_keras(trained).layers if layer.count_params() or "Pool" in type(layer).__name__]
    return [
        {
            "layer": layer.name,
            "kind": type(layer).__name__,
            "shape": " × ".join(str(size) for size in layer.output.shape[1:]),
            "parameters": layer.count_params(),
        }
        for layer in layers
    ]


def result_row(measured: Record, trained: Artifact) -> dict[str, Any]:
    """The one row of the result table: accuracy and its interval in %, counts, chance in %, parameters, training time in s."""
    shares = {key: 100 * measured.stats[key] for key in ("ci_low", "ci_high", "chance")}
    counts = {key: measured.stats[key] for key in ("correct", "images")}
    return shares | counts | {"accuracy": 100 * (measured.value or 0.0), **{key: trained.info[key] for key in ("parameters", "seconds")}}


def result_columns() -> list[show.Column]:
    """The columns of `result_row`."""
    return [
        show.Column("accuracy", Text("Accuracy", "正解率"), "%", 2, interval=("ci_low", "ci_high")),
        show.Column("correct", Text("Correct", "正解数"), digits=0),
        show.Column("images", Text("Test images", "テスト画像数"), digits=0),
        show.Column("chance", Text("By guessing", "当て推量"), "%", 1),
        show.Column("parameters", Text("Parameters", "パラメータ数"), digits=0),
        show.Column("seconds", Text("Training time", "学習時間"), "s", 1),
    ]


def findings(session: Session, measured: Record, trained: Artifact, matrix: np.ndarray) -> list[Finding]:
    """What training came to, by rule: accuracy against chance and the profile's minimum, loss, confusions, cost."""
    found = [_accuracy_finding(measured, session.profile.train.minimum_accuracy)]
    if not all(math.isfinite(epoch["loss"]) for epoch in history(trained)):
        found.append(Finding("bad", Text("The training loss is not finite: training diverged.", "訓練損失が有限でない。学習は発散した。")))
    found += _confusion_finding(matrix, session.images)
    millions, seconds = trained.info["parameters"] / 1e6, trained.info["seconds"]
    epochs = len(history(trained))
    found.append(
        Finding(
            "note",
            Text(
                f"{millions:.2f} million parameters, {epochs} epochs, trained in {seconds:,.0f} s.",
                f"パラメータ数は {millions:.2f} × 10⁶、{epochs} エポックの学習に {seconds:,.0f} 秒を要した。",
            ),
        )
    )
    return found


def _accuracy_finding(measured: Record, minimum: float) -> Finding:
    s, value = measured.stats, measured.value or 0.0
    en = f"Accuracy on all {s['images']:,} test images: {value:.2%} (95% interval {s['ci_low']:.2%} to {s['ci_high']:.2%})"
    ja = f"テスト画像 {s['images']:,} 枚すべてでの正解率は {value:.2%}（95% 信頼区間 {s['ci_low']:.2%}～{s['ci_high']:.2%}）"
    if s["ci_low"] <= s["chance"]:
        chance = s["chance"]
        return Finding("bad", Text(f"{en}: no better than guessing ({chance:.1%}).", f"{ja}であり、当て推量（{chance:.1%}）と変わらない。"))
    if value < minimum:
        return Finding(
            "bad", Text(f"{en}: below the profile's minimum of {minimum:.0%}.", f"{ja}であり、プロファイルの下限 {minimum:.0%} を下回る。")
        )
    if s["ci_low"] < minimum:
        reach = Text(
            f"{en}; the interval reaches below the minimum of {minimum:.0%}.", f"{ja}であり、信頼区間は下限 {minimum:.0%} にかかる。"
        )
        return Finding("note", reach)
    return Finding(
        "good", Text(f"{en}, over the profile's minimum of {minimum:.0%}.", f"{ja}であり、プロファイルの下限 {minimum:.0%} を上回る。")
    )


def _confusion_finding(matrix: np.ndarray, images: Images) -> list[Finding]:
    """The pair of classes that is confused most often, if any is."""
    mistakes = matrix - np.diag(np.diag(matrix))
    if not mistakes.any():
        return []
    truth, taken = np.unravel_index(mistakes.argmax(), mistakes.shape)
    a, b, n, of = images.class_names[truth], images.class_names[taken], mistakes[truth, taken], matrix[truth].sum()
    text = Text(
        f"Most frequent confusion: {a} taken for {b}, {n} of {of} images.",
        f"最も多い取り違えは {a} を {b} とするもので、{of} 枚中 {n} 枚である。",
    )
    return [Finding("note", text)]
