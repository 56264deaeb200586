"""A run: real kernels, real processes, real kills."""

from __future__ import annotations

import os
import re
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

from lib.deadline import OutOfTime
from lib.errors import ConfigError, ReportError
from lib.experiment import profile as config
from lib.experiment import system
from lib.measure import kept as keeping
from lib.report import failed, run, unfinished
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
    assert "quickstart: 2 notebooks, 01_one to 02_two\n" in said
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
    said = capfd.readouterr().err
    assert "quickstart: 1 notebook, 01_one\n" in said
    assert "[1/1] 01_one: running, took about 1 s last time\n" in said
    assert re.search(r"\nquickstart: pages from records: 1/1, \d+ s\n$", said)  # of 02, which was not executed


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
    pages = small_report.pages(place.profile) / "en"
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


# Three steps, each kept; what is measured leaves a line in `log`. Behind the step `stop` the time is over; the step `hang` takes long.
STEPS = """import os, pathlib, time
from lib import deadline
from lib.measure.kept import kept
log = pathlib.Path({log!r})
def step(number):
    def measured():
        with log.open("a") as file:
            print(stage, number, file=file)
        if number == {hang}:
            time.sleep(300)
        return [Record("said", "count", number, case={{"step": number}}, stats={{"left": min(deadline.left_s(), 1e9)}})]
    return measured
def measure(session):
    session.__dict__["images"] = Images()
    for number in (1, 2, 3):
        deadline.check()
        session.record(*kept(session, f"step {{number}}", {{}}, step(number)))
        if number == {stop} and deadline.left_s() < 1e9:
            os.environ[deadline.DEADLINE] = str(time.time() - 1)
stage = {stage!r}"""


def steps(place: SimpleNamespace, stage: str, *, stop: int = 0, hang: int = 0) -> None:
    log = str(place.outputs.parent / "log")
    small_report.write(place.notebooks, stage, records=STEPS.format(log=log, stop=stop, hang=hang, stage=stage))


