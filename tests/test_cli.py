"""The command line: what it answers, how fast it refuses, how it ends, and what it does not import on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import images
import models
import pytest
import yaml

from lib import __main__ as command_line
from lib import session
from lib.__main__ import main
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.pages import page
from lib.store import stage_file

HEAVY = ("tensorflow", "keras", "nbconvert", "papermill", "matplotlib", "pandas", "onnx", "onnxruntime")
STOPPED = "error: stopped; the same command reuses what is built and measures again"
# A command that takes long, and a moment to end; what it is given is shown first.
SLOW = """
import sys, time
import lib.__main__ as command_line
def slow(options):
    try:
        print(sys.argv[1:], flush=True)
        for _ in range(600):  # a signal just before a sleep is seen after it
            time.sleep(0.1)
    finally:
        time.sleep(0.5)
        print("cleaned up", flush=True)
command_line._run_command = slow
sys.exit(command_line.program())
"""
ODD = ["with space", "o{run}", "出力", 'quote"', "it's", "a$HOME`b`", "a;b&c", "-x"]


@dataclass(frozen=True)
class Outcome:
    """What lib.report.run returns."""

    index: Path
    findings: dict[str, int]
    told: str = ""
    exit_code: int = 4
    problems: tuple[str, ...] = ()


def cli(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | environment
    return subprocess.run(
        [sys.executable, "-m", "lib", *arguments], cwd=config.ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


def _seconds_of_children() -> float:
    """Processor time, which does not depend on what else the machine does."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train.epoch": 3}, "key 'train.epoch': unknown; did you mean epochs?"),
        ({"train.epochs": "many"}, "key 'train.epochs'"),
        ({"train.batch_size": -1}, "key 'train.batch_size'"),
        ({"train.seed": None}, "key 'train.seed': missing"),
    ],
)
def test_a_bad_profile_is_one_line_and_exit_code_2(write_profile: Callable[..., Path], changes: dict[str, object], said: str) -> None:
    path = write_profile(**changes)
    before = _seconds_of_children()
    done = cli("run", "--profile", str(path))
    assert _seconds_of_children() - before < 3
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {path}: ")
    assert said in done.stderr


def test_a_missing_profile_names_those_there_are() -> None:
    done = cli("check", "--profile", "nothing")
    assert done.returncode == 2
    assert done.stderr == "error: params/nothing.yaml: no such profile; there are: cifar10, quickstart\n"


@pytest.mark.parametrize("command", ["run", "render", "check", "clean", "lab", "readme", "seal", "migrate"])
def test_nothing_heavy_is_imported_before_the_profile_is_checked(command: str) -> None:
    check = f"import sys; from lib.__main__ import main; code = main([{command!r}, '--profile', '..'])\n"
    check += f"heavy = sorted(set({HEAVY}) & set(sys.modules)); assert (code, heavy) == (2, []), (code, heavy)"
    done = subprocess.run([sys.executable, "-c", check], cwd=config.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["run", "check", "lab"])
