"""The TensorRTs that TENSORRT_PYTHONS names: TensorRT for RTX as a real worker, stand-ins (tests/stand_in_worker.py) with every fault."""

from __future__ import annotations

import ast
import gc
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from stand_in_worker import command
from test_trt import network

from lib import deadline
from lib.errors import ConfigError
from lib.experiment import profile as config
from lib.plans import remote
from lib.plans.remote import Worker, WorkerEnded
from lib.trt import build, inspect, versions, worker
from lib.trt.versions import EngineError

SETTINGS = config.Engines(min_batch=1, opt_batch=4, max_batch=8, workspace_mib=64, calibration_images=8, calibration_batch=8)
GIVEN = {name: getattr(SETTINGS, name) for name in ("min_batch", "opt_batch", "max_batch", "workspace_mib", "calibration_batch")}
needs_rtx = pytest.mark.skipif(versions.flavour() != "tensorrt_rtx", reason="TensorRT for RTX is not what this system builds with")
OTHER = "answers otherwise than a worker does: "
TOO_LATE = "did not answer in time and was ended"
ENDS = {  # fault -> how the one line about it ends
    "says": "ended with exit code 1: ImportError: libnvinfer.so.8: cannot open shared object file",
    "silent": "ended with exit code 3",
    "aborts": "killed by SIGABRT: what():  CUDA error 35",
    "killed": "killed by SIGKILL",
    "half": "ended with exit code 7",
}


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After every test here: no process of a worker lives, none that one started, and the folder for temporary files is empty."""
    folder, started = tmp_path / "temporary", list[int]()
    folder.mkdir()

    class Popen(subprocess.Popen):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)
            started.append(self.pid)

    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(remote.subprocess, "Popen", Popen)
    monkeypatch.setattr(remote, "LOOK_S", 0.1)
    yield
    assert not list(folder.iterdir())
    wait_for(lambda: not living(started))


def wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not done():
        assert time.monotonic() < until
        time.sleep(0.02)


def living(sessions: list[int]) -> list[int]:
    """Processes of these sessions (a worker begins one) that are no zombies."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) in sessions and state != "Z":
            found.append(int(path.parent.name))
    return found


def refused(one: list[str]) -> str:
    """Why there is no such worker, in one line."""
    with pytest.raises(WorkerEnded) as caught:
        Worker(one)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def script(path: Path, text: str) -> list[str]:
    """A program of the shell; what starts it."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return [str(path)]


def interpreter(path: Path, before: str) -> list[str]:
    """A Python that does something before it runs what comes behind -c."""
    path.write_text(f"import os, sys\n{before}\nsys.path[0] = os.getcwd()\nexec(sys.argv[sys.argv.index('-c') + 1])\n")
    return [sys.executable, str(path)]


# The variable


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("  ", []),
        ("/opt/trt8/bin/python", [["/opt/trt8/bin/python"]]),
        ("/opt/8/python;/opt/10/python", [["/opt/8/python"], ["/opt/10/python"]]),
        (" a ;; b -I ; ", [["a"], ["b", "-I"]]),
        ("docker compose run --rm -T trt10 python3", [["docker", "compose", "run", "--rm", "-T", "trt10", "python3"]]),
        ("'/opt/my python/bin/python' -X dev;\"a b\"", [["/opt/my python/bin/python", "-X", "dev"], ["a b"]]),
        (r"/opt/my\ python", [["/opt/my python"]]),
        ("a #1;b", [["a", "#1"], ["b"]]),
        ("x" * 5000, [["x" * 5000]]),  # longer than a file's name may be
    ],
)
def test_commands_are_split_as_a_shell_does(text, found, monkeypatch):
    assert remote.commands(text) == found
    monkeypatch.setenv(remote.PYTHONS, text)
    assert remote.commands() == found
    monkeypatch.delenv(remote.PYTHONS)
    assert remote.commands() == []


LIST = "# all of them\n/opt/8/python\n\n  docker run 'a;b' \"c#d\" # the new one\n#/opt/9/python\n"


def test_a_file_has_one_a_line_wherever_it_is_read_from(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "ROOT", tmp_path)
    (tmp_path / "my versions.txt").write_text(LIST)
    (tmp_path / "elsewhere").mkdir()
    for folder in (tmp_path, tmp_path / "elsewhere"):
        monkeypatch.chdir(folder)
        for name in ("my versions.txt", str(tmp_path / "my versions.txt")):
            assert remote.commands(name) == [["/opt/8/python"], ["docker", "run", "a;b", "c#d"]]


def test_a_program_or_a_folder_is_no_list(tmp_path):
    (one,) = script(tmp_path / "python", "exit 1")
    assert remote.commands(one) == [[one]]
    assert remote.commands(str(tmp_path)) == [[str(tmp_path)]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe\x00", "cannot be read ("),
        (b"", "no command in it; write commands that start a Python, such as /opt/trt8/bin/python"),
        (b"# none\n\n", "no command in it"),
        (b"/opt/python 'a\n", "No closing quotation; write commands separated by semicolons, or one a line in a file"),
    ],
)
def test_a_file_that_names_none(tmp_path, content, said):
    (tmp_path / "list.txt").write_bytes(content)
    assert config_error(str(tmp_path / "list.txt")).startswith(f"TENSORRT_PYTHONS: {tmp_path / 'list.txt'}: {said}")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "list.txt").write_text("/opt/python\n")
    monkeypatch.setattr(Path, "read_text", denied)
    assert "cannot be read ([Errno 13] Permission denied)" in config_error(str(tmp_path / "list.txt"))


@pytest.mark.parametrize("text", [";", " ; ;", "/opt/python 'a", 'a "b;c', "a \\"])
def test_text_that_names_none(text):
    assert config_error(text).startswith("TENSORRT_PYTHONS: ")


def config_error(text):
    with pytest.raises(ConfigError) as caught:
        remote.commands(text)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


# A real one


@pytest.fixture(scope="module")
def real() -> Iterator[Worker]:
    """TensorRT for RTX in a process of its own, without a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        with remote.workers([[sys.executable]]) as (one,):
            assert isinstance(one, Worker), one
            yield one


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return network(tmp_path_factory.mktemp("onnx") / "model.onnx").read_bytes()


