"""What notebook 08 measures: the TensorRTs that TENSORRT_PYTHONS names, beside each other on this machine. Without the variable nothing:
it then sets the records of all systems side by side."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from contextlib import ExitStack
from statistics import median
from typing import Any

import numpy as np

from lib import deadline
from lib.errors import ReportError
from lib.experiment import system
from lib.experiment.candidate import Candidate
from lib.measure import accuracy, across, predictions
from lib.measure.across import CPP, PYTHON, Engine
from lib.measure.team import gathered
from lib.pages import against
from lib.pages.cross_version import calls
from lib.pages.cross_version.exhibits import EngineLayers, Layer, Layers, Member, Members
from lib.plans import builds, remote
from lib.plans.builds import SHARED_SCALES, STRONGLY_TYPED
from lib.plans.remote import Worker
from lib.session import Session
from lib.store.artifacts import Artifact
from lib.store.records import Reason, Record

UNITS = {"build_time": "s", "file_size": "bytes", "layer_types": "count"}  # of every build
Answers = dict[tuple[str, str, str, int], Artifact]  # (runner, version, variant, build) -> answers of a precision


def measure(session: Session) -> None:
    """Record what every version builds, what it costs, what it answers and how fast, all versions in the same rounds."""
    if not (commands := remote.commands()):
        return
    with remote.workers(commands) as started:
        team = _team(session, started)
        if not team:
            return
        engines = across.built(session, team)
        for engine in engines:
            session.record(*_built(engine), *across.loaded(session, engine))
        session.exhibit("layers", _layers(engines))
        _foreign(session, team, engines)
        for precision in session.profile.versions.precisions:
            own = [engine for engine in engines if engine.recipe.precision == precision]
            _answered(session, team, own)
            with ExitStack() as stack:
                block = across.Block(session, precision, own, stack)
                for size in session.profile.versions.batch_sizes:
                    session.record(*block.timed(size))


def _team(session: Session, started: list[Worker | remote.WorkerEnded]) -> list[Worker]:
    """Those that can be compared; each command recorded with what it is or why it is left out."""
    team, reasons = gathered(started)
    for number, (one, reason) in enumerate(zip(started, reasons, strict=True), 1):
        about = {} if isinstance(one, remote.WorkerEnded) else one.about
        told = {name: about[name] for name in ("tensorrt", "flavour", "python", "apis") if name in about}
        told |= {"gpu": (about.get("gpu") or {}).get("name", "")}
        session.record(Record("worker", "count", None if reason else 1, case={"worker": number}, stats=told, reason=reason))
    asked = {one.tensorrt: one for one in started if isinstance(one, Worker) and one.tensorrt}
    session.exhibit("members", _members(asked))
    return team


def _members(asked: dict[str, Worker]) -> Members:
    """What the bindings of each version have of the calls that the page lists."""
    paths = list(calls.paths())
    versions = sorted(asked, key=system.version_order)
    found = dict[str, dict[str, Any]]()
    for version in versions:
        try:
            found[version] = asked[version].ask("members", paths=paths)[0]["members"]
        except ReportError:  # its row in the table of workers says so
            continue
    listed = [Member(path=path, here={version: told[path] for version, told in found.items()}) for path in paths]
    return Members(versions=list(found), members=listed)


def _built(engine: Engine) -> list[Record]:
    """build_time, file_size and layer_types of one build, or why there are none."""
    common: dict[str, Any] = {"candidate": Candidate(PYTHON, engine.recipe.precision), "case": engine.case}
    if isinstance(engine.built, Reason):
        return [Record(metric, unit, None, reason=engine.built, **common) for metric, unit in UNITS.items()]
    info, common["artifact_sha256"] = engine.built.info, engine.built.sha256
    seconds, layers = list(info["build_s"]), dict[str, Any]()
    if info.get("no_layers"):
        layers = {"value": None, "reason": Reason("failed", {"message": info["no_layers"]})}
    else:
        layers = {"value": sum(info["types"].values()), "stats": {"types": info["types"], "tactics_sha256": _tactics(engine.built)}}
    return [
        Record("build_time", "s", median(seconds), samples=seconds, stats={"timing_cache": info["timing_cache"]}, **common),
        Record("file_size", "bytes", engine.built.size(builds.PLAN), stats={"plan_sha256": across.plan_sha256(engine)}, **common),
        Record("layer_types", "count", **layers, **common),
    ]


def _tactics(built: Artifact) -> str:
    """One hash of all kernels of an engine and the layers that run them."""
    told = [[layer.name, layer.type, layer.tactic] for layer in builds.layers(built)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _layers(engines: list[Engine]) -> Layers:
    """The layers of build 1 of every kind of engine, and of each build whose kernels no earlier one of its kind has."""
    seen = defaultdict[Any, set[str]](set)
    listed = []
    for one in engines:
        kind = one.worker.tensorrt, one.recipe.precision, one.recipe.variant
        if isinstance(one.built, Reason) or one.built.info.get("no_layers") or (tactics := _tactics(one.built)) in seen[kind]:
            continue
        seen[kind].add(tactics)
        layers = [Layer(name=layer.name, kind=layer.kind, type=layer.type, tactic=layer.tactic) for layer in builds.layers(one.built)]
        listed.append(EngineLayers(tensorrt=kind[0], precision=kind[1], variant=kind[2], build=one.recipe.build, layers=layers))
    return Layers(engines=listed)


def _foreign(session: Session, team: list[Worker], engines: list[Engine]) -> None:
    """Give every version a plan of each other one, past this project's own checks, and record that TensorRT itself refuses it."""
    plans = {one.worker.tensorrt: one.built for one in reversed(engines) if isinstance(one.built, Artifact)}
    for worker in team:
        for version, built in plans.items():
            if version == worker.tensorrt:
                continue
            case = {"tensorrt": worker.tensorrt, "plan_of": version}
            try:
                if not worker.alive:  # of an earlier step
                    worker.start()
                told, _ = worker.ask("open", arrays={"plan": built.file(builds.PLAN).read_bytes()})
                worker.ask("close", engine=told["engine"])
                session.record(Record("foreign_plan", "count", None, case=case, reason=Reason("foreign_plan_loaded")))
            except remote.WorkerEnded as error:  # no refusal: it ended of that plan
                ended = Reason("foreign_plan_ended", {"message": str(error)})
                session.record(Record("foreign_plan", "count", None, case=case, reason=ended))
            except ReportError as error:
                session.record(Record("foreign_plan", "count", 1, case=case, stats={"message": str(error)}))


