"""lib/runners/cpp.py with a program in place of the compiled one, which speaks its command line and fails on demand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lib import runners, trt
from lib.data import dataset as datasets
from lib.errors import NotMeasured, ReportError
from lib.experiment import profile as config
from lib.experiment import system
from lib.measure import predictions, sweep
from lib.measure.sweep import Configuration
from lib.runners import cpp
from lib.runners.cpp import Cpp
from lib.runners.tensorrt import EngineRunner, TensorRT
from lib.store import artifacts, files
from lib.text import Text

# Answers from the pixels, so that order shows; {folder}/mode says how to fail, {folder}/called keeps the arguments.
PROGRAM = """#!{python}
import csv, hashlib, json, pathlib, sys, time
import numpy as np

folder, words = pathlib.Path({folder!r}), sys.argv[1:]
mode = (folder / "mode").read_text()
if words == ["--help"]:
    print("usage: runner\\n  --plan FILE\\n  --api enqueueV3|executeV2    which calls run the engine (default enqueueV3)")
    sys.exit(0)
given = {{}}
while words:
    name = words.pop(0)[2:]
    given[name] = "" if name == "graph" else words.pop(0)
with open(folder / "called", "a") as log:
    log.write(json.dumps(given) + "\\n")
if mode == "hang":
    time.sleep(60)
if mode == "error":
    print("TensorRT: a warning\\nrunner: no device memory left", file=sys.stderr)
    sys.exit(1)
if mode == "silent":
    sys.exit(3)
if mode == "wrong output":
    print("runner: the output is wrong: image 0 has values that are not finite", file=sys.stderr)
    sys.exit(1)
hash = hashlib.sha256(pathlib.Path(given["plan"]).read_bytes()).hexdigest()
if given["sha256"] != hash:
    sys.exit("runner: " + given["plan"] + ": its SHA-256 is " + hash)
x = np.load(given["samples"])
assert x.dtype == np.float32 and x.flags.c_contiguous
p = x.reshape(len(x), -1)[:, 200:210] + np.float32(0.1)
p /= p.sum(1, keepdims=True)
if "predictions" in given and mode != "no file":
    rows = [[i, row.argmax(), *(repr(float(v)) for v in row)] for i, row in enumerate(p)]
    if mode == "short":
        rows = rows[:-1]
    if mode == "order":
        rows[0], rows[1] = rows[1], rows[0]
    if mode == "nan":
        rows[1][2] = "nan"
    if mode == "class":
        rows[1][1] = (rows[1][1] + 1) % 10
    if mode == "text":
        rows[1][3] = "many"
    if mode == "columns":
        rows[1].append("0.5")
    header = ["sample_id", "class", *(f"probability_{{c}}" for c in range(10))]
    with open(given["predictions"], "w", newline="") as file:
        csv.writer(file, lineterminator="\\n").writerows(([["image"]] if mode == "header" else [header]) + rows)
if "records" in given:
    samples = [2.0, 2.2, 2.1, 2.3]
    blank = dict(schema=1, runner="cpp", precision=given["precision"], batch_size=int(given["batch"]), artifact_sha256=hash, reason=None,
                 case={{"api": given["api"], "graph": False}}, started_at="2026-11-20T12:53:00+00:00", samples=[], scope="end_to_end")
    stats = {{"n": 4, "stable": True, "p50": 2.15, "p90": None, "p95": None, "p99": None}}
    if mode == "other plan":
        blank["artifact_sha256"] = "0" * 64
    lines = [
        blank | dict(metric="latency", unit="ms", value=2.15, stats=stats, samples=samples),
        blank | dict(metric="throughput", unit="images/s", value=1e3 * int(given["batch"]) / 2.15, stats={{"n": 4, "stable": True}}),
        blank | dict(metric="latency", unit="ms", value=1.5, scope="gpu_compute", stats=stats | {{"p50": 1.5}}, samples=[1.5] * 4),
    ]
    if mode == "half":
        lines = lines[1:]
    pathlib.Path(given["records"]).write_text("".join(json.dumps(line) + "\\n" for line in lines))
"""


class Program:
    """The stand-in: `mode` makes it fail, `calls` is what it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "runner"
        self.mode("")
        self.path.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
        self.path.chmod(0o755)

    def mode(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)

    @property
    def calls(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.folder / "called").read_text().splitlines()]


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.setenv(cpp.PROGRAM, str(tmp_path / "runner"))
    return Program(tmp_path)


@pytest.fixture
def here(tmp_path, monkeypatch, program):
    """A system on which engines run, as far as it is Python that decides: the engine is a file of a few bytes."""
    payload = tmp_path / "engine" / "payload"
    payload.mkdir(parents=True)
    (payload / "model.plan").write_bytes(b"plan")
    engine = artifacts.Artifact("engine", "key", payload, "e" * 64, {}, {})
    monkeypatch.setattr(TensorRT, "unavailable", classmethod(lambda cls, precision: None))
    monkeypatch.setattr(EngineRunner, "artifact", engine)
    monkeypatch.setattr(trt, "trusted", lambda session, precision, artifact: artifact.file("model.plan").read_bytes())
    return program