def logged(place: SimpleNamespace) -> list[str]:
    return (place.outputs.parent / "log").read_text().splitlines()


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small notebooks start faster than real ones."""
    monkeypatch.setattr("lib.report.limit.START_S", 0.1)


def test_a_run_stops_when_its_time_is_over_and_the_same_command_goes_on(
    place: SimpleNamespace, brisk: None, capfd: pytest.CaptureFixture[str]
) -> None:
    steps(place, "01_first")
    steps(place, "02_steps", stop=1)
    steps(place, "03_last")
    with pytest.raises(OutOfTime) as caught:
        run.run("quickstart", place.notebooks, minutes=10)
    said = str(caught.value)
    assert re.fullmatch(r"stopped after \d+ s \(asked: 10 min\), in 02_steps: run the same command again to go on; 2 .*index.html", said)
    assert "2 notebooks left; the pages so far: " in said
    assert "[2/3] 02_steps: stopped after" in capfd.readouterr().err
    assert logged(place) == ["01_first 1", "01_first 2", "01_first 3", "02_steps 1"]
    assert [path.name for path in place.results.iterdir()] == ["01_first.jsonl"]  # no page of what is not finished, no failure
    assert not (place.profile / "work" / "failed").exists()
    pages = small_report.pages(place.profile) / "en"
    assert (pages / "01_first.html").is_file()
    page = (pages / "index.html").read_text()
    assert re.findall(r'<span class="nr">(\d\d)</span> (?:(?!</li>).)*<span class="mark[^"]*">not run<', page) == ["02", "03"]
    before = (place.results / "01_first.jsonl").read_bytes()
    run.run("quickstart", place.notebooks)
    said = capfd.readouterr().err
    assert "done: 01_first; to begin anew: --from 01 (make: FROM=01)\n" in said
    assert "01_first: running" not in said
    assert "step 1: measured before the run was stopped" in said
    assert logged(place)[4:] == ["02_steps 2", "02_steps 3", "03_last 1", "03_last 2", "03_last 3"]
    assert (place.results / "01_first.jsonl").read_bytes() == before
    first, middle, last = (stage_file.read(place.results / f"{name}.jsonl") for name in ("01_first", "02_steps", "03_last"))
    assert first.stage.run_id == middle.stage.run_id == last.stage.run_id
    assert [record.value for record in middle.records] == [1, 2, 3]
    assert [record.stats["left"] == 1e9 for record in middle.records] == [False, True, True]  # as it was measured, then and now
    assert not unfinished.path(place.profile).exists()
    assert not keeping.folder(place.profile).exists()
    run.run("quickstart", place.notebooks, "3")
    assert stage_file.read(place.results / "03_last.jsonl").stage.run_id != last.stage.run_id


def test_what_was_recorded_before_stays_where_a_page_is_not_finished(place: SimpleNamespace, brisk: None) -> None:
    steps(place, "01_steps", stop=1)
    for there in (False, True):
        with pytest.raises(OutOfTime, match="1 notebook left; " + ("the pages so far" if there else "there is nothing to show yet")):
            run.run("quickstart", place.notebooks, minutes=10)
        if not there:
            assert not (place.profile / "html").exists()
            before = small_report.recorded(place.results, "01_steps", []).files["01_steps"].path.read_bytes()
    assert (place.results / "01_steps.jsonl").read_bytes() == before
    assert "failed in cell" not in (small_report.pages(place.profile) / "en" / "01_steps.html").read_text()


def test_however_short_the_limit_each_call_does_one_notebook(place: SimpleNamespace) -> None:
    for stage in ("01_a", "02_b", "03_c"):
        small_report.write(place.notebooks, stage)
    for left, stage in ((2, "02_b"), (1, "03_c")):
        with pytest.raises(OutOfTime, match=f"before {stage}: run the same command again to go on; {left} notebook"):
            run.run("quickstart", place.notebooks, minutes=0.001)
    assert run.run("quickstart", place.notebooks, minutes=0.001).index.is_file()
    assert len({stage_file.read(path).stage.run_id for path in place.results.iterdir()}) == 1
    assert not unfinished.path(place.profile).exists()


def test_a_run_with_a_limit_that_is_killed_loses_the_step_that_ran(place: SimpleNamespace) -> None:
    steps(place, "01_first")
    steps(place, "02_steps", hang=2)
    process = start(place, "--minutes", "10")
    wait_for(lambda: (place.outputs.parent / "log").exists() and logged(place)[-1] == "02_steps 2")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)
    steps(place, "02_steps")
    again = start(place)
    _, err = again.communicate(timeout=600)
    assert again.returncode == 0, err
    assert "done: 01_first; " in err
    assert logged(place)[3:] == ["02_steps 1", "02_steps 2", "02_steps 2", "02_steps 3"]
    first, second = (stage_file.read(place.results / f"{name}.jsonl").stage.run_id for name in ("01_first", "02_steps"))
    assert first == second


def test_one_without_a_limit_that_was_stopped_measures_again(place: SimpleNamespace) -> None:
    steps(place, "01_first")
    steps(place, "02_steps", hang=2)
    process = start(place)
    wait_for(lambda: (place.outputs.parent / "log").exists() and logged(place)[-1] == "02_steps 2")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)
    steps(place, "02_steps")
    run.run("quickstart", place.notebooks, minutes=10)
    assert logged(place)[5:] == [f"{stage} {number}" for stage in ("01_first", "02_steps") for number in (1, 2, 3)]
    assert not keeping.folder(place.profile).exists()


def test_a_notebook_that_failed_is_executed_again_by_a_run_with_a_limit(place: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    steps(place, "01_first")
    small_report.write(place.notebooks, "02_fails", records="1 / 0")
    with pytest.raises(ReportError, match="ZeroDivisionError"):
        run.run("quickstart", place.notebooks, minutes=10)
    assert failed.read(place.results, "02_fails") is not None
    small_report.write(place.notebooks, "02_fails")
    run.run("quickstart", place.notebooks, minutes=10)
    assert "done: 01_first; " in capfd.readouterr().err
    assert failed.read(place.results, "02_fails") is None
    assert len(logged(place)) == 3


def test_a_changed_profile_begins_anew_and_says_so(
    place: SimpleNamespace, write_profile: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    steps(place, "01_first")
    small_report.write(place.notebooks, "02_fails", records="1 / 0")
    profile = str(write_profile())
    with pytest.raises(ReportError, match="ZeroDivisionError"):
        run.run(profile, place.notebooks, minutes=10)
    write_profile(**{"train.epochs": 4})
    with pytest.raises(ReportError, match="ZeroDivisionError"):
        run.run(profile, place.notebooks, minutes=10)
    assert "is given up: the profile has changed (train); this run begins anew" in capfd.readouterr().err
    assert logged(place) == 2 * ["01_first 1", "01_first 2", "01_first 3"]
    small_report.write(place.notebooks, "02_fails")
    run.run(profile, place.notebooks, "1")
    assert "is given up: --from or --to is given" in capfd.readouterr().err
    assert len(logged(place)) == 9
    assert not unfinished.path(place.profile.with_name("p")).exists()


def test_a_limit_that_was_reached_is_one_line_and_an_exit_code_of_its_own(place: SimpleNamespace) -> None:
    for stage in ("01_a", "02_b"):
        small_report.write(place.notebooks, stage)
    process = start(place, "--minutes", "0.001")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (5, "")
    assert err.splitlines()[-1].startswith("stopped after ")
    assert "error" not in err


def test_ctrl_c_says_that_a_run_with_a_limit_goes_on(place: SimpleNamespace) -> None:
    steps(place, "01_steps", hang=2)
    process = start(place, "--minutes", "10")
    wait_for(lambda: (place.outputs.parent / "log").exists() and logged(place)[-1] == "01_steps 2")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "error: stopped; the same command goes on with this run"
    assert unfinished.path(place.profile).exists()


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