@needs_rtx
def test_it_says_what_it_is(real):
    assert real.about["flavour"] == "tensorrt_rtx"
    assert real.tensorrt == versions.version()
    assert (real.about["gpu"], real.about["typed"], real.about["apis"]) == (None, True, ["execute_async_v3"])
    assert real.about["lacking"]["int8"] == ["no_calibrator", {}]
    assert real.name == Path(sys.executable).name
    assert real.starts == 1
    asked, _ = real.ask("members", paths=["ICudaEngine.num_io_tensors", "ICudaEngine.num_bindings"])
    assert asked["members"] == {"ICudaEngine.num_io_tensors": "there", "ICudaEngine.num_bindings": "gone"}


@needs_rtx
def test_it_builds_what_this_process_builds(real, onnx, tmp_path):
    told, made = real.ask("build", arrays={"onnx": onnx}, precision="fp32", settings=GIVEN)
    here = build.build(network(tmp_path / "model.onnx"), "fp32", SETTINGS)
    assert made["plan"].tobytes() == here.plan
    assert told["weights_bytes"] > 0
    assert told["asked"] == {"fp32": 1}
    assert told["timing_cache"] is False
    assert len(told["build_s"]) == 1
    assert b"Total Weights Memory" in made["log"].tobytes()


@needs_rtx
def test_what_it_refuses_is_in_tensorrts_words_and_it_can_be_asked_again(real, onnx):
    for given, precision, said in (
        (b"no ONNX", "fp32", "TensorRT's parser refuses it: "),
        (b"", "fp32", "holds no network"),
        (onnx, "int8", "int8: TensorRT"),
    ):
        with pytest.raises(EngineError) as caught:
            real.ask("build", arrays={"onnx": given}, precision=precision, settings=GIVEN)
        assert str(caught.value).startswith(f"TensorRT {versions.version()}: {said}")
        assert "\n" not in str(caught.value)
        assert "/model.onnx" not in str(caught.value)  # a file that is gone by now
    assert real.starts == 1
    assert real.ask("build", arrays={"onnx": onnx}, precision="fp32", settings=GIVEN)[1]["plan"].size


@needs_rtx
def test_without_a_gpu_opening_is_an_error_and_not_the_end(real, onnx):
    plan = real.ask("build", arrays={"onnx": onnx}, precision="fp32", settings=GIVEN)[1]["plan"]
    for given in (plan, b"no plan"):
        with pytest.raises(EngineError):
            real.ask("open", arrays={"plan": given})
    with pytest.raises(EngineError, match="AttributeError: 'Worker' object has no attribute 'dance'"):
        real.ask("dance")
    assert real.alive
    assert real.ask("about")[0] == real.about


