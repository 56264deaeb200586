"""A run: real kernels, real processes, real kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
import small_report

from lib.errors import ConfigError, ReportError
from lib.experiment import profile as config
from lib.experiment import system
from lib.report import failed, run
from lib.report.execute import Kernel, Lines
from lib.report.notebooks import find
from lib.store import stage_file


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Folders of a report of its own: `notebooks`, `outputs` (of all profiles), `profile` (outputs/quickstart) and `results`."""
    outputs = tmp_path / "{run} outputs"  # braces: papermill would format them
    monkeypatch.setenv("REPORT_OUTPUTS", str(outputs))
    profile = outputs / "quickstart"
    return SimpleNamespace(
        notebooks=tmp_path / "note{books}", outputs=outputs, profile=profile, results=profile / "results" / system.system_id()
    )


def start(place: SimpleNamespace, *more: str) -> subprocess.Popen[str]:
    """The run as a person starts it, in a process of its own; it hears Ctrl-C even where these tests were started without."""
    command = [sys.executable, "-m", "lib", "run", "--outputs", str(place.outputs), "--notebooks", str(place.notebooks), *more]
    heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    return subprocess.Popen(command, cwd=config.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **heard)


def wait_for(there: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_run_says_each_notebook_how_long_and_how_many_are_left(place: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    say = "from lib import progress\nprogress.say('half way')\nimport os; os.write(2, b'I0000 00:00 chatter\\n')"
    told = "import os\nstats = {'cwd': os.getcwd(), 'profile': profile, 'settings': os.environ['IPYTHONDIR']}\n"
    told += "records = [Record('said', 'count', 1, stats=stats)]"
    small_report.write(place.notebooks, "01_one", small_report.code(say))
    small_report.write(place.notebooks, "02_two", records=told)
    outcome = run.run("quickstart", place.notebooks)
    said = capfd.readouterr().err
    assert outcome.index == place.profile / "html" / "index.html"
    assert outcome.index.is_file()
    assert outcome.findings == {}
    assert "[1/2] 01_one: running\n" in said
    assert said.count("\n      half way\n") == 1  # what is replayed is silent
    assert "chatter" not in said
    assert "[1/2] 01_one: done in " in said
    assert "; 1 left, " in said
    assert "; none left, " in said
    one, two = (stage_file.read(place.results / f"{name}.jsonl") for name in ("01_one", "02_two"))
    assert one.stage.run_id == two.stage.run_id
    assert one.stage.profile == config.load("quickstart").model_dump()
    (record,) = two.records
    assert record.stats["profile"] == "quickstart"
    assert Path(record.stats["cwd"]) == place.notebooks  # where any other front end runs it too
    assert Path(record.stats["settings"]).is_relative_to(place.profile)  # no user's own
    assert sorted(path.name for path in place.results.iterdir()) == ["01_one.jsonl", "02_two.jsonl"]
    run.run("quickstart", place.notebooks, "1", "1")
    assert "[1/1] 01_one: running, took about 1 s last time\n" in capfd.readouterr().err


@pytest.mark.parametrize(("seconds", "says"), [(0.2, "1 s"), (42.4, "42 s"), (89, "89 s"), (90, "2 min"), (3100, "52 min")])
def test_what_a_stage_took_the_last_time_is_said_roundly(seconds: float, says: str) -> None:
    assert run._roundly(seconds) == says


def test_a_failing_notebook_stops_the_run_and_leaves_pages_and_notebook(place: SimpleNamespace) -> None:
    small_report.full(place.notebooks, "01_fine", "bad")
    fails = f"# explain\nvalue = int({str(config.ROOT)!r})  # here\n"
    small_report.write(place.notebooks, "02_fails", small_report.code("raise SystemExit('never reached')"), records=fails)
    small_report.write(place.notebooks, "03_later")
    before = small_report.recorded(place.results, "02_fails", []).files["02_fails"].path.read_bytes()
    process = start(place)
    out, err = process.communicate(timeout=600)
    last = err.splitlines()[-1]
    kept = place.profile / "work" / "failed" / "02_fails.ipynb"
    assert process.returncode == 1
    assert out == ""
    assert last.startswith("error: 02_fails: cell 6 `value = int('")
    assert "ValueError: invalid literal for int() with base 10: '<project>'; see " in last
    assert str(kept) in last
    assert "Traceback" not in err
    assert "[2/3] 02_fails: failed after" in err
    executed = nbformat.read(kept, 4)
    errors = [output for cell in executed.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    assert errors[0].ename == "ValueError"
    assert (place.results / "02_fails.jsonl").read_bytes() == before  # what was measured earlier stays
    said = failed.read(place.results, "02_fails")
    assert said is not None
    assert (said.cell, said.error) == (6, "ValueError: invalid literal for int() with base 10: '<project>'")
    assert said.run_id == stage_file.read(place.results / "01_fine.jsonl").stage.run_id
    pages = place.profile / "html" / "en"
    assert (pages / "01_fine.html").is_file()
    assert not (pages / "03_later.html").exists()
    assert "failed in cell 6" in (pages / "02_fails.html").read_text()
    assert "ValueError" in (pages / "index.html").read_text()
    small_report.write(place.notebooks, "02_fails")
    outcome = run.run("quickstart", place.notebooks, "2", "2")
    assert outcome.findings == {"good": 1, "bad": 1}
    assert failed.read(place.results, "02_fails") is None
    assert not kept.exists()
    assert "failed in cell" not in (pages / "02_fails.html").read_text()


def test_a_damaged_file_does_not_stop_the_run_that_replaces_it(place: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    small_report.write(place.notebooks, "01_one")
    path = small_report.recorded(place.results, "01_one", []).files["01_one"].path
    damaged = path.read_bytes()[:-50]
    path.write_bytes(damaged)
    run.run("quickstart", place.notebooks)
    assert "set aside as 01_one.jsonl.damaged" in capfd.readouterr().err
    assert path.with_suffix(".jsonl.damaged").read_bytes() == damaged
    assert run.stage_file.read(path).stage.stage == "01_one"


def test_a_dead_kernel_is_a_failure_that_names_its_cell(place: SimpleNamespace) -> None:
    small_report.write(place.notebooks, "01_dies", small_report.code("import os; os._exit(1)"), small_report.code("2"))
    with pytest.raises(ReportError, match=r"01_dies: cell 8 `import os; os._exit\(1\)`: the kernel died"):
        run.run("quickstart", place.notebooks)


def test_a_kernel_serves_several_notebooks_each_as_if_it_were_the_first(tmp_path: Path) -> None:
    def notebook(*sources: str) -> nbformat.NotebookNode:
        return nbformat.v4.new_notebook(cells=[small_report.code('profile = ""', "parameters"), *map(small_report.code, sources)])

    sources = [
        "import os; before = sorted(name for name in globals() if not name.startswith('_')); before",
        "os.chdir('/'); secret = 1; profile",
    ]
    (tmp_path / "{x}").mkdir()
    with Kernel(tmp_path / "{x}", tmp_path / "work", "k", {}) as kernel:
        runs = [kernel.execute(notebook(*sources), {"profile": "p"}, "01_a") for _ in range(2)]
        _, lost = kernel.execute(notebook("import os; os._exit(1)"), {}, "02_b")
        _, none = kernel.execute(notebook(f"import os; assert os.path.samefile('.', {str(tmp_path / '{x}')!r})"), {}, "03_c")
    with Kernel(tmp_path / "{x}", tmp_path / "work", "k", {}) as kernel:
        runs.append(kernel.execute(notebook(*sources), {"profile": "p"}, "01_a"))
    shown = [[(cell.execution_count, cell.outputs) for cell in node.cells] for node, _ in runs]
    assert shown[0] == shown[1] == shown[2]
    assert "secret" not in str(shown[1])
    assert lost is not None
    assert lost.cell == 2
    assert none is None


def test_a_killed_run_leaves_nothing_half_done_no_kernel_and_goes_on(place: SimpleNamespace) -> None:
    flag = place.outputs.parent / "kernel.pid"
    small_report.write(place.notebooks, "01_first")
    slow = f"import os, pathlib, time\nflag = pathlib.Path({str(flag)!r})\nflag.write_text(str(os.getpid()))\n"
    slow += "time.sleep(0 if flag.with_suffix('.go').exists() else 300)\nrecords = []"
    small_report.write(place.notebooks, "02_slow", records=slow)
    process = start(place)
    wait_for(lambda: flag.exists() and bool(flag.read_text()))
    second = start(place)
    _, refused = second.communicate(timeout=120)
    assert second.returncode == 1
    assert f"process {process.pid} on " in refused
    assert "wait for it, or stop it first" in refused
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)
    wait_for(lambda: not alive(int(flag.read_text())), 20)
    assert [path.name for path in place.results.iterdir()] == ["01_first.jsonl"]
    flag.with_suffix(".go").touch()
    again = start(place)
    out, err = again.communicate(timeout=600)
    assert again.returncode == 0, err
    assert str(place.profile / "html" / "index.html") in out
    assert sorted(path.name for path in place.results.iterdir()) == ["01_first.jsonl", "02_slow.jsonl"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_takes_its_kernel_along(place: SimpleNamespace, number: signal.Signals) -> None:
    flag = place.outputs.parent / "kernel.pid"
    sleep = f"import os, pathlib, time\npathlib.Path({str(flag)!r}).write_text(str(os.getpid()))\ntime.sleep(300)"
    small_report.write(place.notebooks, "01_slow", records=sleep)
    process = start(place)
    wait_for(lambda: flag.exists() and bool(flag.read_text()))
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "error: stopped; the same command reuses what is built and measures again"
    assert "Traceback" not in err
    wait_for(lambda: not alive(int(flag.read_text())), 20)
    assert not (place.profile / run.HOLDER).exists()


def test_the_lock_is_free_again_and_names_a_holder_that_said_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        with run.held(tmp_path / "p"):
            assert (tmp_path / "p" / run.HOLDER).read_text().startswith(f"process {os.getpid()} on ")
            (tmp_path / "p" / run.HOLDER).unlink()
            with pytest.raises(ReportError, match="another process is running this profile"), run.held(tmp_path / "p"):
                pass


def test_outputs_that_cannot_be_written_are_found_before_any_notebook_runs(place: SimpleNamespace) -> None:
    small_report.write(place.notebooks, "01_one", small_report.code("raise SystemExit('must not run')"))
    place.outputs.write_text("a file where the folder should be")
    with pytest.raises(ReportError, match="is not a folder"):
        run.run("quickstart", place.notebooks)


def test_a_profile_that_cannot_be_used_is_found_first(place: SimpleNamespace, write_profile: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"key 'train\.epochs'"):
        run.run(str(write_profile(**{"train.epochs": -1})), place.notebooks)
    assert not place.outputs.exists()


def test_a_run_can_begin_later_and_end_earlier(place: SimpleNamespace) -> None:
    for stage in ("01_a", "02_b", "03_c"):
        small_report.write(place.notebooks, stage)
    found = find(place.notebooks)
    assert [n.stage for n in run.choose(found, "")] == ["01_a", "02_b", "03_c"]
    for first in ("2", "02", "02_b"):
        assert [n.stage for n in run.choose(found, first)] == ["02_b", "03_c"]
    for wrong in ("9", "02_c", "x"):
        with pytest.raises(ReportError, match="no such notebook; there are 01, 02, 03"):
            run.choose(found, wrong)
        with pytest.raises(ReportError, match=f"--to {wrong}: no such notebook"):
            run.choose(found, "", wrong)
    assert [n.stage for n in run.choose(found, "", "02")] == ["01_a", "02_b"]
    assert [n.stage for n in run.choose(found, "2", "2")] == ["02_b"]
    with pytest.raises(ReportError, match="--from 3 --to 1: no notebook lies between"):
        run.choose(found, "3", "1")


def test_a_folder_without_notebooks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no notebooks"):
        find(tmp_path)
    (tmp_path / "01_x.ipynb").write_text("{")
    with pytest.raises(ReportError, match=r"01_x.ipynb: not a notebook"):
        find(tmp_path)


def test_title_and_question_come_from_the_first_pair(tmp_path: Path) -> None:
    small_report.write(tmp_path, "01_one")
    (found,) = find(tmp_path)
    assert found.title == ("Title of 01_one", "01_one の題")
    assert found.question == ("Is it good?", "よいか。")


def test_progress_lines_wait_until_they_are_complete(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.write("ep")
    lines.write("och 1\nINFO:tensorflow:Assets written to: somewhere\nINFO: Created TensorFlow Lite delegate\nepoch")
    lines.flush()
    assert capsys.readouterr().err == "      epoch 1\n"


def test_clean_removes_a_profile_but_not_under_a_run(place: SimpleNamespace) -> None:
    place.profile.mkdir(parents=True)
    with run.held(place.profile), pytest.raises(ReportError, match="is running this profile"):
        run.clean("quickstart")
    assert run.clean("quickstart") == place.profile
    assert not place.profile.exists()
    run.clean("quickstart")
