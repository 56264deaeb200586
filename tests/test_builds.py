"""Builds by workers of several TensorRTs, their caches, and engines that are held elsewhere: with stand-ins and a real session."""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from own import make
from stand_in_worker import CALLS, ROUNDS, command

from lib import export, onnx_session, plans
from lib.errors import ArtifactError, NotMeasured, ReportError, WrongOutput
from lib.experiment import profile as config
from lib.experiment.candidate import Candidate
from lib.measure import across
from lib.pages.cross_version.measure import _built
from lib.plans import builds, calibrate, remote
from lib.plans.builds import SHARED_SCALES, STRONGLY_TYPED, TIMING_CACHE, Recipe
from lib.plans.remote import Worker, WorkerEnded
from lib.runners.elsewhere import Elsewhere
from lib.session import Session
from lib.store import artifacts
from lib.store.artifacts import Artifact
from lib.store.records import Reason
from lib.trt import calibrators, versions
from lib.trt.versions import EngineError

OLD, NEW, OTHER_GPU = "8.5.3.1", "10.6.0", "NVIDIA L4"
HEADERS = {OLD: b"TRT-8503-EntropyCalibration2\n", NEW: b"TRT-100600-EntropyCalibration2\n"}
ENGINES = "\nengines: {{calibration_images: {images}, calibration_batch: {batch}}}\n"
needs_rtx = pytest.mark.skipif(versions.flavour() != "tensorrt_rtx", reason="TensorRT for RTX is not what this system builds with")


@pytest.fixture(scope="module")
def open_session(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Session]:
    """A session on somebody's ONNX model of five classes, with 20 images to calibrate on; each name has a store of its own."""
    profile = make.shapes(tmp_path_factory.mktemp("model"), test=2, calibration=4)

    def opened(name: str, images: int = 16, batch: int = 8) -> Session:
        path = profile.with_name(f"{name}.yaml")
        path.write_text(profile.read_text(encoding="utf-8") + ENGINES.format(images=images, batch=batch), encoding="utf-8")
        return Session(config.load(str(path)), "test")

    return opened


@pytest.fixture(scope="module")
def session(open_session: Callable[..., Session]) -> Session:
    return open_session("builds")


def started(*asked: str, **more: str) -> Iterator[Worker]:
    with remote.workers([command(*asked, **more)]) as (one,):
        assert isinstance(one, Worker), one
        yield one


@pytest.fixture(scope="module")
def old() -> Iterator[Worker]:
    yield from started(OLD)


@pytest.fixture(scope="module")
def new() -> Iterator[Worker]:
    yield from started(NEW)