ALLOWED = """
class Blocker:
    def find_spec(self, name, path=None, target=None):
        first = name.partition(".")[0]
        ours = {"lib", "numpy", "pycuda", "mlperf_loadgen"}
        if first not in sys.stdlib_module_names and first not in ours and not first.startswith("tensorrt"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
for name in ("pydantic", "yaml", "pandas", "tqdm", "papermill", "onnx", "scipy"):
    try:
        __import__(name)
        sys.exit(f"{name} can be imported")
    except ModuleNotFoundError:
        pass
"""


@needs_rtx
def test_it_needs_numpy_tensorrt_and_pycuda_only(tmp_path, onnx, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with remote.workers([interpreter(tmp_path / "bare.py", ALLOWED)]) as (one,):
        assert isinstance(one, Worker), one
        assert one.tensorrt == versions.version()
        assert one.ask("members", paths=["Builder"])[0] == {"members": {"Builder": "there"}}
        assert one.ask("build", arrays={"onnx": onnx}, precision="fp32", settings=GIVEN)[1]["plan"].size


NO_DRIVER = """
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("tensorrt_rtx"):
            raise ModuleNotFoundError(name)

class Ends:
    def __init__(self, *args):
        os.abort()

import types
sys.meta_path.insert(0, Finder())
sys.modules["tensorrt"] = types.ModuleType("tensorrt")
sys.modules["tensorrt"].__version__ = "10.6.0"
sys.modules["tensorrt"].Builder = sys.modules["tensorrt"].Runtime = Ends
"""


def test_without_a_gpu_tensorrt_is_named_and_never_started(tmp_path, onnx, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with remote.workers([interpreter(tmp_path / "trt10.py", NO_DRIVER)]) as (one,):
        assert isinstance(one, Worker), one
        assert (one.tensorrt, one.about["flavour"], one.about["gpu"]) == ("10.6.0", None, None)
        assert one.ask("members", paths=["Builder", "BuilderFlag"])[0]["members"] == {"Builder": "there", "BuilderFlag": "gone"}
        for what, more in (("build", {"onnx": onnx}), ("open", {"plan": b"plan"})):
            with pytest.raises(EngineError):
                one.ask(what, arrays=more, **({"precision": "fp32", "settings": GIVEN} if what == "build" else {}))
        assert one.alive


def test_no_tensorrt_at_all(tmp_path):
    with remote.workers([interpreter(tmp_path / "bare.py", ALLOWED.replace('first.startswith("tensorrt")', "False"))]) as (one,):
        assert isinstance(one, Worker), one
        assert (one.tensorrt, one.about["flavour"], one.about["apis"]) == ("", None, [])
        with pytest.raises(EngineError, match=r"^TensorRT is not installed"):
            one.ask("members", paths=["Builder"])


class Execution:
    """An engine that doubles what it is given; those that are open."""

    opened: ClassVar[list[bytes]] = []
    collecting: ClassVar[list[bool]] = []  # while each call ran
    min_batch, max_batch, outputs = 1, 4, ["y"]

    def __init__(self, plan: bytes, api: str) -> None:
        self.plan = plan

    def __enter__(self):
        if self.plan == b"bad":
            raise EngineError("does not load this plan")
        self.opened.append(self.plan)
        return self

    def __exit__(self, *_):
        self.opened.remove(self.plan)

    def infer(self, batch):
        self.collecting.append(gc.isenabled())
        return {"y": 2 * batch, "z": batch}

    def gpu_ms(self):
        return 0.25

    def layers(self):
        return [inspect.EngineLayer("conv", "CaskConvolution", "fp16", "kernel")]


def test_it_holds_engines_under_numbers_that_are_never_used_twice(monkeypatch):
    monkeypatch.setattr(worker.execution, "Execution", Execution)
    monkeypatch.setattr(worker.cuda, "free_bytes", lambda: 1000 - 100 * len(Execution.opened))
    one, batch = worker.Worker(), np.ones((3, 2), np.float32)
    told, _ = one.open(np.frombuffer(b"first", np.uint8))
    assert told.pop("load_ms") >= 0
    assert told == {
        "engine": 1, "device_bytes": 100, "outputs": ["y"], "min_batch": 1, "max_batch": 4,
        "layers": [("conv", "CaskConvolution", "fp16", "kernel", "")],
    }  # fmt: skip
    assert one.open(np.frombuffer(b"second", np.uint8))[0]["engine"] == 2
    with pytest.raises(EngineError):
        one.open(np.frombuffer(b"bad", np.uint8))
    one.close(2)
    assert Execution.opened == [b"first"]
    assert one.open(np.frombuffer(b"third", np.uint8))[0]["engine"] == 3
    assert np.array_equal(one.infer(3, batch, "y")[1]["output"], 2 * batch)
    Execution.collecting.clear()
    timed = one.time(1, batch, "z", 0.001)[1]
    assert not any(Execution.collecting)  # garbage is collected between slices only
    assert gc.isenabled()
    assert np.array_equal(timed["output"], batch)
    assert len(timed["latencies_ms"]) >= 1
    assert set(timed["gpu_ms"]) == {0.25}
    with pytest.raises(KeyError):
        one.infer(2, batch, "y")
    one.end()
    assert Execution.opened == []


# What does not start


@pytest.mark.parametrize("one", [["/nowhere/python"], ["no-such-python", "-X", "dev"]])
def test_not_found(one):
    assert refused(one) == f"{' '.join(one)}: does not start (No such file or directory)"


@pytest.mark.parametrize(
    ("text", "also"),
    [
        ("/nowhere/commands.txt", True),
        ("commands.txt", True),
        (" bin/nowhere ", True),
        ("no-such-python", False),
        ("/nowhere/python -X dev", False),
        ("/nowhere/python;true", False),
    ],
)
def test_not_found_it_might_have_been_meant_as_a_file_of_commands(text, also, monkeypatch):
    monkeypatch.setenv(remote.PYTHONS, text)
    said = refused(remote.commands()[0])
    assert said.startswith(f"{text.partition(';')[0].strip()}: does not start (No such file or directory)")
    assert said.endswith("; a file with one command a line would also do, if it were there") == also


def test_no_program(tmp_path):
    text = tmp_path / "python"
    text.write_text("import this\n")
    assert refused([str(text)]) == "python: does not start (Permission denied)"
    assert refused([str(tmp_path), "-X"]) == f"{tmp_path.name} -X: does not start (Permission denied)"
    text.chmod(text.stat().st_mode | stat.S_IXUSR)
    assert refused([str(text)]) == "python: does not start (Exec format error)"
    assert refused(["python\n8"]) == "python 8: does not start (No such file or directory)"
    assert "does not start (embedded null byte)" in refused(["python\0"])


def test_old_pythons_say_that_they_are_too_old(tmp_path):
    for minor in (4, 8, 9):
        ast.parse(Worker.bootstrap, feature_version=(3, minor))
    old = "real = sys\nold = type(sys)('sys')\nold.version_info, old.exit = (3, 8, 18, 'final', 0), sys.exit\nsys.modules['sys'] = old"
    old = interpreter(tmp_path / "old.py", old)
    assert refused(old) == f"{Path(sys.executable).name} {old[1]}: ended with exit code 1: Python 3.8 is too old: 3.10 or newer is needed"


def test_what_is_missing_in_its_environment_is_named(tmp_path):
    said = refused(interpreter(tmp_path / "bare.py", ALLOWED.replace('"numpy", ', "")))
    assert said.endswith("ended with exit code 1: ModuleNotFoundError: No module named 'numpy'")


def test_a_program_that_is_no_python(tmp_path):
    assert refused(["true"]) == "true: ended with exit code 0"
    assert refused(script(tmp_path / "start", "echo 'no such image: trt10' >&2; exit 125")) == (
        "start: ended with exit code 125: no such image: trt10"
    )
    assert refused(script(tmp_path / "endless", "exec yes hello")) == (
        "endless: prints hello hello hello hello hello hello hello hello hello hello  …, and is no worker"
    )


@pytest.mark.parametrize("fault", ENDS)
def test_one_that_ends_at_its_start(fault):
    assert refused(command("10.6.0", fault=fault)).endswith(f": {ENDS[fault]}")


@pytest.mark.parametrize(("fault", "said"), [("garbage", f"{OTHER}a message of 4294967295 bytes"), ("raises", "one line and another")])
def test_one_that_cannot_say_what_it_is(fault, said):
    assert refused(command("10.6.0", fault=fault, at="about")).endswith(said)


def test_one_that_hangs_at_its_start(monkeypatch):
    monkeypatch.setattr(remote, "START_S", 0.5)
    assert refused(command("10.6.0", fault="hangs")).endswith(f": {TOO_LATE}")


def test_what_start_scripts_print_is_not_the_workers():
    with remote.workers([command("8.5.3.1", fault="prints")]) as (one,):
        assert isinstance(one, Worker), one
        assert one.tensorrt == "8.5.3.1"


def test_a_start_script_and_what_it_started_end_with_the_worker(tmp_path):
    start = " ".join(f"'{word}'" for word in command("8.5.3.1"))
    for text in (f'sleep 300 &\n{start} "$@"', f'sleep 300 &\nexec {start} "$@"'):
        with remote.workers([script(tmp_path / "start", text)]) as (one,):
            assert isinstance(one, Worker), one
            assert one.tensorrt == "8.5.3.1"
            assert len(living([one._process.pid])) >= 2


def test_what_it_started_is_ended_as_soon_as_its_end_is_seen(tmp_path):
    start = " ".join(f"'{word}'" for word in command("8.5.3.1"))
    with remote.workers([script(tmp_path / "start", f'sleep 300 &\nexec {start} "$@"')]) as (one,):
        assert isinstance(one, Worker), one
        pid = one._process.pid
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not one.alive)
        wait_for(lambda: not living([pid]))


def test_a_start_script_that_ends_before_what_it_started(tmp_path):
    started = time.monotonic()
    assert refused(script(tmp_path / "start", "mktemp -d\nsleep 300 &\nexit 4")) == "start: ended with exit code 4"
    assert time.monotonic() - started < 5


def test_what_left_its_session_and_holds_the_pipes_keeps_nobody_waiting(tmp_path):
    program = "import os, sys, time; os.setsid(); print(os.getpid(), file=open(sys.argv[1], 'w')); time.sleep(60)"
    python, told = f"'{sys.executable}' -c \"{program}\"", f"'{tmp_path}/pid'"
    start = script(tmp_path / "start", f"{python} {told} &\nwhile [ ! -s {told} ]; do sleep 0.05; done\nexit 4")
    try:
        assert refused(start) == "start: ended with exit code 4"
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


# What happens while it works


@pytest.mark.parametrize("fault", ["silent", "aborts", "half"])
def test_one_that_ends_in_the_middle_can_be_started_again(fault):
    with remote.workers([command("10.6.0", fault=fault, at="calibrate")]) as (one,):
        assert isinstance(one, Worker), one
        for _ in range(2):  # the second time without its being there
            with pytest.raises(WorkerEnded) as caught:
                one.ask("calibrate")
            assert str(caught.value).endswith(f": {ENDS[fault]}")
            assert not one.alive
        one.start()
        assert (one.alive, one.starts) == (True, 2)
        assert one.ask("members", paths=["Builder"])[0] == {"members": {"Builder": "there"}}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("garbage", f"{OTHER}a message of 4294967295 bytes"),
        ("nonsense", f"{OTHER}no message ('bool' object has no attribute 'pop')"),
        ("hangs", TOO_LATE),
        ("floods", TOO_LATE),
        ("closes", "says no more"),
    ],
)
def test_one_that_does_not_answer_as_a_worker_is_ended(fault, said, monkeypatch):
    monkeypatch.setattr(remote, "END_S", 0.2)
    with remote.workers([command("10.6.0", fault=fault, at="calibrate")]) as (one,):
        assert isinstance(one, Worker), one
        with pytest.raises(WorkerEnded) as caught:
            one.ask("calibrate", 0.5)
        assert str(caught.value).endswith(f": {said}")
        assert "\n" not in str(caught.value)
        assert not one.alive
        one.start()
        assert one.ask("about")[0] == one.about


