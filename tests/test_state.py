"""What is seen of the machine: a made-up /proc and a nvidia-smi of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from stand_in_worker import command

from lib.measure import state
from lib.plans import remote
from lib.words import COMMON


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """`proc(cores, processes)` writes a /proc: {core: user, nice, system, idle, iowait, irq, softirq, steal} and
    {pid: (parent, user, system, children's user, children's system)}. This process may use cores 0 and 1."""
    monkeypatch.setattr(state, "PROC", tmp_path)
    monkeypatch.setattr(state.os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(state.cuda, "devices", list)

    def write(cores, processes):
        for old in tmp_path.glob("[0-9]*/stat"):
            old.unlink()
        lines = [f"cpu{core} {' '.join(map(str, ticks))} 7 7" for core, ticks in cores.items()]
        (tmp_path / "stat").write_text("\n".join(["cpu  9 9 9 9 9 9 9 9 9 9", *lines, "intr 5 5", ""]))
        for pid, (parent, *ticks) in processes.items():
            (tmp_path / str(pid)).mkdir(exist_ok=True)
            (tmp_path / str(pid) / "stat").write_text(
                f"{pid} (a b) S 9 (c) R {parent} 1 1 0 -1 0 0 0 0 0 {' '.join(map(str, ticks))} 20 0 1\n"
            )

    return write


ME = os.getpid()
IDLE = (0, 0, 0, 0, 0, 0, 0, 0)


def watched(proc, before, after):
    proc(*before)
    with state.watch() as seen:
        proc(*after)
    return seen.other_cpu


def test_what_others_use_is_what_this_process_and_its_children_do_not(proc):
    before = {0: IDLE, 1: IDLE}, {ME: (1, 5, 0, 0, 0), 70: (ME, 10, 0, 0, 0), 80: (1, 0, 0, 0, 0)}
    after = (
        {0: (90, 0, 10, 0, 0, 0, 0, 0), 1: (40, 10, 0, 50, 0, 0, 0, 0)},
        {ME: (1, 45, 10, 0, 0), 70: (ME, 60, 0, 0, 0), 80: (1, 50, 0, 0, 0)},
    )
    assert watched(proc, before, after) == pytest.approx(50 / 200)


def test_a_worker_in_a_container_is_own_with_all_below_it(proc, monkeypatch):
    """Its parent is the container's; what says whose it is, is its command line."""
    before = {0: IDLE, 1: IDLE}, {ME: (1, 0, 0, 0, 0), 70: (1, 0, 0, 0, 0), 71: (70, 0, 0, 0, 0), 80: (1, 0, 0, 0, 0)}
    cores = {0: (100, 0, 0, 0, 0, 0, 0, 0), 1: (0, 0, 0, 100, 0, 0, 0, 0)}
    after = cores, {ME: (1, 0, 0, 0, 0), 70: (1, 40, 0, 0, 0), 71: (70, 40, 0, 0, 0), 80: (1, 20, 0, 0, 0)}
    proc(*before)
    (state.PROC / "70" / "cmdline").write_bytes(b"python3\0-c\0import sys\0" + remote.MARK.encode() + b"\0")
    (state.PROC / "80" / "cmdline").write_bytes(b"python3\0-c\0import sys\0worker-0123456789abcdef\0")  # of another report
    assert watched(proc, before, after) == pytest.approx(20 / 200)
    monkeypatch.setattr(state.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="70\n71\n80\n"))
    assert state._gpu_others("0") == 1


def test_the_mark_is_on_the_command_line_of_a_worker():
    with remote.workers([command("10.6.0")]) as (one,):
        assert state._is_worker(one._process.pid)
    assert not state._is_worker(os.getppid())


def test_children_that_end_and_children_of_children_are_own(proc):
    cores = {0: (100, 0, 0, 0, 0, 0, 0, 0), 1: (0, 0, 0, 100, 0, 0, 0, 0)}
    before = {0: IDLE, 1: IDLE}, {ME: (1, 0, 0, 0, 0), 70: (ME, 20, 0, 0, 0), 71: (70, 0, 0, 0, 0)}
    ended = {ME: (1, 0, 0, 0, 0), 70: (ME, 20, 0, 90, 10)}  # 71 worked and was waited for
    assert watched(proc, before, (cores, ended)) == 0
    gone = {ME: (1, 0, 0, 110, 10)}  # and then 70 too
    assert watched(proc, before, (cores, gone)) == 0
    new = {**before[1], 72: (71, 100, 0, 0, 0)}
    assert watched(proc, before, (cores, new)) == 0


def test_only_the_cores_that_it_may_use_count(proc):
    me = {ME: (1, 0, 0, 0, 0)}
    busy = {0: (0, 0, 0, 100, 0, 0, 0, 0), 1: (0, 0, 0, 100, 0, 0, 0, 0), 2: (100, 0, 0, 0, 0, 0, 0, 0), 10: (100, 0, 0, 0, 0, 0, 0, 0)}
    assert watched(proc, (dict.fromkeys(busy, IDLE), me), (busy, me)) == 0


def test_what_the_host_withholds_counts_and_waiting_and_interrupts_do_not(proc):
    me = {ME: (1, 0, 0, 0, 0)}
    after = {0: (0, 0, 0, 60, 10, 10, 10, 10), 1: (0, 0, 0, 100, 0, 0, 0, 0)}
    assert watched(proc, ({0: IDLE, 1: IDLE}, me), (after, me)) == pytest.approx(10 / 200)


