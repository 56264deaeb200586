"""Notebook 08: systems on machines of their own side by side, and what differs beyond its interval."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import made_versions as made
import pytest
from records import SYSTEM, accuracy, keys, latency, made_run, other_cpu

from lib.experiment.candidate import Candidate
from lib.pages.cross_version import figures, rules, system_tables, systems, tables
from lib.show.table import table_html
from lib.stats import Interval
from lib.store import stage_file
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import LANGUAGES

STAGE, SWEEP, ENGINES = "08_cross_version", "06_batching", "03_engines"
FP16 = Candidate("tensorrt", "fp16")
NOISE = (1.0, 1.01, 0.99, 1.005, 0.995)


def system(
    results: Path,
    name: str,
    tensorrt: str,
    ms: float = 1.0,
    correct: int = 9000,
    gpu: str = "NVIDIA X",
    share=0.01,
    dataset="digits",
    sweep=SWEEP,
    stats=None,
):
    """Write what one system recorded below `results`."""
    here = SYSTEM | {"gpus": [{"name": gpu, "driver_version": "1"}] if gpu else [], "libraries": {"tensorrt": tensorrt}}
    others = {SWEEP: [], "07_precision": [accuracy("tensorrt/fp16", correct, 10000)]}
    one = latency("tensorrt/fp16", [ms * n for n in NOISE])
    others[sweep] += [replace(one, stats=one.stats | (stats or {})), other_cpu(share)]
    engines = [Record("file_size", "bytes", 8_000_000, FP16), Record("build_time", "s", 10.0, FP16)]
    run = made_run(ENGINES, engines, others=others, system=here, system_id=name, dataset=dataset)
    for stage, file in run.files.items():
        stage_file.write(results / name / f"{stage}.jsonl", replace(file.stage, stage=stage), file.records, {})


@pytest.fixture
def opened(tmp_path):
    return lambda name: Run.open(tmp_path / name, STAGE)


def only(run, key):
    """The one finding of this key."""
    (found,) = [finding for finding in rules.findings(run) if finding.key == key]
    return found


def test_the_oldest_tensorrt_is_the_baseline(tmp_path, opened):
    for name, version in (("new", "10.6.0"), ("old", "8.5.3.1")):
        system(tmp_path, name, version)
    found, problems = systems.systems(opened("new"))
    assert [each.tensorrt for each in found] == ["TensorRT 8.5.3.1", "TensorRT 10.6.0"]
    assert problems == []
    assert "TensorRT 8.5.3.1, old" in system_tables.ratios(opened("new")).caption.en


@pytest.mark.parametrize(("ms", "key"), [(0.8, "faster"), (1.3, "slower"), (1.001, "no_difference")])
def test_speed_is_compared_by_its_interval(tmp_path, opened, ms, key):
    system(tmp_path, "old", "8.5.3.1")
    system(tmp_path, "new", "10.6.0", ms)
    (speed,) = [f for f in rules.findings(opened("old")) if f.key in ("faster", "slower", "no_difference")]
    assert speed.key == key
    assert speed.values["ratio"].value == pytest.approx(1 / ms)
    assert isinstance(system_tables.ratios(opened("old")).rows[0]["latency"], Interval)


def test_a_disturbed_system_is_not_compared(tmp_path, opened):
    system(tmp_path, "old", "8.5.3.1", share=0.5)
    system(tmp_path, "new", "10.6.0", 0.5)
    assert not {"faster", "slower"} & {finding.key for finding in rules.findings(opened("old"))}


def test_a_system_timed_in_blocks_is_shown_but_neither_faster_nor_slower(tmp_path, opened):
    system(tmp_path, "old", "8.5.3.1", stats={"rounds": "windows"}, sweep="07_precision")
    system(tmp_path, "new", "10.6.0", 0.5)
    assert not {"faster", "slower", "no_difference"} & {finding.key for finding in rules.findings(opened("old"))}
    assert system_tables.ratios(opened("old")).rows[0]["latency"] == pytest.approx(2.0)  # without an interval


@pytest.mark.parametrize(("correct", "level"), [(9001, "good"), (8700, "bad"), (8930, "note")])
def test_accuracy_that_surely_falls_is_red(tmp_path, opened, correct, level):
    system(tmp_path, "old", "8.5.3.1")
    system(tmp_path, "new", "10.6.0", correct=correct)
    said = only(opened("new"), "accuracy")
    assert said.level == level
    assert "separate trainings" in said.text.en
    assert "別々に学習" in said.text.ja


def test_other_hardware_is_said(tmp_path, opened):
    system(tmp_path, "old", "8.5.3.1")
    system(tmp_path, "new", "10.6.0", gpu="NVIDIA Y")
    hardware = only(opened("new"), "other_hardware")
    assert "NVIDIA Y / NVIDIA X" in hardware.text.ja
    assert "ran on different hardware" in hardware.text.en


def test_a_system_without_a_gpu_is_said_to_have_none(tmp_path, opened):
    system(tmp_path, "old", "8.5.3.1")
    system(tmp_path, "cpu", "10.6.0", gpu="")
    hardware = only(opened("old"), "other_hardware")
    assert "(no GPU / NVIDIA X)" in hardware.text.en
    assert "（GPUなし / NVIDIA X）" in hardware.text.ja
    assert [row["gpu"].ja for row in system_tables.overview(opened("old")).rows] == ["NVIDIA X", "GPUなし"]


def test_two_machines_with_one_version_are_told_apart_by_their_names(tmp_path, opened):
    for name in ("here", "there"):
        system(tmp_path, name, "10.6.0")
    one = only(opened("here"), "accuracy")
    assert "TensorRT 10.6.0 (there)" in one.text.en
    assert "TensorRT 10.6.0 (here)" in one.text.ja


def test_what_this_run_measured_itself_is_not_taken_from_another_machine(tmp_path, opened):
    for name, version in (("here", "10.6.0"), ("older", "8.5.3.1"), ("oldest", "8.4.3.1")):
        system(tmp_path, name, version, correct=8000 if name == "older" else 9000, gpu="" if name == "oldest" else "NVIDIA X")
    own = made_run(STAGE, [made.worker(1, "8.5.3.1"), made.worker(2, "10.6.0")], system_id="here").files[STAGE]
    stage_file.write(tmp_path / "here" / f"{STAGE}.jsonl", own.stage, own.records, {})
    run = opened("here")
    assert [[each.id for each in part] for part in systems.compared(run)] == [["here", "oldest"], ["older"]]
    assert "8.5.3.1" not in "".join(finding.text.en for finding in systems.findings(run))
    for table in (system_tables.results, system_tables.ratios):
        assert "older" not in {row["system"] for row in table(run).rows}
    assert "every system but older" in system_tables.results(run).caption.en
    assert "older" in {row["system"] for row in system_tables.overview(run).rows}
    assert len(figures.compare(run, "file_size").draw("en").axes[0].patches) == len(system_tables.results(run).rows)
    shutil.rmtree(tmp_path / "oldest")
    assert tables.filled(system_tables.ratios(opened("here"))) == []


def test_build_times_that_began_with_different_caches_are_not_compared(tmp_path, opened):
    for name, version in (("old", "8.5.3.1"), ("new", "10.6.0")):
        system(tmp_path, name, version)
    for table in (system_tables.results, system_tables.ratios):
        assert "build_time" not in {column.key for column in table(opened("new")).columns}


def test_other_images_are_not_compared(tmp_path, opened):
    system(tmp_path, "old", "8.5.3.1")
    system(tmp_path, "new", "10.6.0", dataset="others")
    assert ("note", "nothing_shared") in keys(rules.findings(opened("new")))
    assert all(isinstance(system_tables.ratios(opened("new")).rows[0][metric], Reason) for metric in system_tables.METRICS)


def test_a_system_that_cannot_be_read_is_red_and_the_rest_still_counts(tmp_path, opened):
    for name, version in (("old", "8.5.3.1"), ("mid", "9.0"), ("new", "10.6.0")):
        system(tmp_path, name, version)
    path = tmp_path / "mid" / f"{ENGINES}.jsonl"
    path.write_text(path.read_text().replace("8000000", "9000000"))
    found = rules.findings(opened("old"))
    assert found[0].level == "bad"
    assert f"{path}:2" in found[0].text.en
    assert ("note", "no_difference") in keys(found)


def test_one_system_has_nothing_to_be_compared_with(tmp_path, opened):
    system(tmp_path, "only", "8.5.3.1")
    assert keys(rules.findings(opened("only"))) == [("note", "alone")]
    assert tables.filled(tables.answer(opened("only")), system_tables.ratios(opened("only"))) == []  # no table without rows
    assert len(system_tables.results(opened("only")).rows) == 1


def test_rtx_and_nothing_at_all_have_their_names(tmp_path, opened):
    system(tmp_path, "cpu", "8.5.3.1", gpu="")
    (only,) = systems.systems(opened("cpu"))[0]
    assert only.tensorrt == ""
    assert only.name == "cpu"


def test_tables_and_figure_are_shown_in_both_languages(tmp_path, opened):
    for name, version in (("old", "8.5.3.1"), ("new", "10.6.0")):
        system(tmp_path, name, version)
    for language in LANGUAGES:
        for table in (system_tables.overview, system_tables.results, system_tables.ratios):
            assert "10.6.0" in table_html(table(opened("new")), language)
        assert len(figures.compare(opened("new"), "file_size").draw(language).axes[0].patches) == 2
    empty = made_run(STAGE, folder=tmp_path / "none" / "here")
    assert keys(rules.findings(empty)) == [("note", "nobody")]
    assert figures.compare(empty, "latency").draw("en").axes
