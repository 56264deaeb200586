"""lib/runners/cpp.py and compiled.py with a program in place of the compiled one, which speaks its command line and fails on demand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import plans, runners, trt
from lib.errors import NotMeasured, ReportError, WrongOutput
from lib.experiment import profile as config
from lib.experiment.candidate import PLAIN, Candidate, Way
from lib.measure import predictions
from lib.runners import compiled
from lib.runners.cpp import Cpp, write_samples
from lib.runners.tensorrt import EngineRunner, TensorRT
from lib.store import artifacts, files
from lib.store.records import Reason

FP16 = Candidate("cpp", "fp16")
HERE = "8.5.3.1"  # the TensorRT of this environment

# Answers from the pixels, so that order shows; {folder}/mode says how to fail, {folder}/called keeps the arguments.
PROGRAM = """#!{python}
import hashlib, json, os, pathlib, sys, time
import numpy as np

folder, words = pathlib.Path({folder!r}), sys.argv[1:]
mode = lambda: (folder / "mode").read_text()
if words == ["--version"]:
    print('{{"apis": ["enqueueV3", "executeV2"], "tensorrt": "{tensorrt}", "library": "{library}"}}')
    sys.exit(0)
given = {{}}
while words:
    name = words.pop(0)[2:]
    given[name] = "" if name in ("graph", "serve") else words.pop(0)
with open(folder / "called", "a") as log:
    log.write(json.dumps(given | {{"pid": os.getpid()}}) + "\\n")
if mode() == "hang":
    time.sleep(60)
if mode() == "error":
    print("TensorRT: a warning\\nrunner: no device memory left", file=sys.stderr)
    sys.exit(1)
if mode() == "silent":
    sys.exit(3)
if mode() == "wrong output":
    print("runner: the output is wrong: p[0]: NaN", file=sys.stderr)
    sys.exit(3)
hash = hashlib.sha256(pathlib.Path(given["plan"]).read_bytes()).hexdigest()
if given["sha256"] != hash:
    sys.exit("runner: " + given["plan"] + ": its SHA-256 is " + hash)
x = np.load(given["samples"])
assert x.dtype in (np.float32, np.uint8) and x.flags.c_contiguous
p = x.reshape(len(x), -1)[:, 200:210] + np.float32(0.1)
p /= p.sum(1, keepdims=True)
if given.get("outputs") == "classes":
    p = p.argmax(1).astype(np.int32)
if "predictions" in given and mode() != "no file":
    p = {{"short": p[1:], "double": p.astype(float), "flat": p.ravel()}}.get(mode(), p)
    np.save(given["predictions"], p)
    if mode() == "cut":
        os.truncate(given["predictions"], 300)
for line in sys.stdin if "serve" in given else []:
    asked = json.loads(line)
    alone = given["api"] != "executeV2" and "lanes" not in given
    said = {{"latencies_ms": [2.0, float(x[: asked["batch"]].sum())], "gpu_ms": [1.5] if alone else None, "enqueue_ms": asked["batch"] / 8}}
    if mode() == "serve wrong":
        said = {{"error": "p[0]: NaN", "kind": "wrong_output"}}
    if mode() == "serve failed":
        said = {{"error": "the output is wrong, or so it seems", "kind": "failed"}}
    if mode() == "serve ends":
        sys.exit("runner: the device is lost")
    if mode() == "serve killed":
        os.kill(os.getpid(), 9)
    if mode() == "serve hangs":
        time.sleep(60)
    odd = {{"serve null": {{"latencies_ms": None}}, "serve none": {{"latencies_ms": []}}, "serve NaN": {{"latencies_ms": [float("nan")]}},
           "serve words": {{"latencies_ms": ["x"]}}, "serve no enqueue": {{"enqueue_ms": None}}}}.get(mode(), {{}})
    print({{"serve text": "Hello", "serve list": "[]", "serve empty": "{{}}"}}.get(mode(), json.dumps(said | odd)), flush=True)
