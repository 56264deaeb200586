"""How answers are served: lanes, whatever computes them, a pipeline over them, dynamic batching, MLPerf's scenarios.

Needs NumPy, and mlcommons-loadgen for the scenarios, so that it also runs in a worker (lib/trt/worker.py).
"""
