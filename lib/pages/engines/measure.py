"""What notebook 03 measures: it builds an engine of every precision, looks into it, and times its layers where there is a GPU."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np

from lib import deadline, plans, progress, runners, trt
from lib.errors import ReportError
from lib.experiment import system
from lib.experiment.candidate import Candidate
from lib.measure import state, sweep
from lib.pages.engines.exhibits import Feature, Features, Layer, Network, Networks, Profile, Profiles
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason, Record

RUNNER = "tensorrt"
REPEATS = 200  # runs in which every layer is timed


def measure(session: Session) -> None:
    """Record of every engine its size, the seconds of its builds and the time of its layers, or why there is none."""
    session.exhibit("features", _features())
    engines = {candidate: _engine(session, candidate) for candidate in runners.candidates(session.profile) if candidate.runner == RUNNER}
    for candidate, engine in engines.items():
        session.record(*_built(candidate, engine))
    found = {candidate.key: engine.info for candidate, engine in engines.items() if not isinstance(engine, Reason)}
    networks = [Network(candidate=c, onnx=i["onnx"], asked=i["product_types"], found=i["engine_types"]) for c, i in found.items()]
    session.exhibit("networks", Networks(engines=networks))
    _profile(session, engines)


def _features() -> Features:
    here = trt.module() if trt.flavour() else None
    listed = [Feature(key=f.key, path=f.path, here=None if here is None else f.here(here)) for f in trt.FEATURES]
    return Features(tensorrt=f"{trt.name()} {trt.version()}".strip(), features=listed)


def _engine(session: Session, candidate: Candidate) -> Artifact | Reason:
    """The engine, built now unless it is stored. A build that fails is a reason that says so."""
    if reason := plans.not_buildable(candidate.precision):
        return reason
    deadline.check()  # the engines so far are stored
    progress.say(f"engine {candidate.precision}")
    try:
        return plans.engine(session, candidate.precision)
    except ReportError as error:
        return sweep.why(error)


def _built(candidate: Candidate, engine: Artifact | Reason) -> list[Record]:
    """file_size, weights_size (bytes; as the build log states it), build_time and, where TensorRT calibrates, calibration_time (s)."""
    if isinstance(engine, Reason):
        return [Record(metric, unit, None, candidate, reason=engine) for metric, unit in (("file_size", "bytes"), ("build_time", "s"))]
    info, common = engine.info, {"candidate": candidate, "artifact_sha256": engine.sha256}
    elsewhere = None if info["system_id"] == system.system_id() else Reason("built_elsewhere")
    unstated = Reason("not_in_build_log") if info["weights_bytes"] is None else None
    seconds = [] if elsewhere else list(info["build_s"])
    cache: dict[str, Any] = {} if elsewhere else {"timing_cache": info["timing_cache"]}
    made = [
        Record("file_size", "bytes", engine.size(plans.PLAN), stats={"plan_sha256": plans.plan_sha256(engine)}, **common),
        Record("weights_size", "bytes", info["weights_bytes"], reason=unstated, **common),
        Record("build_time", "s", median(seconds) if seconds else None, samples=seconds, stats=cache, reason=elsewhere, **common),
    ]
    if info["calibration_s"] is not None:
        made.append(Record("calibration_time", "s", None if elsewhere else info["calibration_s"], reason=elsewhere, **common))
    return made


def _profile(session: Session, engines: dict[Candidate, Artifact | Reason]) -> None:
    """Record layers_time (ms, the sum of the layers' median times at opt_batch) of every engine, and keep its layers."""
    size, unavailable = session.profile.engines.opt_batch, plans.unavailable()
    profiles = list[Profile]()
    with state.watch() as seen:
        for candidate, engine in engines.items():
            layers = engine if isinstance(engine, Reason) else unavailable or _layers(session, candidate, engine)
            common: dict[str, Any] = {"candidate": candidate, "batch_size": size, "scope": "gpu_compute"}
            if isinstance(layers, Reason):
                session.record(Record("layers_time", "ms", None, reason=layers, **common))
                continue
            profiles.append(Profile(candidate=candidate.key, layers=layers))
            session.record(Record("layers_time", "ms", sum(layer.ms for layer in layers), stats={"n": REPEATS}, **common))
    session.exhibit("layers", Profiles(engines=profiles))
    if profiles:
        session.record(sweep.disturbance(seen))


def _layers(session: Session, candidate: Candidate, engine: Artifact) -> list[Layer] | Reason:
    """The layers of an engine with their times, by TensorRT's profiler (IProfiler), which times each by itself and so adds to each."""
    progress.say(f"layers of {candidate.precision}")
    images = sweep.inputs(session, session.profile.engines.opt_batch)
    try:
        timed = plans.layer_times(session, candidate.precision, engine, images, REPEATS)
    except ReportError as error:  # this engine only: the others are still of interest
        return sweep.why(error)
    found = []
    for layer in timed:
        low, middle, high = (float(value) for value in np.percentile(layer.times_ms, (10, 50, 90)))
        names = {"name": layer.name, "kind": layer.kind, "type": layer.type, "tactic": layer.tactic}
        found.append(Layer(**names, ms=middle, p10_ms=low, p90_ms=high))
    return found or Reason("no_layers")
