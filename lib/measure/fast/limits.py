"""How far engines are from what the card can: its ceilings by the TensorRT of each version, and where the layers stand under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lib import deadline, export
from lib.errors import NotMeasured, ReportError, WrongOutput
from lib.experiment.precision import PRECISIONS
from lib.export import compact
from lib.measure import roofline, sweep
from lib.measure.fast.arms import Given
from lib.measure.fast.blocks import PACE
from lib.measure.fast.engines import Engine
from lib.measure.kept import kept
from lib.measure.roofline import Ceiling, Roofline
from lib.plans import available, ceiling, lanes
from lib.plans.ceiling import COPIES, FROM_GPU, TO_GPU, WITHIN
from lib.plans.remote import Worker
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason, Record

CEILING, SHARE = "ceiling", "ceiling_share"
CEILING_S, PLACING_S = 60.0, 5.0  # that the ceilings of a version and the layers of an engine take, about
REPEATS = 20  # of a batch, by the profiler
LAYERS = "layers"  # stats of a share: its layers, on their way into the exhibit


class Timed(NamedTuple):
    """What blocks told of an engine. compute_ms: a batch on the GPU alone; enqueue_ms: that the host takes to launch it as it is called."""

    compute_ms: float
    enqueue_ms: float


def ceilings(session: Session, worker: Worker) -> list[Record]:
    """`ceiling` of each kind of product (FLOP/s) and of copies (bytes/s), of the version of a worker, measured once a run."""
    asked = session.profile.fast

    def measure() -> list[Record]:
        deadline.check(CEILING_S)
        if not worker.alive:
            worker.start()
        told = ceiling.measure(worker, rounds=asked.rounds, slice_s=asked.slice_s, seed=session.run_id)
        return [_rated(worker, what, found) for what, found in told.items()]

    try:
        return kept(session, f"ceilings by TensorRT {worker.tensorrt}", {"rounds": asked.rounds, "slice_s": asked.slice_s}, measure)
    except ReportError as error:
        reason = sweep.why(error)
        return [_rated(worker, what, reason) for what in (*ceiling.TYPES, *COPIES)]


def _rated(worker: Worker, what: str, found: ceiling.Rate | Reason) -> Record:
    unit, case = "bytes/s" if what in COPIES else "FLOP/s", {"what": what, "tensorrt": worker.tensorrt}
    if isinstance(found, Reason):
        return Record(CEILING, unit, None, case=case, reason=found)
    samples = [1e3 * found.amount / ms for ms in found.rounds_ms]
    return Record(CEILING, unit, found.per_s.value, case=case, stats={"amount": found.amount}, samples=samples)


def share(session: Session, engine: Engine, size: int, known: Sequence[Record]) -> Record:
    """`ceiling_share` of an engine at a batch size, with its layers in stats (LAYERS), measured once a run.

    known: the records of its blocks and of its version's ceilings.
    """
    candidate = replace(engine.candidate, way=replace(engine.way, graph=engine.way.byte_input))  # as it is called alone
    common: dict[str, Any] = {"candidate": candidate, "batch_size": size, "case": engine.case}

    def measure() -> list[Record]:
        deadline.check(PLACING_S)
        rates = {str(one.case["what"]): one for one in known if one.metric == CEILING and one.case["tensorrt"] == engine.worker.tensorrt}
        found, told = _placed(session, engine, size, rates, timed(engine, size, known))
        if found.whole.share > 1:
            raise WrongOutput(f"{found.whole.share:.3g} × {PRECISIONS[engine.precision].label.en}")
        layers = [
            {"name": name, "flop": float(one.work.flop), "bytes": float(one.work.bytes), "ms": 1e3 * one.seconds}
            for name, one in found.placed.items()
        ]
        stats = told | {"held_back_by": found.held_back_by, "flop": found.whole.work.flop, "bytes": found.whole.work.bytes}
        stats |= {"missing_flop": found.missing.flop if found.missing else 0}  # of work that none of its layers names
        return [Record(SHARE, "share", found.whole.share, stats=stats | {LAYERS: layers}, **common)]

    try:
        name = f"layers of TensorRT {engine.worker.tensorrt} {candidate.key} at batch {size}"
        (one,) = kept(session, name, {"plan": engine.sha256}, measure)
        return one
    except ReportError as error:
        return Record(SHARE, "share", None, reason=sweep.why(error), **common)


def timed(engine: Engine, size: int, known: Sequence[Record]) -> Timed:
    """What its blocks told: the fastest of its lone lanes on the GPU, and the launch of a plain call, or of a graph where it has no plain
    one. Raises NotMeasured where they told nothing."""
    ways = (engine.way, replace(engine.way, graph=True))
    own = [one for one in known if one.metric == PACE and one.value is not None and one.batch_size == size and one.case == engine.case]
    calls = [one for way in ways for one in own if one.candidate == replace(engine.candidate, way=way)]
    alone = [one.value for one in calls if one.scope == "gpu_compute" and one.value]
    launches = [float(one.stats["enqueue_ms"]) for one in calls if "enqueue_ms" in one.stats]  # type: ignore[arg-type]
    if not alone:
        raise NotMeasured(Reason("not_recorded"), f"TensorRT {engine.worker.tensorrt}")
    return Timed(min(alone), next(iter(launches), 0.0))


def _placed(session: Session, engine: Engine, size: int, rates: Mapping[str, Record], told: Timed) -> tuple[Roofline, dict[str, float]]:
    """Its layers under the ceilings, and the times that decide what holds it back."""
    assert isinstance(engine.built, Artifact)
    needed = [rates.get(what) for what in (PRECISIONS[engine.precision].layer_types[0], WITHIN)]
    if lacking := [one for one in needed if one is None or one.value is None]:
        raise NotMeasured((lacking[0] and lacking[0].reason) or Reason("not_recorded"), CEILING)
    given = Given(session, size).batch(engine.way)
    out = size * 4 * (1 if engine.way.classes else session.spec.classes)
    copies = ((given.nbytes, rates.get(TO_GPU)), (out, rates.get(FROM_GPU)))
    copies_ms = max((1e3 * amount / one.value for amount, one in copies if one is not None and one.value), default=0.0)
    times = {"compute_ms": told.compute_ms, "enqueue_ms": told.enqueue_ms, "copies_ms": copies_ms}
    if not engine.worker.alive:
        engine.worker.start()
    layers = lanes.layer_times(engine.worker, engine.built, given, REPEATS)
    each = [(layer.name, float(np.median(times_ms))) for layer, times_ms in layers]
    above = Ceiling(*(one.value for one in needed if one is not None and one.value is not None))
    named = {layer.name: layer.metadata for layer, _ in layers}
    return roofline.of_engine(_onnx(session, engine), engine.precision, size, each, above, told=named, **times), times


def _onnx(session: Session, engine: Engine) -> Path:
    variant = available.onnx_variant(engine.precision, engine.worker.about["typed"])
    how: dict[str, bool] = {"byte_input": engine.way.byte_input, "classes": engine.way.classes}
    return compact.onnx(session, variant, **how).file(export.ONNX_FILE)