def test_one_that_is_still_at_work_long_after_the_runs_minutes_is_ended(monkeypatch):
    monkeypatch.setattr(remote, "OVER_S", 0.2)
    monkeypatch.setattr(remote, "LOOK_S", 0.1)
    with remote.workers([command("10.6.0", fault="hangs", at="calibrate")]) as (one,):
        assert isinstance(one, Worker), one
        monkeypatch.setenv(deadline.DEADLINE, str(time.time() + 0.3))
        began = time.monotonic()
        with pytest.raises(deadline.OutOfTime, match="the same command goes on"):
            one.ask("calibrate")
        assert 0.4 < time.monotonic() - began < 5
        assert not one.alive


def test_one_that_does_not_read_what_it_is_sent():
    with remote.workers([command("10.6.0")]) as (one,):
        assert isinstance(one, Worker), one
        os.kill(one._process.pid, signal.SIGSTOP)
        with pytest.raises(WorkerEnded, match=TOO_LATE):
            one.ask("calibrate", 0.3, {"onnx": bytes(8 << 20)})
        assert not one.alive


def test_one_that_ends_while_it_is_sent_much():
    with remote.workers([command("10.6.0")]) as (one,):
        assert isinstance(one, Worker), one
        os.kill(one._process.pid, signal.SIGKILL)
        with pytest.raises(WorkerEnded, match="killed by SIGKILL"):
            one.ask("calibrate", 30, {"onnx": bytes(8 << 20)})