class Asked:
    """A worker whose asks are kept: (what, message, arrays)."""

    def __init__(self, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asks: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        ask = worker.ask

        def kept(what: str, limit_s: float = remote.ASK_S, arrays: dict[str, Any] | None = None, **message: Any) -> Any:
            self.asks.append((what, message, arrays or {}))
            return ask(what, limit_s, arrays, **message)

        monkeypatch.setattr(worker, "ask", kept)

    def of(self, what: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        return [(message, arrays) for asked, message, arrays in self.asks if asked == what]


def head(artifact: Artifact) -> dict[str, Any]:
    """What the plan of a stand-in says before its ONNX."""
    return json.loads(artifact.file(builds.PLAN).read_bytes().partition(b"\n")[0])


def log(artifact: Artifact) -> str:
    return artifact.file(builds.LOG).read_text(encoding="utf-8")


def refused(worker: Worker, artifact: Artifact) -> str:
    with pytest.raises(ArtifactError) as caught:
        builds.plan(worker, artifact)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(" and run the report again, which builds or calibrates anew") or artifacts.ALTERED in str(
        caught.value
    )
    return str(caught.value)


# Builds


def test_builds_are_artifacts_of_their_own_and_are_found_again(session, new, monkeypatch):
    made = [builds.build(session, new, Recipe("fp16", "", number)) for number in (1, 2, 3)]
    assert len({artifact.key for artifact in made}) == 3
    assert len({plans.plan_sha256(artifact) for artifact in made}) == 3  # each with a timing cache of its own
    for number, artifact in enumerate(made, 1):
        assert artifact.inputs["build"] == number
        assert artifact.info["build_s"] == [2.0]
        assert artifact.info["timing_cache"] is False
        assert (artifact.info["types"], artifact.info["no_layers"]) == ({"fp16": 2}, "")
        assert artifact.info["weights_bytes"] == export.onnx(session, "fp32").size(export.ONNX_FILE)
        conv, dense, softmax = builds.layers(artifact)
        assert (conv.type, dense.type, softmax.type, conv.tactic) == ("fp16", "fp16", "fp32", head(artifact)["kernel"])
        assert builds.plan(new, artifact) == artifact.file(builds.PLAN).read_bytes()
    monkeypatch.setattr(new, "ask", lambda *_, **__: pytest.fail("asked for what is stored"))
    assert [builds.build(session, new, Recipe("fp16", "", number)).key for number in (1, 2, 3)] == [artifact.key for artifact in made]


def test_every_version_is_given_the_same_file(session, old, new, monkeypatch):
    asked = Asked(old, monkeypatch), Asked(new, monkeypatch)
    variants = {"tf32": "fp32", "int8_qdq": "int8_qdq"}
    for precision in variants:
        for worker in (old, new):
            builds.build(session, worker, Recipe(precision, "", 1))
    for one in asked:
        assert [arrays["onnx"] for _, arrays in one.of("build")] == [
            export.onnx(session, variant).file(export.ONNX_FILE).read_bytes() for variant in variants.values()
        ]
        assert [message["precision"] for message, _ in one.of("build")] == list(variants)
        for message, _ in one.of("build"):
            assert message["strongly_typed"] is False
            assert message["settings"] == {
                "min_batch": 1, "opt_batch": 16, "max_batch": 32, "workspace_mib": 1024, "calibration_batch": 8
            }  # fmt: skip


def test_strongly_typed_is_built_from_the_typed_file_where_the_version_has_it(session, old, new, monkeypatch):
    asked = Asked(new, monkeypatch)
    typed = builds.build(session, new, Recipe("fp16", STRONGLY_TYPED, 1))
    ((message, arrays),) = asked.of("build")
    assert message["strongly_typed"] is True
    assert arrays["onnx"] == export.onnx(session, "fp16").file(export.ONNX_FILE).read_bytes()
    assert "strongly typed: True" in log(typed)
    assert builds.not_buildable(new, "fp16", STRONGLY_TYPED) is None
    assert builds.not_buildable(old, "fp16", STRONGLY_TYPED) == Reason("no_strong_types")
    with pytest.raises(NotMeasured, match=rf"TensorRT {OLD} fp16: "):
        builds.build(session, old, Recipe("fp16", STRONGLY_TYPED, 1))


def test_a_rebuild_is_given_what_build_1_learnt(session, new, monkeypatch):
    first, second = (builds.build(session, new, Recipe("fp32", "", number)) for number in (1, 2))
    asked = Asked(new, monkeypatch)
    again = [builds.build(session, new, Recipe("fp32", TIMING_CACHE, number)) for number in (1, 2)]
    assert [arrays["timings"] for _, arrays in asked.of("build")] == [first.file(builds.TIMINGS).read_bytes()] * 2
    assert [head(artifact)["kernel"] for artifact in again] == [head(first)["kernel"]] * 2
    assert head(second)["kernel"] != head(first)["kernel"]
    assert [artifact.info["timing_cache"] for artifact in (first, second, *again)] == [False, False, True, True]
    assert len({artifact.key for artifact in (first, second, *again)}) == 4
    assert plans.plan_sha256(again[0]) == plans.plan_sha256(again[1]) == plans.plan_sha256(first)


def test_a_rebuild_that_did_not_take_the_timing_cache_is_none(open_session, new, monkeypatch):
    session, ask = open_session("untaken"), new.ask
    builds.build(session, new, Recipe("fp32", "", 1))
    monkeypatch.setattr(new, "ask", lambda *args, **more: (lambda told, made: (told | {"timing_cache": False}, made))(*ask(*args, **more)))
    with pytest.raises(EngineError, match="did not take the timing cache of build 1"):
        builds.build(session, new, Recipe("fp32", TIMING_CACHE, 1))


def test_a_rebuild_makes_build_1_where_there_is_none(open_session, new, monkeypatch):
    session, asked = open_session("rebuilt"), Asked(new, monkeypatch)
    again = builds.build(session, new, Recipe("fp32", TIMING_CACHE, 1))
    assert [sorted(arrays) for _, arrays in asked.of("build")] == [["onnx"], ["onnx", "timings"]]
    assert plans.plan_sha256(again) == plans.plan_sha256(builds.build(session, new, Recipe("fp32", "", 1)))


def test_what_a_build_depends_on_is_in_its_key(tmp_path):
    settings, first = config.Engines(), Recipe("fp16", "", 1)
    files = [tmp_path / "one.onnx", tmp_path / "other.onnx"]
    for path in files:
        path.write_text(path.name)

    def key(recipe=first, onnx=files[0], cache=None, tensorrt=NEW, gpu="A", cap="9.0", **changed):
        worker = SimpleNamespace(tensorrt=tensorrt, about={"flavour": "tensorrt", "gpu": {"name": gpu, "compute_cap": cap}})
        return artifacts.key_of(builds.KIND, builds.identity(worker, onnx, recipe, settings.model_copy(update=changed), cache))

    assert key() == key(Recipe("fp16", "", 1))
    apart = [key(), key(Recipe("fp32", "", 1)), key(Recipe("fp16", TIMING_CACHE, 1)), key(Recipe("fp16", "", 2)), key(onnx=files[1])]
    apart += [key(tensorrt=OLD), key(gpu="B"), key(cap="8.9"), key(max_batch=64), key(opt_batch=8), key(workspace_mib=64)]
    apart += [key(cache=SimpleNamespace(sha256="a")), key(cache=SimpleNamespace(sha256="b"))]
    assert len(set(apart)) == len(apart)


# Calibration


def test_each_version_calibrates_and_its_cache_is_its_own(open_session, old, new, monkeypatch):
    session, asked = open_session("calibrated"), (Asked(old, monkeypatch), Asked(new, monkeypatch))
    made = [builds.build(session, worker, Recipe("int8", "", 1)) for worker in (old, new)]
    caches = []
    for one in asked:
        ((message, arrays),) = one.of("calibrate")
        assert message["method"] == "entropy"
        assert np.array_equal(arrays["images"], export.calibration_images(session, 16))
        ((message, arrays),) = one.of("build")
        assert message["method"] == "entropy"
        caches.append(arrays["calibration"])
    assert [cache.startswith(HEADERS[version]) for cache, version in zip(caches, (OLD, NEW), strict=True)] == [True, True]
    assert calibrators.scales(caches[0]) != calibrators.scales(caches[1])
    assert len({artifact.inputs["calibration"] for artifact in made}) == 2
    assert [artifact.info["types"] for artifact in made] == [{"int8": 2}] * 2
    again = builds.build(session, new, Recipe("int8", "", 2))  # with the scales that are known
    assert len(asked[1].of("calibrate")) == 1
    assert again.inputs["calibration"] == made[1].inputs["calibration"]


def test_shared_scales_are_the_first_versions_under_the_own_header(session, old, new, monkeypatch):
    onnx = export.onnx(session, "fp32").file(export.ONNX_FILE)
    assert builds.calibration(session, old, onnx).info["tensors"] == ["conv", "input", "output"]  # as pages 03 and 04 store them
    theirs, ours = (builds.calibration(session, worker, onnx) for worker in (old, new))
    own = builds.build(session, new, Recipe("int8", "", 1))
    asked = Asked(new, monkeypatch)
    shared = builds.build(session, new, Recipe("int8", SHARED_SCALES, 1), old)
    ((_, arrays),) = asked.of("build")
    cache = arrays["calibration"]
    assert cache.startswith(HEADERS[NEW])
    assert calibrators.scales(cache) == calibrators.scales(theirs.file(calibrate.CACHE).read_bytes())
    assert calibrators.scales(cache) != calibrators.scales(ours.file(calibrate.CACHE).read_bytes())
    assert json.dumps(calibrators.scales(cache)) in log(shared)  # it built with them
    assert json.dumps(calibrators.scales(cache)) not in log(own)
    kept = builds.calibration(session, new, onnx, old)
    assert len({theirs.key, ours.key, kept.key}) == 3
    assert kept.inputs["scales_of"] == OLD
    assert shared.inputs["calibration"] == kept.sha256
    assert builds.calibration(session, new, onnx).key == ours.key


def test_caches_of_another_version_are_not_taken(session, old, new):
    onnx = export.onnx(session, "fp32").file(export.ONNX_FILE)
    made = {worker: builds.calibration(session, worker, onnx).file(calibrate.CACHE).read_bytes() for worker in (old, new)}
    learnt = {worker: builds.build(session, worker, Recipe("fp32", "", 1)).file(builds.TIMINGS).read_bytes() for worker in (old, new)}
    assert len(set(learnt.values())) == 2
    for worker, other in ((old, new), (new, old)):
        given = {"onnx": onnx.read_bytes(), "calibration": made[other]}
        with pytest.raises(EngineError, match=rf"^TensorRT {worker.tensorrt}: Calibration failure"):
            worker.ask("build", arrays=given, precision="int8", method="entropy", settings=builds._settings(session.profile.engines))
        given = {"onnx": onnx.read_bytes(), "timings": learnt[other]}
        with pytest.raises(EngineError, match=f"a timing cache of TensorRT {other.tensorrt}, here it is {worker.tensorrt}"):
            worker.ask("build", arrays=given, precision="fp32", settings=builds._settings(session.profile.engines))


def test_too_few_images_are_a_reason(open_session, new):
    few = open_session("few", images=64, batch=32)
    with pytest.raises(NotMeasured) as caught:
        builds.build(few, new, Recipe("int8", "", 1))
    assert caught.value.reason == Reason("few_calibration_images", {"there": 20, "batch": 32})


def scales(**found: float) -> bytes:
    return "".join(f"{name}: {struct.pack('>f', value).hex()}\n" for name, value in found.items()).encode()


def test_a_cache_under_another_header():
    theirs, ours = scales(images=0.5, conv1=0.25), scales(images=0.75)
    made = calibrators.as_of(HEADERS[OLD] + theirs, HEADERS[NEW] + ours, {"images", "conv1"})
    assert made == HEADERS[NEW] + theirs
    assert calibrators.scales(made) == {"images": 0.5, "conv1": 0.25}
    assert calibrators.as_of(made, HEADERS[OLD] + theirs, {"images", "conv1"}) == HEADERS[OLD] + theirs


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_names_of_a_parsers_own_making_keep_the_scales_of_that_version(end):
    """As TensorRT 8.5.3 and 10.6.0 name a constant of one network."""
    theirs = scales(images=0.5, **{"(Unnamed Layer* 33) [Constant]_output": 0.125}).strip() + end
    ours = scales(images=0.75, ONNXTRT_Broadcast_output=0.0625)
    made = calibrators.scales(calibrators.as_of(HEADERS[OLD] + theirs, HEADERS[NEW] + ours, {"images", "conv1"}))
    assert (made["images"], made["ONNXTRT_Broadcast_output"]) == (0.5, 0.0625)


def test_scales_that_the_other_version_lacks_are_not_the_same_scales():
    theirs, ours = HEADERS[OLD] + scales(images=0.5), HEADERS[NEW] + scales(images=0.5, conv1=0.25)
    with pytest.raises(EngineError, match=r"no scale for 'conv1' \(1 are missing\)"):
        calibrators.as_of(theirs, ours, {"images", "conv1"})


@pytest.mark.parametrize("data", [b"", HEADERS[OLD], HEADERS[OLD].strip(), HEADERS[OLD] + b"images: zz\n", b"\xff" * 8])
def test_a_cache_without_scales_gets_no_other_header(data):
    with pytest.raises(EngineError, match="calibrate again"):
        calibrators.as_of(data, HEADERS[NEW] + scales(images=0.5), {"images"})


# Plans of others


def test_a_plan_of_one_version_under_the_other_is_refused_in_one_line(session, old, new):
    made = {worker: builds.build(session, worker, Recipe("fp32", "", 1)) for worker in (old, new)}
    for worker, other in ((old, new), (new, old)):
        said = refused(worker, made[other])
        assert f"its TensorRT version is '{other.tensorrt}', here it is '{worker.tensorrt}'" in said
        assert f"remove {made[other].path.parent} " in said
        with pytest.raises(EngineError) as caught:  # by TensorRT itself too, in its words
            worker.ask("open", arrays={"plan": made[other].file(builds.PLAN).read_bytes()})
        assert f"TensorRT {worker.tensorrt}: " in str(caught.value)
        assert other.tensorrt in str(caught.value)
        with pytest.raises(ArtifactError), Elsewhere(session, Candidate("tensorrt", "fp32"), made[other], worker):
            raise AssertionError


def test_a_plan_of_another_gpu_or_an_altered_one_is_refused(session, new):
    made = builds.build(session, new, Recipe("fp32", "", 1))
    for other in started(NEW, gpu=OTHER_GPU):
        assert f"its GPU is '{new.about['gpu']['name']}', here it is '{OTHER_GPU}'" in refused(other, made)
        assert builds.build(session, other, Recipe("fp32", "", 1)).key != made.key
    plan = made.file(builds.PLAN)
    content = plan.read_bytes()
    plan.write_bytes(content + b" ")
    try:
        assert artifacts.ALTERED in refused(new, made)
    finally:
        plan.write_bytes(content)


# What fails


@pytest.mark.parametrize(("fault", "error"), [("raises", EngineError), ("aborts", WorkerEnded), ("half", WorkerEnded)])
def test_a_build_that_fails_leaves_nothing(open_session, new, fault, error):
    session = open_session(f"fails-{fault}")
    for worker in started(NEW, fault=fault, at="build"):
        with pytest.raises(error) as caught:
            builds.build(session, worker, Recipe("fp32", "", 1))
        assert "\n" not in str(caught.value)
        assert worker.alive == (error is EngineError)
    assert not list((session.store.root / builds.KIND).iterdir())
    assert builds.build(session, new, Recipe("fp32", "", 1)).info["types"] == {"fp32": 2}


@pytest.mark.parametrize(("fault", "said"), [("raises", "one line and another"), ("aborts", "killed by SIGABRT")])
@pytest.mark.parametrize("at", ["open", "close"])
def test_an_engine_that_does_not_open_is_kept_without_its_layers(open_session, fault, said, at):
    session = open_session(f"unread-{fault}-{at}")
    for worker in started(NEW, fault=fault, at=at):
        made = builds.build(session, worker, Recipe("fp32", "", 1))
        assert (made.info["types"], builds.layers(made)) == ({}, [])
        assert said in made.info["no_layers"]
        assert head(made)["precision"] == "fp32"
        record = _built(across.Engine(worker, Recipe("fp32", "", 1), made))[2]
        assert (record.metric, record.value, record.reason) == ("layer_types", None, Reason("failed", {"message": made.info["no_layers"]}))


@needs_rtx
def test_a_real_worker_builds_what_this_process_builds(session, old, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with remote.workers([[sys.executable]]) as (real,):
        assert isinstance(real, Worker), real
        made = builds.build(session, real, Recipe("fp32", "", 1))
        here = plans.engine(session, "fp32")
        assert builds.plan(real, made)[:4] == b"vtrt"
        assert made.size(builds.PLAN) == here.size(builds.PLAN)  # names of tensors within differ from build to build
        assert made.info["asked"] == here.info["product_types"]
        assert (made.info["types"], builds.layers(made)) == ({}, [])  # no GPU, so no finished engine
        with pytest.raises(NotMeasured) as caught:
            builds.build(session, real, Recipe("int8", "", 1))
        assert caught.value.reason == Reason("no_calibrator")
        strange = builds.build(session, old, Recipe("fp32", "", 1))
        assert f"its TensorRT version is '{OLD}', here it is '{real.tensorrt}'" in refused(real, strange)
        assert f"its TensorRT version is '{real.tensorrt}', here it is '{OLD}'" in refused(old, made)


# Engines that are held elsewhere


def inputs(session: Session, count: int = 6) -> np.ndarray:
    return session.to_input(session.images.x_test[:count])


def held(session: Session, worker: Worker, number: int = 1) -> Elsewhere:
    return Elsewhere(session, Candidate("tensorrt", "fp32"), builds.build(session, worker, Recipe("fp32", "", number)), worker)


def test_it_answers_and_times_what_the_session_asks(session, old, new):
    batch = inputs(session)
    network = onnx_session.start(export.onnx(session, "fp32").file(export.ONNX_FILE))
    (expected,) = network.run([session.spec.output], {session.spec.input: batch})
    with held(session, old) as one, held(session, new) as other:
        for runner in (one, other):
            assert (runner.min_batch, runner.max_batch) == (1, 32)
            assert runner.told_open["load_ms"] > 0
            found = runner.infer(batch)
            assert (found.dtype, found.shape) == (np.float32, (6, 5))
            assert np.allclose(found, expected, rtol=2 * ROUNDS["fp32"])
            timed = runner.timer(batch)(0.01)
            assert len(timed.latencies_ms) == len(timed.gpu_ms) == CALLS
            assert (timed.gpu_ms < timed.latencies_ms).all()
        assert not np.array_equal(one.infer(batch), other.infer(batch))
        with pytest.raises(ReportError, match="batch of 33"):
            one.infer(np.repeat(batch, 6, axis=0)[:33])
        with pytest.raises(ReportError, match="batch of 33"):
            one.timer(np.repeat(batch, 6, axis=0)[:33])


def test_a_wrong_answer_at_the_end_of_a_slice_is_an_error(session, new, monkeypatch):
    with held(session, new) as one:
        timed = one.timer(inputs(session))
        wrong = {"latencies_ms": np.ones(3), "gpu_ms": np.ones(3), "output": np.full((6, 5), np.nan, np.float32)}
        with monkeypatch.context() as patch:
            patch.setattr(new, "ask", lambda *_, **__: ({}, wrong))
            with pytest.raises(WrongOutput):
                timed(0.01)


@pytest.fixture
def mortal() -> Iterator[Worker]:
    """One that is ended by a test."""
    yield from started(NEW)


def test_after_a_new_start_nothing_answers_for_an_engine_that_is_gone(session, mortal):
    batch = inputs(session)
    lost, last = held(session, mortal), held(session, mortal, 2)
    lost.__enter__()
    timed = lost.timer(batch)
    os.kill(mortal._process.pid, signal.SIGKILL)
    for ask in (lambda: lost.infer(batch), lambda: timed(0.01), lambda: lost.infer(batch)):
        with pytest.raises(WorkerEnded, match="killed by SIGKILL"):
            ask()
    with last:  # starts it again; its engine now has the number that the lost one had
        assert mortal.starts == 2
        assert last._engine == lost._engine
        for ask in (lambda: lost.infer(batch), lambda: timed(0.01)):
            with pytest.raises(WorkerEnded, match="started again without this engine"):
                ask()
        answers = last.infer(batch)
        lost.close()  # not the other's
        assert np.array_equal(last.infer(batch), answers)
    with lost:
        assert not np.array_equal(lost.infer(batch), answers)  # another kernel


def test_a_closed_engine_is_never_another(session, new):
    batch = inputs(session)
    with held(session, new) as first, held(session, new, 2) as second:
        second.close()
        with held(session, new, 3) as third:
            with pytest.raises(EngineError, match="KeyError"):
                second.infer(batch)
            assert not np.array_equal(first.infer(batch), third.infer(batch))


def test_one_that_ends_while_it_closes_is_no_error(session, new):
    built = builds.build(session, new, Recipe("fp32", "", 1))
    for fault in ("aborts", "raises"):
        for worker in started(NEW, fault=fault, at="close"):
            with Elsewhere(session, Candidate("tensorrt", "fp32"), built, worker) as one:
                assert one.infer(inputs(session)).shape == (6, 5)
            assert worker.alive == (fault == "raises")