def _answered(session: Session, team: list[Worker], engines: list[Engine]) -> None:
    """Record what engines of a precision answer to all test images against the reference, and against each other."""
    found: Answers = {}
    for name in (PYTHON, CPP):
        for one in engines:
            if name == CPP and one.recipe.variant:
                continue
            deadline.check()
            answers = across.answers(session, one, name)
            session.record(*_judged(session, Candidate(name, one.recipe.precision), one, answers))
            if isinstance(answers, Artifact):
                found[name, one.worker.tensorrt, one.recipe.variant, one.recipe.build] = answers
    for (name, version, variant, number), answers in found.items():
        case = {"tensorrt": version, "build": number} | ({"variant": variant} if variant else {})
        candidate = Candidate(name, engines[0].recipe.precision)
        for against_, other in _others(name, version, variant, number, team[0].tensorrt).items():
            if other in found:
                both = predictions.read(found[other]), predictions.read(answers)  # again each time: all of them may not fit into memory
                session.record(*_compared(session, candidate, case | {"against": against_}, *both))


def _judged(session: Session, candidate: Candidate, one: Engine, stored: Artifact | Reason) -> list[Record]:
    """accuracy and agreement of one build, or why there are none."""
    case, sha256 = one.case, "" if isinstance(one.built, Reason) else one.built.sha256
    if isinstance(stored, Reason):
        return [Record(metric, "share", None, candidate, case=case, reason=stored) for metric in ("accuracy", "agreement")]
    answers = predictions.read(stored)
    apart = against.apart(session, candidate, answers)
    same = against.agreement(apart, candidate, case=case, artifact_sha256=sha256)
    if session.images.y_test is None:
        return [Record("accuracy", "share", None, candidate, case=case, reason=Reason("no_labels")), same]
    return [accuracy.counted(session, candidate, answers, case=case, artifact_sha256=sha256), same]


def _others(name: str, version: str, variant: str, number: int, first: str) -> dict[str, tuple[str, str, str, int]]:
    """What the answers of one build are compared with: name of the comparison -> whose answers."""
    usual = "" if variant in (SHARED_SCALES, STRONGLY_TYPED) else variant
    found = {"first_build": (name, version, variant, 1)} if number > 1 else {}
    if variant == STRONGLY_TYPED:
        found["by_flag"] = (name, version, "", number)
    elif version != first:
        found["first_version"] = (name, first, usual, number)
    return found | ({"python": (PYTHON, version, variant, number)} if name == CPP else {})


def _compared(session: Session, candidate: Candidate, case: dict[str, Any], base: np.ndarray, this: np.ndarray) -> list[Record]:
    """How far answers, float32 (N, classes), lie from others: same_bits, max_abs, changed and, with labels, paired."""
    total, labels = len(this), session.images.y_test
    same = int((base.view(np.uint32) == this.view(np.uint32)).all(axis=1).sum())
    classes = base.argmax(axis=1), this.argmax(axis=1)
    changed, apart = int((classes[0] != classes[1]).sum()), float(np.abs(base - this).max())
    made = [
        Record("same_bits", "share", same / total, candidate, case=case, stats={"correct": same, "total": total}),
        Record("max_abs", "difference", apart, candidate, case=case),
        Record("changed", "count", changed, candidate, case=case, stats={"total": total}),
    ]
    if labels is not None:
        right = [found == labels for found in classes]
        only = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
        stats = {"only_base": only[0], "only_this": only[1], "total": total}
        made.append(Record("paired", "count", sum(only), candidate, case=case, stats=stats))
    return made
