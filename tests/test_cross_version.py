"""The comparison across systems, on records that these tests make up and no report ever sees."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import ReportError
from lib.pages.cross_version import figures
from lib.pages.cross_version import tables as cross_version
from lib.show import table as show
from lib.store import records
from lib.store.records import Record
from lib.text import LANGUAGES, Text

METRICS = cross_version.METRICS
GPU = {"name": "GPU A", "compute_cap": "9.0", "driver_version": "1", "memory.total": "1"}
WHY = Text("no NVIDIA GPU on this system", "このシステムにNVIDIA GPUがない")


def record(metric, value, precision="fp32", reason=None, **more):
    stage = METRICS[metric].stage
    return Record(metric, "1", value, runner="tensorrt", precision=precision, reason=reason, stage=stage, dataset="digits", **more)


def leave(results, name, measured, tensorrt="10.16.0", gpus=(GPU,)):
    """A system's folder as Session.save writes it."""
    libraries = {"tensorrt": tensorrt} if gpus else {"tensorrt-rtx-cu13-libs": tensorrt}
    records.files.write_text(
        results / name / "system.json", json.dumps({"cpu": "CPU", "cores": 2, "gpus": list(gpus), "libraries": libraries})
    )
    for stage in {r.stage for r in measured}:
        records.write(results / name, stage, [r for r in measured if r.stage == stage], [])
    return results / name


def measured(scale=1.0, accuracy=0.9):
    return [
        record("plan_size", 1e6 * scale),
        record("build_time", 2.0 * scale),
        record("accuracy", accuracy),
        record("throughput", 1000.0 * scale, batch_size=32, scope="end_to_end"),
        record("latency", None, reason=WHY, batch_size=32),
    ]


@pytest.fixture
def two(tmp_path):
    leave(tmp_path, "new", measured(2.0, 0.895), "10.16.0")
    leave(tmp_path, "old", measured(), "8.5.3.1")
    return cross_version.collect(tmp_path)[0]


def test_one_system_says_so(tmp_path):
    leave(tmp_path, "only", measured())
    systems, problems = cross_version.collect(tmp_path)
    assert problems == []
    assert cross_version.ratios(systems) == []
    (finding,) = cross_version.findings(systems, problems, [])
    assert finding.level == "note"
    assert "One system" in finding.text.en
    assert "only" in finding.text.ja


def test_no_system_says_so(tmp_path):
    assert cross_version.collect(tmp_path / "absent") == ([], [])
    (finding,) = cross_version.findings([], [], [])
    assert "No system" in finding.text.en
    with pytest.raises(ReportError, match="notebooks 01 to 07"):
        cross_version.baseline([])


def test_values_are_shown_in_their_unit_and_reasons_as_reasons(tmp_path):
    leave(tmp_path, "only", measured())
    (row,) = cross_version.result_rows(cross_version.collect(tmp_path)[0])
    assert row["plan_size"] == pytest.approx(1.0)
    assert row["accuracy"] == pytest.approx(90.0)
    assert row["latency"] == WHY
    leave(tmp_path, "less", [record("plan_size", 1e6)], "11.0")
    rows = cross_version.result_rows(cross_version.collect(tmp_path)[0])
    assert rows[1]["accuracy"] == cross_version.MISSING


def test_the_oldest_tensorrt_is_the_baseline(two):
    assert [s.id for s in two] == ["old", "new"]
    assert cross_version.baseline(two).id == "old"


@pytest.mark.parametrize(
    ("older", "newer"),
    [(("8.5.3.1", (GPU,)), ("10.2.0", (GPU,))), (("9.0", (GPU,)), ("10.0", (GPU,))), (("11.0", (GPU,)), ("1.7.1", ()))],
)
def test_order_is_by_number_and_rtx_comes_last(tmp_path, older, newer):
    leave(tmp_path, "a", measured(), *newer)
    leave(tmp_path, "b", measured(), *older)
    assert [s.id for s in cross_version.collect(tmp_path)[0]] == ["b", "a"]


def test_ratios_name_baseline_and_direction(two):
    compared = {r.metric: r for r in cross_version.ratios(two)}
    assert compared["plan_size_ratio"].value == pytest.approx(2.0)
    assert compared["throughput_ratio"].value == pytest.approx(2.0)
    assert compared["accuracy_ratio"].value == pytest.approx(0.895 / 0.9)
    assert compared["latency_ratio"].value is None
    assert compared["latency_ratio"].reason == cross_version.NOT_COMPARED
    assert all(r.case == {"system": "new", "baseline": "old"} for r in compared.values())


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_ratio_undoes_itself(first, second):
    description = {"gpus": [], "libraries": {}, "cpu": "", "cores": 1}
    a, b = (cross_version.System(name, description, [record("plan_size", value)]) for name, value in (("a", first), ("b", second)))
    (ratio,) = cross_version.ratios([a, b])
    assert ratio.value == pytest.approx(second / first)
    assert ratio.value * cross_version._ratio(METRICS["plan_size"], b, a, "tensorrt", "fp32").value == pytest.approx(1)