"""


class Program:
    """The stand-in: `mode` makes it fail, `calls` is what it was asked for. It says that it is of the headers `tensorrt` and loads
    `library`."""

    def __init__(self, folder: Path, tensorrt: str = HERE, library: str = "8.5.3") -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.path = folder, folder / "runner"
        self.mode("")
        self.path.write_text(PROGRAM.format(python=sys.executable, folder=str(folder), tensorrt=tensorrt, library=library))
        self.path.chmod(0o755)

    def mode(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)

    @property
    def calls(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.folder / "called").read_text().splitlines()]


@pytest.fixture(autouse=True)
def _tensorrt(monkeypatch):
    monkeypatch.setattr(trt, "version", lambda: HERE)


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.setenv(compiled.PROGRAM, str(tmp_path / "runner"))
    return Program(tmp_path)


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Makes programs where `make cpp` puts them."""
    monkeypatch.delenv(compiled.PROGRAM, raising=False)
    monkeypatch.setattr(compiled, "BUILT", str(tmp_path / "cpp-{version}" / "runner"))
    return lambda version, *says: Program(tmp_path / f"cpp-{version}", *says)


@pytest.fixture
def here(tmp_path, monkeypatch, program):
    """A system on which engines run, as far as it is Python that decides: the engine is a file of a few bytes."""
    payload = tmp_path / "engine" / "payload"
    payload.mkdir(parents=True)
    (payload / "model.plan").write_bytes(b"plan")
    engine = artifacts.Artifact("engine", "key", payload, "e" * 64, {}, {})
    monkeypatch.setattr(TensorRT, "unavailable", classmethod(lambda cls, precision: None))
    monkeypatch.setattr(EngineRunner, "artifact", engine)
    monkeypatch.setattr(plans, "trusted", lambda session, precision, artifact: artifact.file("model.plan").read_bytes())
    return program


@pytest.fixture
def images(quick):
    return quick.to_input(quick.images.x_test[:40])


@pytest.fixture
def batches(images):
    return {size: images[:size] for size in (1, 8, 32)}


def expected(images):
    p = images.reshape(len(images), -1)[:, 200:210] + np.float32(0.1)
    return p / p.sum(1, keepdims=True)


def test_what_is_missing_is_named_in_the_order_in_which_it_is_needed(monkeypatch, tmp_path, built):
    monkeypatch.setattr(TensorRT, "unavailable", classmethod(lambda cls, precision: Reason("no_gpu")))
    assert Cpp.unavailable("fp16") == Reason("no_gpu")
    monkeypatch.setattr(TensorRT, "unavailable", classmethod(lambda cls, precision: None))
    not_built = Reason("cpp_not_built", {"tensorrt": HERE})
    assert Cpp.unavailable("fp16") == not_built
    path = built(HERE).path
    path.write_text("#!/bin/sh\necho 'runner: libnvinfer.so.8 is missing' >&2; exit 127\n")
    path.chmod(0o644)
    assert Cpp.unavailable("fp16") == not_built  # nobody may execute it
    path.chmod(0o755)
    assert Cpp.unavailable("fp16") == Reason("cpp_does_not_start", {"message": "the C++ runner: libnvinfer.so.8 is missing"})
    assert Cpp.ways("fp16") == [PLAIN]
    built(HERE)
    assert Cpp.unavailable("fp16") is None
    monkeypatch.setenv(compiled.PROGRAM, str(tmp_path / "elsewhere"))
    assert Cpp.unavailable("fp16") == Reason("cpp_no_program", {"variable": compiled.PROGRAM})


def test_programs_of_several_versions_stand_side_by_side(built):
    old, new = built("8.5.3.1"), built("10.6.0.26", "10.6.0.26", "10.6.0")
    (new.folder.parent / "cpp" / "tests").mkdir(parents=True)  # the build itself
    assert compiled.program() == compiled.program("8.5.3.1") == old.path
    assert compiled.program("10.6.0") == compiled.program("10.6.0.26") == new.path
    assert compiled.apis("10.6.0") == compiled.apis() == ("enqueueV3", "executeV2")
    for other in ("8.6.1", "8.5.3.2", "10.6.1", "1.6.0", "10.6.0.2"):
        assert not compiled.program(other).exists()
        assert compiled.apis(other) == Reason("cpp_not_built", {"tensorrt": other})
        assert Cpp.of(other).ways("fp16") == [PLAIN]
    with pytest.raises(ReportError, match="does not start"):
        compiled.call("--version", path=compiled.program("8.6.1"))


def test_the_longest_and_highest_version_that_fits_is_taken(built):
    for version in ("10", "10.6", "9.9.9.9", "10.6.0.3", "10.6.0.26", "10.10.0.1"):
        built(version)
    found = {version: compiled.program(version).parent.name for version in ("10.6.0", "10.6.1", "10.8.0", "10.6.0.3")}
    assert found == {"10.6.0": "cpp-10.6.0.26", "10.6.1": "cpp-10.6", "10.8.0": "cpp-10", "10.6.0.3": "cpp-10.6.0.3"}


