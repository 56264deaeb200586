"""Engines of a session's model: what can be built here (available), calibration (calibrate), stored engines (stored), trust (bound), looks
into them (probe). TensorRT itself is lib.trt; the functions below import it when they are called.
"""
# ruff: noqa: F401  what this package offers

from lib.plans.available import NOT_INSTALLED, not_buildable, onnx_variant, unavailable
from lib.plans.calibrate import Calibration
from lib.plans.calibrate import default as default_calibration
from lib.plans.probe import LayerTime, intermediate, layer_times
from lib.plans.stored import PLAN, engine, identity, plan_sha256, trusted
