"""PRECISIONS: the numerical precisions of the experiment, one row each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lib.text import Text


@dataclass(frozen=True)
class Precision:
    """One precision a model is run in.

    onnx: which exported ONNX carries it where the runtime takes a typed network ("fp32", "fp16", "int8_qdq").
    flags: TensorRT builder flags that ask for it on weakly typed networks (8.x to 10.x); "!X" clears flag X.
    calibrator: implicit INT8 needs one ("" for none).
    max_abs_difference: largest difference of a probability from the FP32 SavedModel that is expected, not alarming.
    min_agreement: smallest expected share of test images with the same top-1 class as the SavedModel.
    colour: of this precision in every figure (Okabe & Ito's colour-blind-safe palette).
    """

    key: str
    label: Text
    onnx: str
    flags: tuple[str, ...]
    calibrator: str
    max_abs_difference: float
    min_agreement: float
    colour: str


CALIBRATED = Text("INT8 (calibrated)", "INT8（キャリブレーション）")  # apart, so that a precision is one row

PRECISIONS: dict[str, Precision] = {
    p.key: p
    for p in (
        Precision("fp32", Text("FP32", "FP32"), "fp32", ("!TF32",), "", 1e-5, 1.0, "#0072B2"),
        Precision("tf32", Text("TF32", "TF32"), "fp32", ("TF32",), "", 1e-2, 0.998, "#56B4E9"),
        Precision("fp16", Text("FP16", "FP16"), "fp16", ("!TF32", "FP16"), "", 2e-2, 0.998, "#009E73"),
        Precision("int8", CALIBRATED, "fp32", ("!TF32", "INT8"), "entropy", 0.5, 0.97, "#E69F00"),
        Precision("int8_fp16", Text("INT8 + FP16", "INT8+FP16"), "fp32", ("!TF32", "INT8", "FP16"), "entropy", 0.5, 0.97, "#CC79A7"),
        Precision("int8_qdq", Text("INT8 (explicit)", "INT8（明示的）"), "int8_qdq", ("!TF32", "INT8"), "", 0.5, 0.97, "#D55E00"),
    )
}


def listed(found: Iterable[tuple[Text, str]]) -> Text:
    """Pairs of a runner's label and a precision (key of PRECISIONS) in words, each runner once with all its precisions."""
    by: dict[Text, list[Text]] = {}
    for runner, precision in found:
        by.setdefault(runner, []).append(PRECISIONS[precision].label)
    return Text(
        "; ".join(f"{runner.en} {', '.join(label.en for label in labels)}" for runner, labels in by.items()),
        "；".join(f"{runner.ja} {'、'.join(label.ja for label in labels)}" for runner, labels in by.items()),
    )


def named(runner: Text, precision: str) -> Text:
    """A runner's label and a precision (key of PRECISIONS) as reports call the two together."""
    label = PRECISIONS[precision].label
    return Text(f"{runner.en} {label.en}", f"{runner.ja} {label.ja}")
