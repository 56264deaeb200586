"""Looks into engines that run: how long each layer takes, and what the tensors between the layers hold."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

import numpy as np

from lib.plans import stored
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.trt import inspect
from lib.trt.build import build
from lib.trt.execution import Execution
from lib.trt.versions import EngineError

WARMUP_S = 0.5  # of running before layers are timed: an idle GPU has lowered its clocks


@dataclass(frozen=True)
class LayerTime(inspect.EngineLayer):
    """One layer of a finished engine, its place in the engine's order and its time in each run; kind, type and tactic "" if unknown."""

    index: int = 0
    times_ms: list[float] = field(default_factory=list)


def layer_times(session: Session, precision: str, artifact: Artifact, images: np.ndarray, repeats: int) -> list[LayerTime]:
    """Times of every layer of an engine for one batch `images`, model inputs (n, …), in `repeats` runs after a warm-up.

    The profiler times layers one by one, which adds to each. Raises EngineError where the engine does not run,
    ArtifactError for a plan that is not to be loaded.
    """
    with Execution(stored.trusted(session, precision, artifact)) as run:
        known = {layer.name: layer for layer in run.layers()}
        until = time.perf_counter() + WARMUP_S
        while time.perf_counter() < until:
            run.infer(images)
        runs = run.profile_layers(images, repeats)
    names = [name for name, _ in runs[0]]
    if any([name for name, _ in one] != names for one in runs):
        raise EngineError("TensorRT's profiler reported other layers from one run to the next")
    layers = [known.get(name, inspect.EngineLayer(name, "", "", "")) for name in names]
    times = zip(*([ms for _, ms in one] for one in runs), strict=True)
    return [LayerTime(*astuple(layer), i, list(ms)) for i, (layer, ms) in enumerate(zip(layers, times, strict=True))]


def intermediate(session: Session, precision: str, tensors: Sequence[str], images: np.ndarray) -> dict[str, np.ndarray]:
    """Values of `tensors`, named as in the ONNX, for `images`, model inputs (n, …); each an array (n, …).

    From an engine of the same network, precision and calibration in which they are outputs, across which TensorRT does not fuse: another
    kernel may run than in the engine itself. Raises EngineError for unknown tensors.
    """
    onnx, cache = stored.source(session, precision)
    settings = session.profile.engines.model_copy(update=dict.fromkeys(("min_batch", "opt_batch", "max_batch"), len(images)))
    built = build(onnx, precision, settings, calibrator=stored.reader(session, onnx, cache), outputs=tensors)
    with Execution(built.plan) as run:
        found = run.infer(images)
    return {name: found[name] for name in tensors}
