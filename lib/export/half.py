"""ONNX in FP16: weights and arithmetic in half precision, input and output in float32."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from lib.export import structure


def build(source: Path, target: Path) -> dict[str, Any]:
    """Convert the FP32 ONNX `source` into `target` and check it; returns the manifest's info.

    Source: onnxruntime.transformers.float16.convert_float_to_float16, the copy of onnxconverter-common's converter
    that ONNX Runtime keeps up; it needs nothing but onnx and numpy.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    started = time.perf_counter()
    converted = OnnxModel(convert_float_to_float16(onnx.load(source), keep_io_types=True))
    converted.topological_sort(is_deterministic=True)  # the converter appends its casts at the end
    onnx.save(converted.model, target)
    return structure.check(target) | {"seconds": round(time.perf_counter() - started, 2)}