def test_much_goes_through():
    with remote.workers([command("10.6.0")]) as (one,):
        assert isinstance(one, Worker), one
        images = np.arange(64 * 50_000, dtype=np.float32).reshape(64, 50_000)
        told, made = one.ask("calibrate", arrays={"onnx": b"\x08", "images": images}, method="entropy", settings=GIVEN)
        assert told["batches"] == 8
        assert made["cache"].tobytes().startswith(b"TRT-100600-EntropyCalibration2\ninput: ")


@pytest.mark.parametrize("fault", ["prints", "reads"])
def test_what_prints_and_reads_in_the_middle_of_work_does_not_reach_the_protocol(fault):
    with remote.workers([command("10.6.0", fault=fault, at="members")]) as (one,):
        assert isinstance(one, Worker), one
        for path in ("Builder", "ICudaEngine.num_bindings", "IExecutionContext"):
            assert list(one.ask("members", 30, paths=[path])[0]["members"]) == [path]
        said = one._said.read_text().split("\n")
        assert [said.count(line) for line in ("from C++", "from Python", "from a program")] == [3 * (fault == "prints")] * 3


def test_other_faults_of_its_code_are_told_in_one_line():
    with remote.workers([command("10.6.0", fault="raises", at="members")]) as (one,):
        assert isinstance(one, Worker), one
        for _ in range(2):
            with pytest.raises(EngineError) as caught:
                one.ask("members", paths=[])
            assert str(caught.value) == "TensorRT 10.6.0: RuntimeError: one line and another"
        assert one.ask("about")[0] == one.about