@pytest.fixture
def images(quick):
    return datasets.to_input(quick.images.x_test[:40])


def expected(images):
    p = images.reshape(len(images), -1)[:, 200:210] + np.float32(0.1)
    return p / p.sum(1, keepdims=True)


def test_what_is_missing_is_named_in_the_order_in_which_it_is_needed(monkeypatch, tmp_path):
    monkeypatch.setattr(system, "gpus", list)
    assert "no NVIDIA GPU" in Cpp.unavailable("fp16").en
    monkeypatch.setattr(TensorRT, "unavailable", classmethod(lambda cls, precision: None))
    monkeypatch.delenv(cpp.PROGRAM, raising=False)
    monkeypatch.setattr(cpp, "BUILT", tmp_path / "runner")
    assert Cpp.unavailable("fp16") == cpp.NOT_BUILT
    assert "make cpp" in cpp.NOT_BUILT.en
    (tmp_path / "runner").write_text("#!/bin/sh\necho 'runner: libnvinfer.so.8 is missing' >&2; exit 127\n")
    assert Cpp.unavailable("fp16") == cpp.NOT_BUILT  # nobody may execute it
    (tmp_path / "runner").chmod(0o755)
    assert Cpp.unavailable("fp16").en == "the C++ runner: libnvinfer.so.8 is missing"
    with pytest.raises(ReportError, match=r"libnvinfer\.so\.8 is missing"):
        cpp.apis()
    Program(tmp_path)
    assert Cpp.unavailable("fp16") is None
    monkeypatch.setenv(cpp.PROGRAM, str(tmp_path / "elsewhere"))
    assert f"{cpp.PROGRAM} names {tmp_path / 'elsewhere'}" in Cpp.unavailable("fp16").en


def test_it_does_not_start_where_it_cannot_run(quick, monkeypatch):
    monkeypatch.setattr(Cpp, "unavailable", classmethod(lambda cls, precision: Text("no such chip", "チップがない")))
    with pytest.raises(NotMeasured, match="cpp: no such chip"):
        Cpp(quick, "fp16").__enter__()


def test_all_images_are_answered_in_one_process_in_batches_of_the_engine(quick, here, images):
    with Cpp(quick, "fp16") as run:
        got = run.infer(images)
        assert np.array_equal(run.infer(images[::2]), got[::2])
    assert got.dtype == np.float32
    assert np.allclose(got, expected(images), rtol=1e-6)
    first, second = here.calls
    assert (first["batch"], first["api"], "graph" in first) == ("32", "enqueueV3", False)
    assert not Path(second["samples"]).exists()
    assert Path(first["plan"]).name == "model.plan"


def test_wrong_input_never_reaches_the_program(quick, here, images):
    broken = images.copy()
    broken[3, 0, 0, 0] = np.nan
    with Cpp(quick, "fp16") as run:
        for wrong in (images.astype(np.float64), images[0], images[:0], broken):
            with pytest.raises(ReportError, match="input"):
                run.infer(wrong)
    assert not (here.folder / "called").exists()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("error", r"^the C\+\+ runner: no device memory left$"),
        ("silent", r"ended with exit code 3"),
        ("no file", r"wrote no predictions"),
        ("header", r"line 1 of its predictions is not a header"),
        ("short", r"predictions of 39 images in place of 40"),
        ("order", r"line 2 of its predictions is of image 1 .* wanted image 0"),
        ("nan", r"line 3 of its predictions holds NaN"),
        ("class", r"line 3 of its predictions holds NaN or infinity, or a class that is not"),
        ("text", r"line 3 of its predictions holds no numbers"),
        ("columns", r"line 3 of its predictions is of image 1 with 11 classes, wanted image 1 with 10"),
    ],
)
def test_what_goes_wrong_in_the_program_is_one_line(quick, here, images, mode, words):
    with Cpp(quick, "fp16") as run:
        here.mode(mode)
        with pytest.raises(ReportError, match=words) as raised:
            run.infer(images)
        assert "\n" not in str(raised.value)
        here.mode("")
        assert run.infer(images).shape == (40, 10)


def test_a_program_that_hangs_is_ended(here):
    here.mode("hang")
    with pytest.raises(ReportError, match=r"did not end within 0\.3 s"):
        cpp.call("--plan", "x", limit_s=0.3)


def test_a_program_for_another_machine_does_not_start(program):
    program.path.write_bytes(b"\x7fELF no program")
    with pytest.raises(ReportError, match="does not start"):
        cpp.call("--help")
    assert "does not start" in cpp.not_built().en