@pytest.mark.parametrize("place", ["runner-{version}", "of {version}/runner [{version}]"])
def test_the_variable_names_one_program_or_one_a_version(program, tmp_path, monkeypatch, place):
    assert compiled.program("8.5.3.1") == compiled.program("10.6.0") == program.path
    monkeypatch.setenv(compiled.PROGRAM, str(tmp_path / place))
    assert compiled.apis("10.6.0") == Reason("cpp_not_built", {"tensorrt": "10.6.0"})
    for version in ("8.5.3.1", "10.6.0"):
        path = tmp_path / place.replace("{version}", version)
        path.parent.mkdir(exist_ok=True)
        Program(tmp_path, version, version).path.rename(path)
        assert compiled.program(version) == path
        assert compiled.apis(version) == ("enqueueV3", "executeV2")
    (tmp_path / place.replace("{version}", "9.1.0")).mkdir(parents=True)
    assert compiled.apis("9.1.0") == Reason("cpp_not_built", {"tensorrt": "9.1.0"})


@pytest.mark.parametrize(
    ("tensorrt", "library"),
    [("8.6.1.6", "8.6.1"), ("8.5.3.1", "8.6.1"), ("8.5.3.1", "10.6.0"), ("10.6.0.26", "8.5.3"), ("8.5.2.2", "8.5.2")],
)
def test_a_program_of_another_version_is_refused_in_one_line(tmp_path, here, quick, tensorrt, library):
    other = Program(tmp_path, tensorrt, library)
    os.utime(other.path, ns=(0, 1))
    (message,) = Cpp.unavailable("fp16").values.values()
    assert message.startswith(f"the C++ runner: {other.path} is built for TensorRT {tensorrt} and loads {library}, wanted 8.5.3.1; ")
    assert "\n" not in message
    with pytest.raises(NotMeasured, match=r"wanted 8\.5\.3\.1;"):
        Cpp(quick, FP16).prepare()


@given(st.lists(st.integers(0, 999), min_size=1, max_size=4), st.lists(st.integers(0, 999), min_size=1, max_size=4), st.integers(1, 4))
def test_versions_are_the_same_as_far_as_both_tell(one, other, length):
    written = [".".join(map(str, numbers)) for numbers in (one, other, one[:length])]
    both = min(len(one), len(other))
    assert compiled.same(written[0], written[1]) == compiled.same(written[1], written[0]) == (one[:both] == other[:both])
    assert compiled.same(written[0], written[2])
    assert not compiled.same(written[0], "")


def test_versions_of_early_releases():
    assert compiled.same("10.0.0b6", "10.0.0.6")
    assert not compiled.same("10.0.0b6", "10.0.1.6")
    assert not compiled.same("dev", "dev")


def test_reasons_have_words_in_both_languages():
    for reason in (
        Reason("cpp_not_built", {"tensorrt": HERE}),
        Reason("cpp_no_program", {"variable": "X"}),
        Reason("cpp_does_not_start", {"message": "the C++ runner: x"}),
    ):
        assert reason.text.en.isascii()
        assert not reason.text.ja.isascii()


def test_it_is_not_prepared_where_it_cannot_run(quick, monkeypatch):
    monkeypatch.setattr(Cpp, "unavailable", classmethod(lambda cls, precision: Reason("cpp_not_built", {"tensorrt": HERE})))
    with pytest.raises(NotMeasured, match=r"cpp/fp16: the C\+\+ runner is not built"):
        Cpp(quick, FP16).prepare()


def test_all_images_are_answered_in_one_process_in_batches_of_the_engine(quick, here, images):
    with Cpp(quick, FP16) as run:
        got = run.infer(images)
        assert np.array_equal(run.infer(images[::2]), got[::2])
    assert got.dtype == np.float32
    assert np.allclose(got, expected(images), rtol=1e-6)
    first, second = here.calls
    assert (first["batch"], first["api"], "graph" in first) == (str(quick.profile.engines.max_batch), "enqueueV3", False)
    assert not Path(second["samples"]).exists()
    assert Path(first["plan"]).name == "model.plan"


