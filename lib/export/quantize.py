"""The FP32 ONNX in less: FP16; explicit INT8, Q/DQ nodes at inputs and weights of Conv, MatMul and Gemm, for every TensorRT from 8.0."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from lib.experiment.spec import ModelSpec
from lib.export import calibration, structure

VERSION = 1  # of the rules below; a change makes quantized models stale

# What TensorRT asks for: symmetric int8, zero point 0, weights per output channel, bias in floating point, and no
# Q/DQ between a convolution and its ReLU, which would keep TensorRT from fusing the two.
OPTIONS = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "QuantizeBias": False,
    "OpTypesToExcludeOutputQuantization": list(calibration.QUANTIZED_OPERATORS),
    "QDQOpTypePerChannelSupportToAxis": {"MatMul": 1},
    "QDQKeepRemovableActivations": True,
}
CACHE = "calibration.json"


def half(source: Path, spec: ModelSpec, target: Path) -> dict[str, Any]:
    """Convert `source` into `target`, weights and arithmetic in FP16, input and output in float32; returns the manifest's info.

    Source: onnxruntime.transformers.float16.convert_float_to_float16, the copy of onnxconverter-common's that ONNX Runtime keeps up.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    started = time.perf_counter()
    converted = OnnxModel(convert_float_to_float16(onnx.load(source), keep_io_types=True))
    converted.topological_sort(is_deterministic=True)  # the converter appends its casts at the end
    onnx.save(converted.model, target)
    return structure.check(target, spec) | {"seconds": round(time.perf_counter() - started, 2)}


def build(source: Path, spec: ModelSpec, images: np.ndarray, method: str, percentile: float, folder: Path) -> dict[str, Any]:
    """Calibrate and quantize the FP32 ONNX `source` into `folder/model.onnx`; returns the manifest's info.

    images: model inputs, none of them a test image. Also writes the ranges to `folder/calibration.json`.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        prepared = prepare(source, Path(scratch) / "prepared.onnx")
        histograms = calibration.Histograms(prepared, spec)
        histograms.add(images)
        apply(prepared, histograms.ranges(method, percentile), folder / "model.onnx", folder / CACHE)
    info = structure.check(folder / "model.onnx", spec)
    return info | {"method": method, "calibration_images": len(images), "seconds": round(time.perf_counter() - started, 2)}


def prepare(source: Path, target: Path) -> Path:
    """Write the FP32 network with shapes inferred and constants folded, as quantization wants it. Returns `target`.

    Source: onnxruntime.quantization.quant_pre_process.
    """
    from onnxruntime.quantization import quant_pre_process

    quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
    return target


def apply(prepared: Path, ranges: calibration.Ranges, target: Path, cache: Path) -> None:
    """Write the prepared network with Q/DQ nodes for these ranges to `target`, and {tensor: [lowest, highest]} to `cache`.

    Source: onnxruntime.quantization.quantize_static from where it has its ranges. Called itself it would calibrate, as
    releases before 1.24 (the last for CUDA 12 and for Python 3.10 among them) do not take ranges.
    """
    from onnxruntime.quantization import CalibrationMethod, QDQQuantizer, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.quant_utils import load_model_with_shape_infer

    cache.write_text(json.dumps({name: [float(low), float(high)] for name, (low, high) in ranges.items()}, indent=1), encoding="utf-8")
    known = TensorsData(CalibrationMethod.MinMax, {name: (np.array(low), np.array(high)) for name, (low, high) in ranges.items()})
    network, operators = load_model_with_shape_infer(prepared), list(calibration.QUANTIZED_OPERATORS)
    quantizer = QDQQuantizer(network, True, False, QuantType.QInt8, QuantType.QInt8, known, [], [], operators, OPTIONS)
    quantizer.quantize_model()
    quantizer.model.save_model_to_file(str(target), False)