@pytest.mark.parametrize("change", [{"dataset": "CIFAR-10"}, {"batch_size": 1}, {"scope": "gpu_compute"}, {"value": None, "reason": WHY}])
def test_only_like_is_compared_with_like(two, change):
    old, new = two
    other = cross_version.System(new.id, new.description, [replace(r, **change) if r.metric == "throughput" else r for r in new.records])
    (ratio,) = [r for r in cross_version.ratios([old, other]) if r.metric == "throughput_ratio"]
    assert ratio.value is None


def test_a_baseline_of_zero_gives_no_ratio(two):
    old, new = two
    zero = cross_version.System(old.id, old.description, [record("accuracy", 0.0)])
    assert all(r.value is None for r in cross_version.ratios([zero, new]))


@pytest.mark.parametrize(("accuracy", "level"), [(0.895, "good"), (0.88, "bad"), (0.92, "bad")])
def test_accuracy_that_moves_is_red(tmp_path, accuracy, level):
    leave(tmp_path, "old", measured(), "8.5.3.1")
    leave(tmp_path, "new", measured(1.0, accuracy))
    systems, problems = cross_version.collect(tmp_path)
    found = cross_version.findings(systems, problems, cross_version.ratios(systems))
    (said,) = [f for f in found if "accuracy" in f.text.en]
    assert said.level == level
    assert f"{(accuracy - 0.9) * 100:+.2f}" in said.text.en
    assert "正解率" in said.text.ja


def test_other_hardware_is_pointed_out(tmp_path):
    leave(tmp_path, "old", measured(), "8.5.3.1")
    leave(tmp_path, "new", measured(), "10.0", ({**GPU, "name": "GPU B"},))
    systems, _ = cross_version.collect(tmp_path)
    said = [f.text.en for f in cross_version.findings(systems, [], cross_version.ratios(systems))]
    assert any("GPU B / GPU A" in text for text in said)


def test_nothing_in_common_is_said(tmp_path):
    leave(tmp_path, "old", [record("plan_size", 1.0)], "8.5.3.1")
    leave(tmp_path, "new", [record("build_time", 1.0)])
    systems, _ = cross_version.collect(tmp_path)
    assert any("no number in common" in f.text.en for f in cross_version.findings(systems, [], cross_version.ratios(systems)))


BAD_LINES = [
    b"not json\n",
    b"[1, 2]\n",
    b'{"schema": 99}\n',
    b'{"schema": 1, "metric": "m", "unit": "1", "value": 1, "surprise": 2}\n',
    b'{"schema": 1, "metric": "m", "unit": "1", "value": "fast"}\n',
    b'{"schema": 1, "metric": "m", "unit": "1", "value": true}\n',
    b"\xff\xfe\x00\n",
]


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_record_file_is_one_line_and_the_rest_counts(tmp_path, line):
    folder = leave(tmp_path, "only", measured())
    (folder / "05_consistency.jsonl").write_bytes(line)
    systems, problems = cross_version.collect(tmp_path)
    assert len(systems[0].records) == len(measured())
    assert len(problems) == 1
    assert "05_consistency.jsonl" in problems[0]
    assert "again" in problems[0]
    assert "\n" not in problems[0]
    assert cross_version.findings(systems, problems, [])[0].level == "bad"


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"libraries": [], "gpus": []}', '{"libraries": {}, "gpus": [1]}'])
def test_a_folder_that_is_no_system_is_one_line(tmp_path, text):
    leave(tmp_path, "good", measured())
    (tmp_path / "odd").mkdir()
    if text is not None:
        (tmp_path / "odd" / "system.json").write_text(text)
    systems, problems = cross_version.collect(tmp_path)
    assert [s.id for s in systems] == ["good"]
    assert len(problems) == 1
    assert "odd/system.json" in problems[0]
    assert "remove" in problems[0]


def test_its_own_ratios_are_not_read_back(tmp_path):
    folder = leave(tmp_path, "only", measured())
    records.write(folder, "08_cross_version", [record("plan_size", 5.0)], [])
    (tmp_path / "a file").write_text("not a folder")
    systems, problems = cross_version.collect(tmp_path)
    assert problems == []
    assert len(systems[0].records) == len(measured())


def test_tables_and_figures_in_both_languages(two, monkeypatch):
    shown = []
    monkeypatch.setattr(show, "html", lambda make: shown.extend(make(language) for language in LANGUAGES))
    cross_version.show_ratios(two, cross_version.ratios(two))
    cross_version.show_ratios(two[:1], [])
    show.table(cross_version.system_rows(two), cross_version.SYSTEM_COLUMNS, cross_version.SYSTEM_CAPTION)
    show.table(cross_version.result_rows(two), cross_version.RESULT_COLUMNS, cross_version.RESULT_CAPTION)
    assert "TensorRT 8.5.3.1 (old)" in shown[0]
    assert "2.000" in shown[0]
    assert "second system" in shown[2]
    assert "GPU A" in shown[4]
    for language in LANGUAGES:
        axes = figures.compare(two, METRICS["plan_size"], language).axes[0]
        assert [t.get_text() for t in axes.get_yticklabels()] == ["FP32 | TensorRT 8.5.3.1", "FP32 | TensorRT 10.16.0"]
    assert "2.00" in figures.compare_alt(two, METRICS["plan_size"]).en
    assert "nothing measured" in figures.compare_alt(two, METRICS["latency"]).en
    assert figures.compare([], METRICS["latency"], "ja")