def test_plans_of_another_version_run_in_its_program_once_they_were_checked(quick, built, images, tmp_path, monkeypatch):
    """On a system whose own TensorRT cannot run engines at all."""
    monkeypatch.setattr(TensorRT, "unavailable", classmethod(lambda cls, precision: Reason("no_gpu")))
    payload = tmp_path / "payload"
    payload.mkdir()
    (payload / "model.plan").write_bytes(b"plan")
    engine, other = artifacts.Artifact("engine", "key", payload, "e" * 64, {}, {}), Cpp.of("10.6.0")
    wanted = other(quick, FP16, engine, lambda: b"plan")
    with pytest.raises(NotMeasured) as missing:
        wanted.prepare()
    assert missing.value.reason == Reason("cpp_not_built", {"tensorrt": "10.6.0"})
    old, new = built(HERE), built("10.6.0.26", "10.6.0.26", "10.6.0")
    assert other.unavailable("fp16") is None
    assert Cpp.unavailable("fp16") == Reason("no_gpu")
    with wanted as run:
        assert np.allclose(run.infer(images), expected(images), rtol=1e-6)
        assert run.timer(images[:8])(0).gpu_ms.tolist() == [1.5]
    assert len(new.calls) == 2
    assert not (old.folder / "called").exists()
    assert run.versions() == {"program": files.sha256(new.path)} != Cpp.versions()
    assert runners.RUNNERS[other.name] is Cpp
    with other(quick, FP16, engine, lambda: b"another plan") as run, pytest.raises(ReportError, match="its SHA-256 is"):
        run.infer(images)


def test_it_can_be_opened_again_and_again_once_it_is_prepared(quick, here, images):
    runner = Cpp(quick, FP16)
    runner.prepare()
    for _ in range(2):
        runner.open()
        assert np.allclose(runner.infer(images[:1]), expected(images[:1]), rtol=1e-6)
        runner.timer(images[:1])(0)
        runner.close()


def test_wrong_input_never_reaches_the_program(quick, here, images):
    broken = images.copy()
    broken[3, 0, 0, 0] = np.nan
    with Cpp(quick, FP16) as run:
        for wrong in (images[:8].astype(np.float64), images[0], images[:0], broken[:8]):
            for ask in (run.infer, run.timer):
                with pytest.raises(ReportError, match="input"):
                    ask(wrong)
        with pytest.raises(ReportError, match="batch of 40 is over the largest"):
            run.timer(images)
    assert not (here.folder / "called").exists()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("error", r"^the C\+\+ runner: no device memory left$"),
        ("silent", r"ended with exit code 3"),
        ("no file", r"wrote no predictions"),
        ("cut", r"wrote no predictions"),
        ("short", r"predictions are float32 \(39, 10\), of 40 images"),
        ("double", r"predictions are float64 \(40, 10\)"),
        ("flat", r"predictions are float32 \(400,\)"),
    ],
)
def test_what_goes_wrong_in_the_program_is_one_line(quick, here, images, mode, words):
    with Cpp(quick, FP16) as run:
        assert run.infer(images).shape == (40, 10)  # what it wrote before is not taken for what it writes now
        here.mode(mode)
        with pytest.raises(ReportError, match=words) as raised:
            run.infer(images)
        assert "\n" not in str(raised.value)
        assert not isinstance(raised.value, WrongOutput)
        here.mode("")
        assert run.infer(images).shape == (40, 10)


def test_wrong_output_is_known_by_the_exit_code(quick, here, images):
    here.mode("wrong output")
    with Cpp(quick, FP16) as run, pytest.raises(WrongOutput, match=r"^p\[0\]: NaN$"):
        run.infer(images)


def test_a_program_that_hangs_is_ended(here):
    here.mode("hang")
    with pytest.raises(ReportError, match=r"did not end within 0\.3 s"):
        compiled.call("--plan", "x", limit_s=0.3)


def test_a_program_for_another_machine_does_not_start(program):
    program.path.write_bytes(b"\x7fELF no program")
    with pytest.raises(ReportError, match="does not start"):
        compiled.call("--version")
    assert compiled.apis().key == "cpp_does_not_start"
    with pytest.raises(ReportError, match="does not start"):
        compiled.Server(said=program.folder / "said")


