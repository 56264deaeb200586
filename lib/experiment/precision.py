"""PRECISIONS: the numerical precisions of the experiment, one row each, which holds all that differs between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lib.text import Text


@dataclass(frozen=True, kw_only=True)
class Precision:
    """One precision a model is run in. A family of backends whose model is "" does not run it.

    colour: in every figure (Okabe & Ito's colour-blind-safe palette).
    max_abs_difference: largest difference of an output from the reference that is expected, not alarming, relative to how far the
    reference's outputs spread (lib/pages/tolerance.py).
    min_agreement: smallest expected share of test images with the same top-1 class as the reference.
    unit_roundoff: half the distance of neighbouring numbers, relative to the number (floats) or to the largest that is represented (INT8).
    weights: NumPy's name of the type that the exported model stores weights in.

    onnxrt, onnxrt_cuda: the exported ONNX that ONNX Runtime runs on the CPU and on a GPU; cuda_options: of its CUDA provider.
    tflite: the exported TFLite model.

    trt_onnx: the exported ONNX that TensorRT builds from; trt_typed_onnx: the one where its types alone decide (11, RTX), "" for the same.
    trt_flags: builder flags that ask for it on weakly typed networks (8.x to 10.x); "!X" clears flag X.
    calibrator: of implicit INT8 ("" for none).
    layer_types: what engine inspectors may call the type of a convolution or matrix product: the one asked for first, at least one
    layer has it; then those that the builder may choose where they are faster. also_asked: which of those were asked for as well.
    product_type: of the products in a typed network.
    """

    key: str
    label: Text
    colour: str
    max_abs_difference: float
    min_agreement: float
    unit_roundoff: float
    weights: str = "float32"
    onnxrt: str = ""
    onnxrt_cuda: str = ""
    cuda_options: Mapping[str, str] = field(default_factory=lambda: {"use_tf32": "0"}, hash=False)
    tflite: str = ""
    trt_onnx: str = ""
    trt_typed_onnx: str = ""
    trt_flags: tuple[str, ...] = ()
    calibrator: str = ""
    layer_types: tuple[str, ...] = ()
    also_asked: tuple[str, ...] = ()
    product_type: str = ""

    @property
    def asked_types(self) -> tuple[str, ...]:
        """The types that were asked for: a heavy layer of an engine runs in one of them, or elsewhere by the builder's choice."""
        return self.layer_types[:1] + self.also_asked


FP32 = Precision(
    key="fp32",
    label=Text("FP32", "FP32"),
    colour="#0072B2",
    max_abs_difference=1e-4,
    min_agreement=0.9995,
    unit_roundoff=2.0**-24,
    onnxrt="fp32",
    onnxrt_cuda="fp32",
    tflite="fp32",
    trt_onnx="fp32",
    trt_flags=("!TF32",),
    layer_types=("fp32",),
    product_type="fp32",
)
TF32 = Precision(
    key="tf32",
    label=Text("TF32", "TF32"),
    colour="#56B4E9",
    max_abs_difference=1e-2,
    min_agreement=0.998,
    unit_roundoff=2.0**-11,
    onnxrt_cuda="fp32",
    cuda_options={"use_tf32": "1"},
    trt_onnx="fp32",
    trt_flags=("TF32",),
    layer_types=("tf32", "fp32"),
    product_type="fp32",
)
FP16 = Precision(
    key="fp16",
    label=Text("FP16", "FP16"),
    colour="#009E73",
    max_abs_difference=2e-2,
    min_agreement=0.998,
    unit_roundoff=2.0**-11,
    weights="float16",
    onnxrt="fp16",
    onnxrt_cuda="fp16",
    tflite="fp16",
    trt_onnx="fp32",
    trt_typed_onnx="fp16",
    trt_flags=("!TF32", "FP16"),
    layer_types=("fp16", "fp32"),
    product_type="fp16",
)
INT8 = Precision(
    key="int8",
    label=Text("INT8 (calibrated)", "INT8（キャリブレーション）"),
    colour="#E69F00",
    max_abs_difference=0.5,
    min_agreement=0.97,
    unit_roundoff=1 / 254,
    weights="int8",
    trt_onnx="fp32",
    trt_flags=("!TF32", "INT8"),
    calibrator="entropy",
    layer_types=("int8", "fp32"),
    product_type="int8",
)
INT8_FP16 = replace(
    INT8,
    key="int8_fp16",
    label=Text("INT8 + FP16", "INT8+FP16"),
    colour="#CC79A7",
    trt_flags=("!TF32", "INT8", "FP16"),
    layer_types=("int8", "fp16", "fp32"),
    also_asked=("fp16",),
)
INT8_QDQ = replace(
    INT8,
    key="int8_qdq",
    label=Text("INT8 (explicit)", "INT8（明示的）"),
    colour="#D55E00",
    onnxrt="int8_qdq",  # not onnxrt_cuda: it has no quantized convolutions and would compute Q/DQ models in FP32
    tflite="int8",
    trt_onnx="int8_qdq",
    calibrator="",
)

PRECISIONS: dict[str, Precision] = {row.key: row for row in (FP32, TF32, FP16, INT8, INT8_FP16, INT8_QDQ)}


def of_type(name: str) -> Precision | None:
    """The row that asks TensorRT's layers for a type (`layer_types`), for its label and colour; None for a type of no row."""
    return next((row for row in PRECISIONS.values() if row.layer_types[:1] == (name,)), None)
