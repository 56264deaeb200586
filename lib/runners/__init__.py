"""RUNNERS: the backends of the experiment, one class each. Importing it imports none of their libraries.

With lib/experiment/precision.py it is the whole experiment: every runner at each of its precisions is one row of the report.
A new backend is one class (lib/runners/base.py) and one entry here; tests/test_runners.py then tests it.
"""

from __future__ import annotations

from lib.runners.base import Runner
from lib.runners.cpp import Cpp
from lib.runners.null import Null
from lib.runners.onnxrt import OnnxRuntime, OnnxRuntimeCuda
from lib.runners.savedmodel import SavedModel
from lib.runners.tensorrt import TensorRT
from lib.runners.tflite import TFLite

RUNNERS: dict[str, type[Runner]] = {r.name: r for r in (SavedModel, OnnxRuntime, OnnxRuntimeCuda, TFLite, TensorRT, Cpp, Null)}