def test_a_killed_program_says_by_what(program):
    program.path.write_text("#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(ReportError, match="killed by SIGKILL"):
        compiled.call("--version")


def test_the_plan_that_was_checked_is_the_one_that_runs(quick, here, images):
    with Cpp(quick, FP16) as run:
        run.artifact.file("model.plan").write_bytes(b"another plan")
        for ask in (run.infer, lambda batch: run.timer(batch[:8])(0)):
            with pytest.raises(ReportError, match="its SHA-256 is"):
                ask(images)


def test_the_build_says_which_calls_it_has(program, quick, monkeypatch):
    assert compiled.apis() == ("enqueueV3", "executeV2")
    assert Cpp.ways("fp16") == [PLAIN, Way(api="executeV2"), Way(graph=True)]
    for way in (PLAIN, Way("enqueueV3"), Way("executeV2"), Way(graph=True), Way("enqueueV3", graph=True)):
        assert Cpp.takes(Candidate("cpp", "fp16", way))
    for way in (Way(lanes=2), Way("enqueueV3", graph=True, lanes=8)):
        assert Cpp.takes(Candidate("cpp", "fp16", way))
    for way in (Way("executeV2", graph=True), Way("executeV2", lanes=2), Way("execute_async_v2"), Way(byte_input=True), Way(classes=True)):
        with pytest.raises(ReportError, match="not called by"):
            Cpp(quick, Candidate("cpp", "fp16", way))
    for said in ("nothing", "3", "", "[]", '["enqueueV3"]', '{"apis": ["enqueueV3"]}', '{"apis": 3, "tensorrt": "8", "library": "8"}'):
        program.path.write_text(f"#!/bin/sh\necho '{said}'\n")
        os.utime(program.path, ns=(0, len(said)))
        assert "--version does not tell what it is" in compiled.apis().values["message"]


@pytest.mark.parametrize(
    ("way", "api", "graph"), [(PLAIN, "enqueueV3", False), (Way("executeV2"), "executeV2", False), (Way(graph=True), "enqueueV3", True)]
)
def test_the_way_is_passed_on(quick, here, images, way, api, graph):
    with Cpp(quick, Candidate("cpp", "fp16", way)) as run:
        run.infer(images)
        found = run.timer(images[:8])(0)
    assert (found.gpu_ms is None) == (api == "executeV2")
    for called in here.calls:
        assert (called["api"], "graph" in called) == (api, graph)


@pytest.mark.parametrize("way", [Way(lanes=3), Way(graph=True, lanes=8)])
def test_lanes_reach_it_and_tell_times_between_batches(quick, here, images, batches, way):
    with Cpp(quick, Candidate("cpp", "fp16", way)) as run:
        assert np.allclose(run.infer(images), expected(images), rtol=1e-6)
        assert run.told() == {}
        for size in (8, 32):
            assert run.timer(batches[size])(0).gpu_ms is None
        assert run.told() == {"enqueue_ms": {"8": 1.0, "32": 4.0}}
    for called in here.calls:
        assert (called["lanes"], called["api"], "graph" in called) == (str(way.lanes), "enqueueV3", way.graph)


def test_an_engine_with_bytes_in_and_classes_out(quick, here, images):
    x = quick.images.x_test[:40]
    way = Way(graph=True, lanes=2, byte_input=True, classes=True)
    with Cpp(quick, Candidate("cpp", "fp16", way), EngineRunner.artifact) as run:
        got = run.infer(x)
        assert got.dtype == np.int32
        assert got.tolist() == (x.reshape(len(x), -1)[:, 200:210]).argmax(axis=1).tolist()
        with pytest.raises(ReportError, match="input must be a uint8 array"):
            run.infer(images)
        here.mode("double")
        with pytest.raises(ReportError, match=r"predictions are float64 \(40,\)"):
            run.infer(x)
        here.mode("")
        run.timer(x[:8])(0)
    assert {called["outputs"] for called in here.calls} == {"classes"}
    assert here.calls[-1]["lanes"] == "2"


def test_predictions_give_it_all_test_images_at_once_and_depend_on_the_program(quick, here):
    first = predictions.artifact(quick, FP16)
    (call,) = here.calls
    assert predictions.read(first).shape == (len(quick.images.x_test), 10)
    assert first.info["batch"] == len(quick.images.x_test)
    assert predictions.artifact(quick, FP16).key == first.key
    here.path.write_text(here.path.read_text() + "# built again\n")
    assert predictions.artifact(quick, FP16).key != first.key
    assert call["batch"] == str(quick.profile.engines.max_batch)


def test_one_process_times_all_batches_of_a_candidate(quick, here, batches):
    with Cpp(quick, FP16) as run:
        timers = {size: run.timer(batch) for size, batch in batches.items()}
        assert not (here.folder / "called").exists()  # nothing is started before it is asked
        for _ in range(3):
            for size, timer in timers.items():
                found = timer(0.01)
                assert found.latencies_ms.tolist() == [2.0, pytest.approx(float(batches[size].sum()), rel=1e-5)]
                assert found.gpu_ms.tolist() == [1.5]
        (called,) = here.calls
        assert "batch" not in called
    assert ended(called["pid"])


def test_other_images_take_another_process(quick, here, batches):
    with Cpp(quick, FP16) as run:
        one, other = run.timer(batches[32]), run.timer(batches[8][::-1].copy())
        for timer, images in ((one, batches[32]), (other, batches[8]), (one, batches[32])):
            assert timer(0).latencies_ms[1] == pytest.approx(float(images.sum()), rel=1e-5)
        assert len(here.calls) == 3
        assert [ended(called["pid"]) for called in here.calls] == [True, True, False]


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("serve ends", r"^the C\+\+ runner: the device is lost$"),
        ("serve killed", r"^the C\+\+ runner: killed by SIGKILL$"),
        ("serve text", r"answers 'Hello', no times"),
        ("serve list", r"answers '\[\]', no times"),
        ("serve empty", r"no times"),
        ("serve null", r"no times"),
        ("serve none", r"no times"),
        ("serve NaN", r"no times"),
        ("serve words", r"no times"),
        ("serve no enqueue", r"no times"),
        ("error", r"^the C\+\+ runner: no device memory left$"),
        ("silent", r"ended with exit code 3"),
    ],
)
def test_a_timing_process_that_is_lost_is_one_line_and_the_next_slice_has_a_new_one(quick, here, batches, mode, words):
    with Cpp(quick, FP16) as run:
        timer = run.timer(batches[8])
        here.mode(mode)
        with pytest.raises(ReportError, match=words) as raised:
            timer(0)
        assert "\n" not in str(raised.value)
        assert not isinstance(raised.value, WrongOutput)
        here.mode("")
        assert len(timer(0).latencies_ms) == 2
        assert [ended(called["pid"]) for called in here.calls] == [True, False]