def test_a_mistyped_profile_imports_nothing_that_measures(command: str) -> None:
    check = f"import sys; from lib.__main__ import main; code = main([{command!r}, '--profile', 'nosuch'])\n"
    check += "loaded = sorted({'numpy', 'lib.session', 'lib.runners', 'lib.report'} & set(sys.modules))\n"
    check += "assert (code, loaded) == (2, []), (code, loaded)"
    done = subprocess.run([sys.executable, "-c", check], cwd=config.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_check_says_that_a_profile_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    for name in config.available():
        assert main(["check", "--profile", name]) == 0
        assert capsys.readouterr().out.startswith(f"{name}: fine, ")


@dataclass(frozen=True)
class Own:
    """A model of one's own with images, before something is wrong with it: shapes of the files, and the profile's values."""

    folder: Path
    values: dict[str, Any]

    def change(self, section: str, **keys: object) -> None:
        self.values[section] = self.values.get(section, {}) | keys

    def edit(self, edit: Callable[[Any], object]) -> None:
        """Change the ONNX graph in the file."""
        import onnx

        model = onnx.load(self.folder / "model.onnx")
        edit(model.graph)
        onnx.save(model, self.folder / "model.onnx")

    def write(self) -> Path:
        path = self.folder / "mine.yaml"
        path.write_text(yaml.safe_dump(self.values, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return path


@pytest.fixture
def own(tmp_path: Path) -> Own:
    folder = tmp_path / "私の model"
    folder.mkdir()
    models.onnx_classifier(folder)
    images.folder(folder / "images", {"test": dict.fromkeys("abcde", 2), "calibration": dict.fromkeys("abcde", 1)})
    return Own(folder, {"model": {"file": "model.onnx"}, "dataset": {"folder": "images"}, "preprocess": {"preset": "imagenet"}})


def second_input(graph: Any) -> None:
    import onnx

    graph.input.append(onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, ["N", 3]))


def custom(graph: Any) -> None:
    graph.node[1].domain, graph.node[1].op_type = "my.own", "Convolution"


# What is wrong -> what is said of it. Issue 10, point 8, in its order.
REFUSED: dict[str, tuple[Callable[[Own], object], str]] = {
    "no test": (lambda own: (own.folder / "images" / "test").rename(own.folder / "images" / "val"), "images: misses the folder test"),
    "an empty class": (lambda own: [file.unlink() for file in (own.folder / "images/test/b").iterdir()], "test/b: a class without images"),
    "six folders": (
        lambda own: images.picture(own.folder / "images/test/f/1.png"),
        "6 folders (a, b, c, d, e, f) for the model's 5",
    ),
    "another size": (lambda own: own.change("preprocess", size=[224, 224]), "takes images of [8, 8], preprocess.size says [224, 224]"),
    "no such output": (lambda own: own.change("model", output="logits"), "no output 'logits'; set model.output to one of: scores"),
    "INT8 by name": (
        lambda own: (shutil.rmtree(own.folder / "images" / "calibration"), own.change("int8", methods=["entropy"])),
        "key 'int8.methods': there are no images to calibrate on; put some into calibration/, beside test/, or remove int8",
    ),
    "two inputs": (lambda own: own.edit(second_input), "one input is supported, this model has two: pixels, mask"),
    "custom operators": (lambda own: own.edit(custom), "operators that ONNX does not define: my.own.Convolution"),
    "no graph to check": (lambda own: own.edit(lambda graph: graph.node.reverse()), "ONNX cannot check it: "),
    "no model": (lambda own: (own.folder / "model.onnx").unlink(), "key 'model.file': "),
    "another file": (lambda own: own.change("model", file="mine.yaml"), "give an .onnx, a .keras or a SavedModel folder"),
    "no preprocessing": (lambda own: own.values.pop("preprocess"), "preprocess: missing; name one: imagenet, tf, caffe, torch, none"),
    "no images": (lambda own: own.change("dataset", folder="photos"), "key 'dataset.folder': photos: no such folder"),
    "another resize": (lambda own: own.change("preprocess", resize="cubic"), "key 'preprocess.resize'"),
}


def test_a_model_of_one_s_own_is_checked(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    own.change("dataset", labels="folders")
    assert main(["check", "--profile", str(own.write())]) == 0
    assert capsys.readouterr().out.startswith(f"{own.folder / 'mine.yaml'}: fine, ")
    shutil.rmtree(own.folder / "images" / "calibration")
    assert main(["check", "--profile", str(own.write())]) == 0  # INT8 is only a default: its rows say why they are empty


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_cannot_be_measured_is_refused_in_one_line(own: Own, wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, says = REFUSED[wrong]
    spoil(own)
    path = own.write()
    assert main(["check", "--profile", str(path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"error: {path}: ")
    assert says in err


@pytest.mark.parametrize("wrong", ["no test", "two inputs", "INT8 by name"])
def test_a_run_refuses_it_too_before_anything_is_measured(own: Own, wrong: str, outputs: Path) -> None:
    REFUSED[wrong][0](own)
    done = cli("run", "--profile", str(own.write()))
    assert (done.returncode, done.stdout) == (2, "")
    assert REFUSED[wrong][1] in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(outputs.glob("mine/results")) + list(outputs.glob("mine/work/measuring"))


def test_results_of_a_profile_anywhere_lie_under_its_name(own: Own, outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lib.report import run

    path = own.write()
    monkeypatch.chdir(own.folder)
    (outputs / "mine" / "results").mkdir(parents=True)
    cleaned = []
    monkeypatch.setattr(run, "clean", lambda name: cleaned.append(name) or outputs / name)
    for given in ("mine.yaml", str(path), f"../{own.folder.name}/mine.yaml"):
        assert main(["clean", "--profile", given]) == 0
    assert cleaned == ["mine"] * 3


def test_help_names_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(command in said for command in command_line.COMMANDS)
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert all(option in said for option in ("--profile", "--outputs", "--from", "--to", "--minutes", "exit code 5", "--notebooks"))


def test_what_no_one_foresaw_is_one_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(profile: str) -> None:
        raise ZeroDivisionError("first\nsecond")

    monkeypatch.setattr(config, "load", broken)
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "error: unexpected ZeroDivisionError: first second; with REPORT_DEBUG=1 it is shown in full\n"
    monkeypatch.setenv("REPORT_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["check"])


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ({"bad": 11, "warn": 2, "good": 5}, "11 problems, 2 doubtful: open "),
        ({"bad": 1}, "1 problem, 0 doubtful: open "),
        ({}, "0 problems, 0 doubtful: open "),
    ],
)
def test_the_last_line_of_a_run_counts_what_is_red_and_amber(tmp_path, monkeypatch, capsys, findings, said) -> None:
    from lib.report import run

    index = tmp_path / "html" / "index.html"
    asked = []
    monkeypatch.setattr(run, "run", lambda *arguments: asked.append(arguments) or Outcome(index, findings))
    assert (
        main(["run", "--from", "03", "--to", "05", "--minutes", "4.5", "--notebooks", str(tmp_path)]) == 0
    )  # red findings change no exit code
    assert asked == [("quickstart", tmp_path, "03", "05", 4.5)]
    assert capsys.readouterr().out == f"{said}{index}\n"
    monkeypatch.chdir(tmp_path)
    main(["run", "--notebooks", "", "--minutes", ""])  # a variable of a script that is not set
    assert asked[1] == ("quickstart", config.ROOT / "notebooks", "", "", None)
    assert capsys.readouterr().out == f"{said}html/index.html\n"


@pytest.mark.parametrize("given", ["many", "0", "-1", "nan", "inf", "1e999", "9,5", " "])
def test_minutes_that_are_no_positive_number_are_one_line_and_exit_code_2(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", f"--minutes={given}"]) == 2
    said = " ".join(f"error: --minutes {given}: give a positive number, as in --minutes 9 (make: MINUTES=9)".split())
    assert capsys.readouterr() == ("", f"{said}\n")


def test_render_needs_no_profile_file(tmp_path, monkeypatch, capsys) -> None:
    from lib.report import render

    asked = []
    monkeypatch.setattr(render, "render", lambda *arguments: asked.append(arguments) or Outcome(tmp_path, {"warn": 3}))
    monkeypatch.setenv(config.OUTPUTS, str(tmp_path))
    for name in ("mine", "gone"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken.yaml").write_text("epochs: 1\n")
    for profile in ("mine", str(tmp_path / "gone.yaml")):
        assert main(["render", "--profile", profile, "--system", "there"]) == 0
        assert asked.pop() == (Path(profile).stem, config.ROOT / "notebooks", "there", None)
        assert capsys.readouterr().out == f"0 problems, 3 doubtful: open {tmp_path}\n"
    for wrong in ("..", str(tmp_path / "broken.yaml")):  # whose limits would count
        assert main(["render", "--profile", wrong]) == 2
    assert not asked


@pytest.mark.parametrize("command", ["render", "share", "readme", "seal", "migrate", "clean"])
def test_a_profile_that_is_none_and_never_ran_is_said_to_be_none(command: str, outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--profile", "nothing"]) == 2
    assert capsys.readouterr() == ("", "error: params/nothing.yaml: no such profile; there are: cifar10, quickstart\n")
    assert not (outputs / "nothing").exists()


@pytest.mark.parametrize("command", ["render", "share"])
def test_a_profile_that_has_not_run_yet_is_to_be_run(command: str, outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--profile", "quickstart"]) == 1
    assert "first: make report PROFILE=quickstart" in capsys.readouterr().err


@pytest.mark.parametrize(("count", "named"), [(0, []), (1, ["p0"]), (3, ["p0", "p1", "p2"]), (4, ["p0", "p1", "p2", "and 1 more problem"])])
def test_the_first_problems_are_named_before_they_are_counted(count, named, tmp_path, monkeypatch, capsys) -> None:
    from lib.report import render, run

    outcome = Outcome(tmp_path, {"bad": count}, problems=tuple(f"p{number}" for number in range(count)))
    for module, command in ((run, "run"), (render, "render")):
        monkeypatch.setattr(module, command, lambda *_: outcome)
        assert main([command]) == 0
        assert capsys.readouterr().out.splitlines()[:-1] == named


def test_an_outputs_folder_may_have_any_name(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv(session.OUTPUTS, "")
    monkeypatch.chdir(tmp_path)
    for name in ODD:
        assert main(["check", f"--outputs={name}"]) == 0
        assert session.outputs("p") == tmp_path / name / "p"
    monkeypatch.setenv(session.OUTPUTS, "relative")  # a kernel's folder is another
    main(["check"])
    assert session.outputs("p") == tmp_path / "relative" / "p"


def test_lab_hands_the_profile_on(tmp_path, monkeypatch, write_profile) -> None:
    started = {}
    monkeypatch.setattr(os, "execve", lambda program, command, environment: started.update(environment, command=command))
    path = write_profile()
    monkeypatch.chdir(path.parent)
    for profile in (path.name, str(path)):
        main(["lab", "--profile", profile])
        assert started[page.PROFILE] == str(path)
    main(["lab", "--profile", "cifar10"])
    assert config.load(started[page.PROFILE]).name == "cifar10"
    assert started["command"][1:3] == ["-m", "jupyterlab"]
    assert started["command"][-1] == str(config.ROOT / "notebooks")
    assert main(["lab", "--profile", str(write_profile(**{"train.seed": -1}))]) == 2


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """results/SYSTEM of a profile `mine` with two recorded stages."""
    monkeypatch.setenv(session.OUTPUTS, str(tmp_path))
    folder = tmp_path / "mine" / "results" / "here"
    for name in ("01_one", "02_two"):
        stage = stage_file.Stage(
            name, "run", "here", {}, config.load("quickstart").model_dump(), "digits", ["0"], "2026-01-01T00:00:00+00:00", 1.0
        )
        stage_file.write(folder / f"{name}.jsonl", stage, [], {})
    return folder


def test_seal_takes_what_was_altered_on_purpose(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = results / "02_two.jsonl"
    path.write_text(path.read_text().replace('"digits"', '"letters"'))
    with pytest.raises(ReportError, match="altered since it was recorded"):
        stage_file.read(path)
    assert main(["seal", "--profile", "mine"]) == 0
    assert stage_file.read(path).stage.dataset == "letters"
    assert capsys.readouterr().out == f"{results / '01_one.jsonl'}, {path}: sealed\n"


def test_seal_refuses_what_is_no_record_and_no_system(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = results / "02_two.jsonl"
    path.write_text(path.read_text().replace('"seconds": 1.0', '"seconds": -1.0'))
    before = path.read_text()
    assert main(["seal", "--profile", "mine"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert path.read_text() == before
    assert main(["seal", "--profile", "mine", "--system", "elsewhere"]) == 1
    assert capsys.readouterr().err.endswith("there are: here\n")


def test_migrate_says_what_it_brought_into_form(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    migrate = pytest.importorskip("lib.store.migrate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "migrate", lambda folder: sorted(folder.glob("*.jsonl"))[:1])
        assert main(["migrate", "--profile", "mine", "--system", "here"]) == 0
        patch.setattr(migrate, "migrate", lambda folder: [])
        assert main(["migrate", "--profile", "mine"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{results / '01_one.jsonl'}: brought into today's form", "nothing: brought into today's form"]


def slow(ignoring: bool = False) -> subprocess.Popen[str]:
    """A command that has begun. ignoring: started as `nohup make report &` in a script starts it, with SIGINT ignored."""
    handling = signal.SIG_IGN if ignoring else signal.SIG_DFL
    command = [sys.executable, "-c", SLOW, "check"]
    environment = os.environ | {"PYTHONPATH": str(config.ROOT)}
    before = lambda: signal.signal(signal.SIGINT, handling)  # noqa: E731
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=before)
    assert process.stdout.readline() == "['check']\n"
    return process


@pytest.mark.parametrize("ignoring", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_signal_ends_a_command_in_one_line_however_often_it_comes(number: signal.Signals, times: int, ignoring: bool) -> None:
    process = slow(ignoring)
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.05)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "cleaned up\n", f"{STOPPED}\n")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with the project's Makefile, and an environment whose Python says what it is given and takes long."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    folder = tmp_path / "the project"
    (folder / ".ci").mkdir(parents=True)
    (folder / ".ci" / "venv.py").touch()
    shutil.copy(config.ROOT / "Makefile", folder)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (folder / "slow.py").write_text(SLOW)
    python.write_text(f'#!/bin/sh\nshift 2\nPYTHONPATH={config.ROOT} exec {sys.executable} slow.py "$@"\n')
    python.chmod(0o755)
    return folder


def make(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = ["make", *arguments, f"PYTHON={sys.executable}"]
    before = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=before, start_new_session=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_make_alone_ends_the_run(made: Path, number: signal.Signals) -> None:
    process = make(made, "report")
    assert process.stdout.readline() == "['run', '--profile=quickstart']\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert out == "cleaned up\n"
    assert STOPPED in err.splitlines()
    assert "Traceback" not in err
    assert process.returncode != 0


def test_ctrl_c_in_a_terminal_reaches_make_and_the_run_and_is_said_once(made: Path) -> None:
    process = make(made, "render")
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out == "cleaned up\n"
    assert err.count(STOPPED) == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ODD)
def test_make_hands_names_on_as_they_are(made: Path, name: str) -> None:
    given = name.replace("$", "$$")
    process = make(made, "report", f"PROFILE={given}", f"OUTPUTS={given}", "FROM=03", "TO=05", f"MINUTES={given}")
    said = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert said == f"{['run', f'--profile={name}', f'--outputs={name}', '--from=03', '--to=05', f'--minutes={name}']}\n", err


@pytest.mark.parametrize("given", [[], ["PROFILE=my own.yaml"]])
def test_make_new_names_a_file_to_write_only_where_one_is_named(made: Path, given: list[str]) -> None:
    process = make(made, "new", "MODEL=a b.onnx", "DATA=出力", *given)
    said = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    named = ["--to=my own.yaml"] if given else []
    assert said == f"{['new', '--model=a b.onnx', '--data=出力', *named]}\n"


def test_make_compare_hands_two_runs_on_as_they_are_and_asks_for_both(made: Path) -> None:
    process = make(made, "compare", "A=--before it", "B=出力/results/x", "PERCENT=10")
    said = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert said == f"{['compare', '--to=', '--percent=10', '--', '--before it', '出力/results/x']}\n"
    out, err = make(made, "compare", "A=before").communicate(timeout=30)
    assert out == ""
    assert err.startswith("error: A= and B= are missing: two runs, each a folder results/SYSTEM or a profile\n")


def test_make_new_without_a_model_says_what_it_takes(made: Path) -> None:
    out, err = make(made, "new").communicate(timeout=30)
    assert out == ""
    assert err.startswith("error: MODEL= is missing: an .onnx, a .keras or a SavedModel folder\n")


def test_make_alone_lists_targets_and_what_each_takes(made: Path) -> None:
    out, err = make(made).communicate(timeout=30)
    assert err == ""
    assert "PYTHON=" in out.splitlines()[0]
    targets = {line.split()[0]: line for line in out.splitlines()[1:]}
    assert {"report", "new", "render", "share", "compare", "bench", "lab"} <= targets.keys()
    assert {"cpp", "test", "lint", "format", "lock", "clean"} <= targets.keys()
    takes = {
        "report": ("PROFILE", "OUTPUTS", "FROM", "TO", "MINUTES"),
        "new": ("MODEL", "DATA", "PROFILE"),
        "render": ("PROFILE", "OUTPUTS", "SYSTEM"),
        "share": ("PROFILE", "OUTPUTS", "SYSTEM"),
        "compare": ("A", "B", "TO", "PERCENT", "OUTPUTS"),
        "bench": ("PROFILE", "OUTPUTS", "MINUTES", "AGAINST"),
        "lab": ("PROFILE",),
        "test": ("TESTS",),
    }
    assert all(f"{name}=" in targets[target] for target, names in takes.items() for name in names)