def test_a_killed_program_says_by_what(program):
    program.path.write_text("#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(ReportError, match="killed by SIGKILL"):
        cpp.call("--help")


def test_the_plan_that_was_checked_is_the_one_that_runs(quick, here, images):
    with Cpp(quick, "fp16") as run:
        run.artifact.file("model.plan").write_bytes(b"another plan")
        with pytest.raises(ReportError, match="its SHA-256 is"):
            run.infer(images)


def test_apis_are_those_of_the_build(program):
    assert cpp.apis() == ["enqueueV3", "executeV2"]
    program.path.write_text("#!/bin/sh\necho nothing\n")
    with pytest.raises(ReportError, match="names no --api"):
        cpp.apis()


def test_api_and_graph_are_passed_on(here, images, tmp_path):
    samples = cpp.write_samples(tmp_path / "s.npy", images[:5])
    plan = tmp_path / "engine" / "payload" / "model.plan"
    got = cpp.predict(plan, files.sha256(plan), samples, 5, 16, "executeV2", graph=True)
    assert np.allclose(got, expected(images[:5]), rtol=1e-6)
    assert (here.calls[0]["api"], here.calls[0]["batch"], "graph" in here.calls[0]) == ("executeV2", "16", True)


def test_predictions_give_it_all_test_images_at_once_and_depend_on_the_program(quick, here):
    first = predictions.artifact(quick, "cpp", "fp16")
    (call,) = here.calls
    assert predictions.read(first).shape == (len(quick.images.x_test), 10)
    assert first.info["batch"] == len(quick.images.x_test)
    assert predictions.artifact(quick, "cpp", "fp16").key == first.key
    here.path.write_text(here.path.read_text() + "# built again\n")
    assert predictions.artifact(quick, "cpp", "fp16").key != first.key
    assert call["batch"] == "32"


def test_a_sweep_takes_up_what_the_program_measured(quick, here):
    latency, rate, *rest = sweep.run(quick, [Configuration("cpp", "fp16", 8)])
    assert not rest
    asked, measuring = here.calls[0], quick.profile.measuring
    assert (latency.value, latency.samples, latency.artifact_sha256) == (2.15, [2.0, 2.2, 2.1, 2.3], "e" * 64)
    assert (rate.metric, rate.unit, rate.batch_size, rate.scope) == ("throughput", "images/s", 8, "end_to_end")
    assert rate.stats["ci_low"] < rate.value < rate.stats["ci_high"]
    assert {"before", "after", "threads", "stable", "n"} <= latency.stats.keys() & rate.stats.keys()
    assert (latency.stats["api"], latency.stats["gpu_compute"]["p50"], latency.case) == ("enqueueV3", 1.5, {})
    assert (asked["batch"], asked["precision"]) == ("8", "fp16")
    given = [float(asked[name]) for name in ("warmup-s", "window-s", "stable-windows", "tolerance", "limit-s")]
    assert given == [measuring.warmup_s, measuring.window_s, measuring.stable_windows, measuring.tolerance, measuring.limit_s]


def test_a_sweep_shows_wrong_output_and_a_batch_that_is_too_large(quick, here):
    here.mode("wrong output")
    wrong, _, large, _ = sweep.run(quick, [Configuration("cpp", "fp16", 8), Configuration("cpp", "fp16", 33)])
    assert wrong.stats == {"wrong_output": True}
    assert "not finite" in wrong.reason.en
    assert large.reason.en == "the largest batch of this engine is 32"


@pytest.mark.parametrize(
    ("mode", "words"),
    [("error", "no device memory left"), ("other plan", r"measured \('cpp', 'fp16', 8, '0+'\) in place of"), ("half", "its records lack")],
)
def test_records_that_are_not_of_this_run_are_refused_and_the_others_go_on(quick, here, mode, words):
    here.mode(mode)
    latency, rate, other, _ = sweep.run(quick, [Configuration("cpp", "fp16", 8), Configuration("null", "fp32", 8)])
    assert (latency.value, rate.value, rate.stats) == (None, None, {"failed": True})
    assert re.match(f"failed: the C\\+\\+ runner: {words}", rate.reason.en)
    assert other.value is not None


def test_it_is_listed_after_the_python_runner_of_the_same_engines():
    names = list(runners.RUNNERS)
    assert names.index("cpp") == names.index("tensorrt") + 1
    assert Cpp.precisions == TensorRT.precisions


def test_the_arguments_are_those_of_the_real_program():
    """Every option that Python passes is one that lib/cpp/options.cpp knows."""
    known = (config.ROOT / "lib" / "cpp" / "options.cpp").read_text()
    for name in ("plan", "samples", "sha256", "insist", "batch", "api", "graph", "predictions", "records", "precision"):
        assert f'{{"{name}", ' in known
    for option in cpp._settings(config.load("quickstart").measuring)[::2]:
        assert f'{{"{str(option)[2:]}", ' in known


def test_the_program_that_make_cpp_builds_is_where_it_is_looked_for():
    if not cpp.BUILT.exists():
        pytest.skip("make cpp has not built the runner here")
    done = subprocess.run([cpp.BUILT, "--help"], capture_output=True, text=True, check=True)
    assert "--api" in done.stdout
