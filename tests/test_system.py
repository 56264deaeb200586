"""What a record says about the machine that it was measured on."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.experiment import system

SMI = "NVIDIA H200, 9.0, 570.1, 143771\nNVIDIA H200, 9.0, 570.1, 143771\n"


@pytest.fixture(autouse=True)
def uncached():
    for function in (system.describe, system.system_id, system.gpus):
        function.cache_clear()
    yield
    for function in (system.describe, system.system_id, system.gpus):
        function.cache_clear()


def smi(monkeypatch, answer):
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


def test_gpus_are_read_from_nvidia_smi(monkeypatch):
    smi(monkeypatch, SMI)
    assert system.gpus() == [{"name": "NVIDIA H200", "compute_cap": "9.0", "driver_version": "570.1", "memory.total": "143771"}] * 2
    assert system.system_id().startswith("nvidia-h200-")


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


@given(st.text())
def test_slug_is_safe_in_a_path(text):
    made = system.slug(text)
    assert re.fullmatch(r"[a-z0-9.]*(-+[a-z0-9.]+)*", made)
    assert system.slug(made) == made
