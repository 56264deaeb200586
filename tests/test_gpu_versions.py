"""Two TensorRTs on one GPU, each in its worker (TENSORRT_PYTHONS): they build, answer alike, and refuse what the other made."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import small_network
from conftest import PYTHONS
from small_network import said

from lib.errors import ArtifactError, ReportError
from lib.experiment import system
from lib.experiment.candidate import Candidate
from lib.measure import predictions
from lib.plans import builds, calibrate, remote
from lib.plans.builds import SHARED_SCALES, TIMING_CACHE, Recipe
from lib.plans.remote import Worker
from lib.runners.elsewhere import Elsewhere
from lib.trt.versions import EngineError

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def team():
    """Two workers of different versions, the lower one first."""
    with remote.workers(remote.commands(PYTHONS)) as started:
        found = {one.tensorrt: one for one in started if isinstance(one, Worker) and one.about["gpu"] and one.tensorrt}
        if len(found) < 2:
            pytest.skip(f"needs a GPU and two TensorRTs in {remote.PYTHONS}")
        yield [found[version] for version in sorted(found, key=system.version_order)][:2]


@pytest.fixture(scope="module")
def opened(tmp_path_factory, team):
    """The quickstart's session with the small network in place of its exported model."""
    with small_network.opened(tmp_path_factory.mktemp("versions"), "08_cross_version") as found:
        yield found


def answers(opened, worker, artifact, precision):
    with Elsewhere(opened, Candidate("tensorrt", precision), artifact, worker) as runner:
        return predictions.run(runner, opened.images.x_test)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int8_qdq"])
def test_versions_answer_alike(opened, team, precision):
    made = [builds.build(opened, worker, Recipe(precision, "", 1)) for worker in team]
    first, second = (answers(opened, worker, one, precision) for worker, one in zip(team, made, strict=True))
    print(f"\n  {precision}: {np.abs(first - second).max():.3g}, to the bit {np.mean((first == second).all(axis=1)):.1%}")
    assert (first.argmax(axis=1) == second.argmax(axis=1)).mean() > 0.97
    for worker, one in zip(team, made, strict=True):
        found = worker.ask("time", arrays={"batch": opened.to_input(opened.images.x_test[:8])}, **held(worker, one, opened), seconds=0.02)[
            1
        ]
        assert 0 < found["gpu_ms"].min() < found["latencies_ms"].max()


def held(worker, artifact, opened):
    """An engine that stays open, as `time` wants it."""
    told, _ = worker.ask("open", arrays={"plan": artifact.file(builds.PLAN).read_bytes()})
    return {"engine": told["engine"], "output": opened.spec.output}


def test_a_plan_of_the_other_is_refused_by_us_and_by_tensorrt(opened, team):
    for worker, other in (team, team[::-1]):
        theirs = builds.build(opened, other, Recipe("fp32", "", 1))
        line = said(ArtifactError, lambda worker=worker, theirs=theirs: builds.plan(worker, theirs))
        assert worker.tensorrt in line
        assert other.tensorrt in line
        plan = theirs.file(builds.PLAN).read_bytes()
        said(EngineError, lambda worker=worker, plan=plan: worker.ask("open", arrays={"plan": plan}))
        assert worker.alive


def test_a_calibration_cache_of_the_other_is_refused_by_us_and_by_tensorrt(opened, team):
    from lib import export

    onnx = export.onnx(opened, "fp32").file("model.onnx")
    for worker, other in (team, team[::-1]):
        theirs = builds.calibration(opened, other, onnx)
        mine = calibrate.identity(opened, onnx, calibrate.default(opened), worker.tensorrt)
        tensors = set(calibrate.scales(theirs.file(calibrate.CACHE).read_bytes()))
        load = partial(calibrate.load_cache, theirs.path.parent, mine, tensors)
        line = said(ArtifactError, load)
        assert worker.tensorrt in line
        assert other.tensorrt in line
        given = {"onnx": onnx.read_bytes(), "calibration": theirs.file(calibrate.CACHE).read_bytes()}
        how = {"precision": "int8", "method": "entropy", "settings": builds._settings(opened.profile.engines)}
        try:
            print(f"\n  {worker.tensorrt} with a cache of {other.tensorrt}:", worker.ask("build", arrays=given, **how)[0]["build_s"])
        except ReportError as error:
            print(f"\n  {error}")
            assert worker.alive


def test_the_same_scales_in_both(opened, team):
    first, second = team
    theirs = answers(opened, first, builds.build(opened, first, Recipe("int8", "", 1)), "int8")
    shared = answers(opened, second, builds.build(opened, second, Recipe("int8", SHARED_SCALES, 1), first), "int8")
    print(f"\n  same scales: {np.abs(theirs - shared).max():.3g}, to the bit {np.mean((theirs == shared).all(axis=1)):.1%}")
    assert (theirs.argmax(axis=1) == shared.argmax(axis=1)).mean() > 0.97


def test_a_timing_cache_makes_a_build_faster_and_the_others_is_refused(opened, team):
    for worker, other in (team, team[::-1]):
        cold, warm = (builds.build(opened, worker, Recipe("fp16", variant, 1)) for variant in ("", TIMING_CACHE))
        assert (cold.info["timing_cache"], warm.info["timing_cache"]) == (False, True)
        assert warm.info["build_s"][0] < cold.info["build_s"][0]
        theirs = builds.build(opened, other, Recipe("fp16", "", 1)).file(builds.TIMINGS).read_bytes()
        print(f"\n  {worker.tensorrt}: cold {cold.info['build_s'][0]:.2f} s, warm {warm.info['build_s'][0]:.2f} s")
        given = {"onnx": builds._onnx(opened, worker, Recipe("fp16", "", 1)).read_bytes(), "timings": theirs}
        ask = partial(worker.ask, "build", arrays=given, precision="fp16", settings=builds._settings(opened.profile.engines))
        line = said(EngineError, ask)
        assert worker.tensorrt in line
        assert other.tensorrt in line