def test_rounding_never_leaves_the_range(proc):
    after = {0: (10, 0, 0, 90, 0, 0, 0, 0), 1: (0, 0, 0, 100, 0, 0, 0, 0)}
    assert watched(proc, ({0: IDLE, 1: IDLE}, {ME: (1, 0, 0, 0, 0)}), (after, {ME: (1, 11, 0, 0, 0)})) == 0


def test_a_system_that_does_not_tell_is_said_so(proc, monkeypatch, tmp_path):
    me = {ME: (1, 0, 0, 0, 0)}
    assert watched(proc, ({0: IDLE, 1: IDLE}, me), ({0: IDLE, 1: IDLE}, me)) is None  # counters that stand still
    monkeypatch.setattr(state, "PROC", tmp_path / "none")
    with state.watch() as seen:
        pass
    assert seen == state.Seen(None, {})
    monkeypatch.delattr(state.os, "sched_getaffinity")
    assert state._ticks() is None


def test_what_was_seen_is_told_after_an_error_too(proc):
    seen = []

    def fail():
        with state.watch() as watched:
            seen.append(watched)
            proc({0: (100, 0, 0, 0, 0, 0, 0, 0), 1: (100, 0, 0, 0, 0, 0, 0, 0)}, {ME: (1, 0, 0, 0, 0)})
            raise ZeroDivisionError

    proc({0: IDLE, 1: IDLE}, {ME: (1, 0, 0, 0, 0)})
    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen[0].other_cpu == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_child_that_works_is_counted_as_own_by_this_system():
    before = state._ticks()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)
    after = state._ticks()
    assert 25 <= (after.own - before.own) * 100 / os.sysconf("SC_CLK_TCK") < 100
    assert state._others(before, after) <= 1


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """`smi(lines, pids)` puts a nvidia-smi on the path that tells these samples until it is ended, and these processes."""
    monkeypatch.setattr(state.cuda, "devices", lambda: ["00000000:07:00.0", "00000000:08:00.0"])

    def put(lines, pids=()):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"""#!{sys.executable}
import sys, time
open({str(tmp_path / "asked")!r}, "a").write(" ".join(sys.argv[1:]) + chr(10))
if "--query-compute-apps=pid" in sys.argv:
    print(*{[str(pid) for pid in pids]!r}, sep=chr(10))
else:
    print(*{lines!r}, sep=chr(10), flush=True)
    open({str(tmp_path / "told")!r}, "w").close()
    time.sleep(60)
""")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

        def watch():
            with state.watch() as seen:
                while not (tmp_path / "told").exists():
                    pass
            return seen.gpu, (tmp_path / "asked").read_text().splitlines()

        return watch

    return put


def test_the_gpu_that_is_used_is_looked_at_meanwhile(smi):
    mine, foreign = os.getpid(), os.getppid()
    lines = ["1980, 2619, 120.50, 41, 0x0000000000000001", "1500, 2619, 690.00, 88, 0x0000000000000024", "1900, 2619, 300.00, 60, 0x0"]
    gpu, asked = smi(lines, [mine, foreign, 2**22 + 1])()
    assert gpu == {
        "samples": 3,
        "sm_mhz": [1500, 1900, 1980],
        "memory_mhz": [2619, 2619, 2619],
        "power_w": [120.5, 300, 690],
        "temperature_c": [41, 60, 88],
        "limits": {"idle": pytest.approx(1 / 3), "power_cap": pytest.approx(1 / 3), "thermal_software": pytest.approx(1 / 3)},
        "others": 1,
    }
    assert all(line.startswith("-i 00000000:07:00.0 --query-") for line in asked)  # it asks, of the one GPU, and sets nothing


def test_a_card_that_tells_less_is_no_error(smi):
    gpu, _ = smi(["[N/A], 2619, [Not Supported], 41, [N/A]", "broken", "No devices were found"])()
    assert gpu == {"samples": 1, "memory_mhz": [2619] * 3, "temperature_c": [41] * 3, "limits": {}, "others": 0}


def test_a_gpu_without_nvidia_smi_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(state.cuda, "devices", lambda: ["00000000:07:00.0"])
    monkeypatch.setenv("PATH", "")
    with state.watch() as seen:
        pass
    assert seen.gpu == {}


@pytest.mark.parametrize(
    ("other_cpu", "gpu", "expected"),
    [
        (None, {}, []),
        (state.OTHER_CPU, {"limits": {"idle": 1.0, "application_clocks": 1.0, "power_cap": 0.5}, "others": 0}, []),
        (0.2, {}, ["disturbed"]),
        (0.0, {"limits": {"thermal_hardware": 0.01}}, ["throttled"]),
        (1.0, {"limits": {"power_brake": 0.5, "hardware_slowdown": 0.5}, "others": 2}, ["disturbed", "throttled", "gpu_shared"]),
    ],
)
def test_what_makes_timings_doubtful(other_cpu, gpu, expected):
    found = state.disturbances(other_cpu, gpu)
    assert [key for key, _ in found] == expected
    for key, values in found:
        assert COMMON.finding("warn", key, **values).key == key  # it has its sentence, and that takes these values


def test_every_limit_that_counts_has_its_words():
    assert set(state.DOUBTFUL) <= set(state.LIMITS)
    assert set(COMMON.groups["gpu_limits"]) == set(state.DOUBTFUL)
