"""The one place that imports TensorRT: what it can do (versions), INT8 ranges (calibrators), building (build), what is in an engine
(inspect), running (execution). Engines of a session's model are lib.plans.

Needs numpy, TensorRT and pycuda only, so that it also runs in the environment of another TensorRT (worker). Importing this package
imports no TensorRT; the functions below do when they are called.
"""
# ruff: noqa: F401  what this package offers

from lib.trt.versions import FEATURES, EngineError, flavour, module, name, typed, version
