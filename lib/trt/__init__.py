"""The one place that imports TensorRT: what it can do (versions), calibration (calibrate), engines (build), what is in
them (inspect, probe), trust (bound, plans), running (execution).

Importing this package imports no TensorRT; the functions below do when they are called.
"""
# ruff: noqa: F401  what this package offers

from lib.trt.calibrate import Calibration
from lib.trt.calibrate import default as default_calibration
from lib.trt.plans import PLAN, engine, identity, plan_sha256, trusted
from lib.trt.probe import LayerTime, intermediate, layer_times
from lib.trt.versions import (
    FEATURES,
    NOT_INSTALLED,
    EngineError,
    flavour,
    module,
    name,
    not_buildable,
    onnx_variant,
    typed,
    unavailable,
    version,
)