def test_an_answer_that_was_not_waited_for_is_never_the_next_one(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with remote.workers([command("10.6.0")]) as (one,):
        assert isinstance(one, Worker), one
        with monkeypatch.context() as patch:
            patch.setattr(one, "_read", interrupted)
            with pytest.raises(KeyboardInterrupt):
                one.ask("members", paths=["Builder"])
        with pytest.raises(WorkerEnded):
            one.ask("about")


def test_interrupted_while_it_starts(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "_greeted", interrupted)
    with pytest.raises(KeyboardInterrupt), remote.workers([command("10.6.0")]):
        raise AssertionError


# Several


def test_each_command_is_a_worker_or_why_there_is_none_and_all_end(tmp_path):
    given = [["/nowhere/python"], command("10.6.0"), command("8.5.3.1", fault="aborts"), command("8.5.3.1", gpu="")]
    with remote.workers(given) as found:
        assert [isinstance(one, Worker) for one in found] == [False, True, False, True]
        assert [one.tensorrt for one in found if isinstance(one, Worker)] == ["10.6.0", "8.5.3.1"]
        assert [str(one).rpartition(": ")[2] for one in found if isinstance(one, WorkerEnded)] == [
            "does not start (No such file or directory)",
            " CUDA error 35",
        ]


def test_all_end_whatever_is_done_with_them():
    running = []

    def work():
        with remote.workers([command("10.6.0"), command("8.5.3.1")]) as found:
            running.extend(one._process.pid for one in found)
            assert living(running) == sorted(running)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert not living(running)


def test_a_worker_that_does_not_end_by_itself_is_killed(monkeypatch):
    monkeypatch.setattr(remote, "GRACE_S", 0.3)
    with remote.workers([command("10.6.0")]) as (one,):
        assert isinstance(one, Worker), one
        pid = one._process.pid
        os.kill(pid, signal.SIGSTOP)
    assert not living([pid])


def test_none_is_started_where_none_is_named(monkeypatch):
    monkeypatch.delenv(remote.PYTHONS, raising=False)
    with remote.workers() as found:
        assert found == []
    monkeypatch.setenv(remote.PYTHONS, "/nowhere/python")
    with remote.workers() as (one,):
        assert isinstance(one, WorkerEnded)
