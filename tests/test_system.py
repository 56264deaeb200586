"""What a record says about the machine that it was measured on."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import stop
from lib.experiment import system

# As nvidia-smi lists two GPUs, by bus id; CUDA counts them in another order, by CUDA_VISIBLE_DEVICES or by speed.
SMI = """00000000:17:00.0, NVIDIA T4, 7.5, 570.1, 15360
00000000:65:00.0, NVIDIA H200, 9.0, 570.1, 143771
"""
T4, H200 = "00000000:17:00.0", "00000000:65:00.0"


def forget():
    for function in (system.describe, system.system_id, system.gpus):
        function.cache_clear()


@pytest.fixture(autouse=True)
def uncached():
    forget()
    yield
    forget()


def smi(monkeypatch, answer, seen=(H200, T4)):
    monkeypatch.setattr("lib.cuda.devices", lambda: list(seen))

    def run(command, **how):
        assert command[0] == "nvidia-smi"
        if isinstance(answer, Exception):
            raise answer
        return subprocess.CompletedProcess(command, 0, answer, "")

    monkeypatch.setattr(system.subprocess, "run", run)


def test_description_is_json_and_names_versions():
    described = json.loads(json.dumps(system.describe()))
    assert described["libraries"]["numpy"] == importlib.metadata.version("numpy")
    assert described["cores"] >= 1
    assert described["memory_gib"] >= 1
    assert described["cpu"]
    assert "no-such-library" not in described["libraries"]


def test_system_id_is_a_file_name_and_stays_the_same():
    first = system.system_id()
    system.system_id.cache_clear()
    system.describe.cache_clear()
    assert system.system_id() == first
    assert re.fullmatch(r"[a-z0-9.-]+", first)


H200_SAID = {"name": "NVIDIA H200", "compute_cap": "9.0", "driver_version": "570.1", "memory.total": "143771"}


def test_the_first_gpu_is_the_one_that_cuda_runs_on(monkeypatch):
    smi(monkeypatch, SMI)
    assert [gpu["name"] for gpu in system.gpus()] == ["NVIDIA H200", "NVIDIA T4"]
    assert system.gpus()[0] == H200_SAID
    assert system.system_id().startswith("nvidia-h200-")


@pytest.mark.parametrize(("seen", "names"), [((T4,), ["NVIDIA T4"]), ((), []), (("00000001:17:00.0",), [])])
def test_gpus_that_cuda_does_not_see_are_none_of_ours(monkeypatch, seen, names):
    smi(monkeypatch, SMI, seen)
    assert [gpu["name"] for gpu in system.gpus()] == names


def test_processors_that_compute_int8_differently_are_different_systems(monkeypatch, tmp_path):
    ids = []
    for flags in ("fpu avx2 avx512f", "fpu avx2 avx512f avx512_vnni", "avx512f avx2 fpu ht"):
        info = tmp_path / "cpuinfo"
        info.write_text(f"processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: {flags}\nvmx flags\t: avx_vnni\n")
        monkeypatch.setattr(stop, "Path", lambda _, info=info: info)
        forget()
        assert "fpu" not in system.describe()["cpu_features"]
        ids.append(system.system_id())
    assert ids[0] != ids[1]
    assert ids[0] == ids[2]  # what decides nothing here tells no systems apart


def test_features_of_arm_are_read_too(monkeypatch, tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp i8mm\n")
    monkeypatch.setattr(stop, "Path", lambda _: info)
    assert system.describe()["cpu_features"] == ["asimddp", "i8mm"]


@pytest.mark.parametrize(
    "answer",
    [
        FileNotFoundError("nvidia-smi"),
        subprocess.TimeoutExpired("nvidia-smi", 30),
        subprocess.CalledProcessError(9, "nvidia-smi"),
        "",
        "No devices\n",
    ],
    ids=["not installed", "hangs", "fails", "says nothing", "says something else"],
)
def test_no_gpu(monkeypatch, answer):
    smi(monkeypatch, answer)
    assert system.gpus() == []
    assert system.system_id()


def test_another_library_version_is_another_system(monkeypatch):
    first = system.system_id()
    system.system_id.cache_clear()
    monkeypatch.setattr(system, "describe", lambda: {"cpu": "x", "cores": 2, "gpus": [], "libraries": {"numpy": "9"}})
    second = system.system_id()
    system.system_id.cache_clear()
    monkeypatch.setattr(system, "describe", lambda: {"cpu": "x", "cores": 2, "gpus": [], "libraries": {"numpy": "10"}})
    assert len({first, second, system.system_id()}) == 3


@pytest.mark.parametrize("holder", ["tensorrt", "tensorrt-cu12", "tensorrt-cu13-bindings", "tensorrt-bindings"])
def test_a_tensorrt_of_any_of_its_packages_is_known(monkeypatch, holder):
    """`pip install tensorrt-cu12` brings no package that is called tensorrt: two of its versions would be one system."""

    def version(name):
        if name != holder:
            raise importlib.metadata.PackageNotFoundError(name)
        return "10.6.0"

    monkeypatch.setattr(system.importlib.metadata, "version", version)
    assert system.versions(["tensorrt", "numpy"]) == {"tensorrt": "10.6.0"}
    assert "-trt10.6.0-" in system.system_id()


@given(st.text())
def test_slug_is_safe_in_a_path(text):
    made = system.slug(text)
    assert re.fullmatch(r"[a-z0-9.]*(-+[a-z0-9.]+)*", made)
    assert system.slug(made) == made


def test_versions_in_their_order():
    assert sorted(["10.6.0", "8.6.1", "8.5.3.1", "10.13.3.9"], key=system.version_order) == ["8.5.3.1", "8.6.1", "10.6.0", "10.13.3.9"]