@pytest.mark.parametrize(("mode", "kind"), [("serve wrong", WrongOutput), ("serve failed", ReportError)])
def test_a_failed_slice_is_told_by_its_kind_and_the_process_goes_on(quick, here, batches, mode, kind):
    with Cpp(quick, FP16) as run:
        timer = run.timer(batches[8])
        here.mode(mode)
        with pytest.raises(ReportError) as raised:
            timer(0)
        assert type(raised.value) is kind
        here.mode("")
        assert len(timer(0).latencies_ms) == 2
        assert len(here.calls) == 1


def test_a_timing_process_that_hangs_is_killed(quick, here, batches, monkeypatch):
    with Cpp(quick, FP16) as run:
        timer = run.timer(batches[8])
        timer(0)
        here.mode("serve hangs")
        with pytest.raises(ReportError, match=r"did not answer within 0\.3 s"):
            run._server.ask(8, 0, limit_s=0.3)
        assert ended(here.calls[0]["pid"])


def test_it_ends_with_its_parent(here, tmp_path, images):
    samples = write_samples(tmp_path / "s.npy", images)
    program = f"""
import os, pathlib, signal
from lib.runners import compiled
from lib.store import files
plan = pathlib.Path({str(tmp_path / "engine" / "payload" / "model.plan")!r})
server = compiled.Server("--plan", plan, "--sha256", files.sha256(plan), "--samples", {str(samples)!r}, "--api", "enqueueV3",
                    said=pathlib.Path({str(tmp_path / "said")!r}))
server.ask(1, 0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=config.ROOT, check=False)
    assert done.returncode == -9
    until = time.monotonic() + 20
    while not ended(here.calls[0]["pid"]) and time.monotonic() < until:
        time.sleep(0.05)
    assert ended(here.calls[0]["pid"])


def ended(pid: int) -> bool:
    """Whether there is no such process any more (one that nobody has waited for has ended too)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_it_is_listed_after_the_python_runner_of_the_same_engines():
    names = list(runners.RUNNERS)
    assert names.index("cpp") == names.index("tensorrt") + 1
    assert Cpp.precisions == TensorRT.precisions


def test_the_program_that_make_cpp_builds_is_where_it_is_looked_for():
    built = list(config.ROOT.glob("build/cpp-*/runner"))
    if not built:
        pytest.skip("make cpp has not built the runner here")
    for path in built:
        version = path.parent.name.removeprefix("cpp-")
        assert compiled.program(version) == path
        assert "enqueueV3" in compiled.apis(version)
