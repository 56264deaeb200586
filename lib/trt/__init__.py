"""The one place that imports TensorRT: what it can do (versions), engines (build), what is in them (inspect), trust (plans).

Importing this package imports no TensorRT; the functions below do when they are called.
"""

from lib.trt.plans import engine, identity, load_plan
from lib.trt.versions import (
    FEATURES,
    NOT_INSTALLED,
    EngineError,
    Feature,
    flavour,
    module,
    name,
    not_buildable,
    onnx_variant,
    typed,
    unavailable,
    version,
)

__all__ = [
    "FEATURES",
    "NOT_INSTALLED",
    "EngineError",
    "Feature",
    "engine",
    "flavour",
    "identity",
    "load_plan",
    "module",
    "name",
    "not_buildable",
    "onnx_variant",
    "typed",
    "unavailable",
    "version",
]
