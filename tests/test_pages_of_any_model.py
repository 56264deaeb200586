"""Pages 02 to 08 and the overview of models that are not ours: given as ONNX, without labels, without calibration images, of one batch
size, with logits as outputs, with a thousand classes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from records import accuracy, agreement, keys, latency, made_run, missing, unlabelled
from test_consistency import picture

from lib.experiment import profile as config
from lib.experiment.candidate import ONNX_REFERENCE, Candidate
from lib.pages import against, tolerance
from lib.pages.consistency import rules
from lib.pages.consistency.exhibits import Disagreements
from lib.pages.export.exhibits import File, Files
from lib.report import headline, index
from lib.show.table import figure_html, findings_html, table_html
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import LANGUAGES

PAGES = ["02_export", "03_engines", "04_int8", "05_consistency", "06_batching", "07_precision", "08_cross_version"]
FULL, HALF, INT8 = "onnxrt/fp32", "onnxrt/fp16", "onnxrt/int8_qdq"
ENGINES = ["tensorrt/fp32", "tensorrt/fp16", "tensorrt/int8", "tensorrt/int8_qdq"]
CLASSES = [f"class {number}, also known by another and much longer name" for number in range(1000)]
FIXED = {
    "engines": dict.fromkeys(("min_batch", "opt_batch", "max_batch", "calibration_batch"), 4),
    "batching": {"batch_sizes": [4]},
    "precision": {"batch_size": 4},
}
NO_IMAGES, NO_GPU = Reason("no_calibration_images"), Reason("no_gpu")
CASES: dict[str, dict[str, Any]] = {
    "onnx": {},
    "unlabelled": {"labels": False},
    "uncalibrated": {"calibrated": False},
    "fixed": {"sizes": (4,), "profile": FIXED},
    "logits": {"spread": 30.0, "profile": {"consistency": {"limits": {"int8_qdq": {"max_difference": 0.1, "agreement": 0.9}}}}},
    "random": {"labels": False, "calibrated": False, "dataset": "random input"},
}


def far(candidate: str, spread: float, differ: int) -> list[Record]:
    """How far a candidate lies from the reference: a thousandth of the spread, INT8 a twentieth."""
    apart = Candidate.parse(candidate)
    largest = spread * (0.05 if "int8" in candidate else 1e-3)
    return [Record("max_abs", "difference", largest, apart), agreement(candidate, differ)]


def recorded(
    labels: bool = True, calibrated: bool = True, sizes: tuple[int, ...] = (1, 32), spread: float = 1.0
) -> dict[str, list[Record]]:
    """{stage: its records} of an ONNX file on a system that has ONNX Runtime and no GPU."""

    def right(candidate: str, correct: int, **more: Any) -> Record:
        only = None if candidate == FULL and "case" not in more else (2, 2)
        return accuracy(candidate, correct, only=only, **more) if labels else missing("accuracy", "share", candidate, "no_labels", **more)

    def lost(metric: str, unit: str, candidate: str, **more: Any) -> Record:
        return missing(metric, unit, candidate, NO_IMAGES.key, **more)

    others = [HALF, INT8] if calibrated else [HALF]
    there = [FULL, *others]
    without = [] if calibrated else [INT8]
    pages = {stage: [] for stage in PAGES}
    pages["02_export"] = [right(candidate, 450) for candidate in there] + [
        Record("output_spread", "difference", spread, ONNX_REFERENCE),
        *(Record("file_size", "bytes", size, Candidate.parse(c)) for c, size in zip(there, (4000, 2000, 1000), strict=False)),
        *(Record("export_time", "s", 2.0, Candidate.parse(candidate)) for candidate in others),
        *(record for candidate in others for record in far(candidate, spread, 2)),
        *(lost("max_abs", "difference", candidate) for candidate in without),
        *(lost("accuracy", "share", candidate) for candidate in without),
    ]
    if len(sizes) > 1:
        pages["02_export"] += [Record("batch_difference", "difference", 1e-7 * spread, Candidate.parse(candidate)) for candidate in there]
    pages["03_engines"] = [missing("file_size", "bytes", engine) for engine in ENGINES]
    pages["04_int8"] = [missing(metric, unit, e) for metric, unit in (("accuracy", "share"), ("agreement", "share")) for e in ENGINES]
    pages["04_int8"] += [missing("latency", "ms", engine, batch_size=32, scope="end_to_end") for engine in ENGINES]
    for method in ("entropy", "minmax"):
        for images in (20, 100):
            case = {"case": {"method": method, "images": images}}
            if calibrated:
                pages["04_int8"] += [right(INT8, 449, **case), agreement(INT8, 100 // images, **case)]
            else:
                pages["04_int8"] += [lost(metric, "share", INT8, **case) for metric in ("accuracy", "agreement")]
    for candidate in others:
        stats = {"min": 0.99, "reference_system": "test"}
        pages["05_consistency"] += [Record("cosine", "difference", 0.999, Candidate.parse(candidate), stats=stats)]
        pages["05_consistency"] += [Record("mean_abs", "difference", 1e-5 * spread, Candidate.parse(candidate))]
    pages["05_consistency"] += [lost("cosine", "difference", candidate) for candidate in without]
    for speed, candidate in enumerate(there, 1):
        pages["06_batching"] += [latency(candidate, [size * speed * n for n in (1, 1.001, 0.999, 1)], size) for size in sizes]
        stats = {"min": 0.1, "max": 0.3, "n": 5}
        pages["07_precision"] += [Record("load_time", "s", 0.2, Candidate.parse(candidate), stats=stats)]
    pages["07_precision"] += [lost("load_time", "s", candidate) for candidate in without]
    pages["06_batching"] += [lost("latency", "ms", c, batch_size=size, scope="end_to_end") for c in without for size in sizes]
    return pages


def run_of(case: str, stage: str) -> Run:
    """A page of a case."""
    asked = dict(CASES[case])
    info = {"profile": asked.pop("profile", None), "dataset": asked.pop("dataset", "flowers"), "class_names": CLASSES}
    pages = recorded(**asked)
    shown = picture(candidate=INT8, true=None if asked.get("labels") is False else 999, expected=999, got=7)
    exhibits = {
        "02_export": {"files": Files(files=[File(candidate=c, nodes={"Conv": 2}, opset=17) for c in (FULL, HALF)])},
        "05_consistency": {"disagreements": Disagreements(worst=[shown], differing=2, images=500)},
    }
    others = {name: records for name, records in pages.items() if name != stage}
    return made_run(stage, pages[stage], exhibits.get(stage), others, own="flowers.onnx", **info)


def shown(case: str, stage: str) -> SimpleNamespace:
    """What the cells of a page's notebook show: its findings, tables and figures."""
    found = SimpleNamespace(findings=[], table=[], figure=[])
    show = SimpleNamespace(findings=found.findings.extend, table=found.table.append, figure=found.figure.append)
    cells = [cell.source for cell in nbformat.read(config.ROOT / "notebooks" / f"{stage}.ipynb", 4).cells if cell.cell_type == "code"]
    names = {part: importlib.import_module(f"lib.pages.{stage[3:]}.{part}") for part in ("rules", "tables", "figures")}
    for cell in cells:
        if "import" not in cell and "page.measure" not in cell and not cell.startswith("profile"):
            exec(cell, names | {"run": run_of(case, stage), "show": show})
    return found


def texts(found: SimpleNamespace, language: str) -> Iterator[str]:
    """All words of a page, drawn."""
    yield findings_html(found.findings, language)
    yield from (table_html(table, language) for table in found.table)
    for figure in found.figure:
        assert figure_html(figure, language)
        yield f"{figure.alt.in_(language)} {figure.caption.in_(language)}"


@pytest.mark.parametrize("stage", PAGES)
@pytest.mark.parametrize("case", CASES)
def test_every_page_is_there_says_nothing_of_another_model_and_finds_no_problem(case: str, stage: str) -> None:
    found = shown(case, stage)
    assert found.table
    assert [key for level, key in keys(found.findings) if level in ("bad", "warn")] == []
    for language in LANGUAGES:
        for text in texts(found, language):
            for alien in ("SavedModel", "CIFAR", "VGG", "TFLite", "probabilit", "確率の"):
                assert alien not in text, (alien, text[:2000])


@pytest.mark.parametrize("stage", ["02_export", "04_int8", "07_precision"])
@pytest.mark.parametrize("case", ["unlabelled", "random"])
def test_without_labels_agreement_takes_the_place_of_accuracy_and_one_note_says_so(case: str, stage: str) -> None:
    found = shown(case, stage)
    assert keys(found.findings).count(("note", "no_labels")) == 1
    assert not any("nobody labelled" in finding.text.en for finding in found.findings if finding.key != "no_labels")
    for table in found.table:
        assert not {"accuracy", "difference", "p"} & {column.key for column in table.columns}
        assert "nobody labelled the test images</" not in table_html(table, "en")
    assert any({"agreement", "changed"} & {column.key for column in table.columns} for table in found.table)


@pytest.mark.parametrize("case", CASES)
def test_the_overview_shows_what_answers_are_judged_by(case: str) -> None:
    run = run_of(case, "07_precision")
    table, labelled = headline.table(run), CASES[case].get("labels", True)
    judged = headline.ACCURACY if labelled else headline.AGREEMENT
    assert {headline.ACCURACY, headline.AGREEMENT} & set(table.columns) == {judged}
    assert index.judged(table.rows) == judged
    rows = {row["candidate"]: row for row in table.rows}
    assert headline.measured(rows[Candidate.parse(HALF)], judged)
    assert len(index.charts(table.rows)) == 2
    assert ("agreement with ONNX Runtime (CPU) FP32" in table.caption.en) != labelled
    assert table.caption.en.startswith("Nobody labelled") != labelled


def test_who_has_an_agreement_alone_has_no_row_where_accuracy_is_known() -> None:
    run = made_run("07_precision", [accuracy(FULL, 450), agreement(HALF, 1)], own="a.onnx")
    assert [row["candidate"].key for row in headline.table(run).rows] == [FULL]


def test_labels_that_some_page_has_are_there_and_those_that_nobody_has_are_not() -> None:
    assert against.labelled(made_run("07_precision", [accuracy(FULL, 450), *unlabelled(HALF)], own="a.onnx"))
    assert against.labelled(made_run("07_precision", [missing("accuracy", "share", FULL)], own="a.onnx"))
    assert not against.labelled(made_run("07_precision", [missing("accuracy", "share", FULL), *unlabelled(HALF)], own="a.onnx"))


def test_a_given_file_is_named_as_such_and_not_compared_with_itself() -> None:
    tables = {tuple(column.key for column in table.columns)[1]: table for table in shown("onnx", "02_export").table}
    first = tables["size"].rows[0]
    assert first["label"].en == "ONNX FP32 (as it was given)"
    assert first["label"].ja == "ONNX FP32（元のファイル）"
    assert first["seconds"] is None
    assert "max_abs" not in tables["max_abs"].rows[0]


def test_operators_are_shown_of_formats_that_there_are() -> None:
    captions = [table.caption.en for table in shown("onnx", "02_export").table]
    assert [caption for caption in captions if "number of nodes" in caption] == ["ONNX: number of nodes of each operator"]


def test_without_calibration_images_one_note_says_what_is_missing_and_rows_say_why() -> None:
    found = shown("uncalibrated", "04_int8")
    (note,) = [finding for finding in found.findings if finding.key == "nothing_to_calibrate"]
    assert (note.level, "ONNX Runtime (CPU) INT8" in note.text.en) == ("note", True)
    assert not any(NO_IMAGES.text.en in finding.text.en for finding in found.findings if finding.key == "unmeasured")
    assert NO_IMAGES in [row.get("accuracy") for row in found.table[-2].rows]
    for stage, column in (("02_export", "max_abs"), ("07_precision", "accuracy"), ("05_consistency", "max_abs")):
        assert any(row.get(column) == NO_IMAGES for table in shown("uncalibrated", stage).table for row in table.rows), stage


def test_one_batch_size_is_said_and_leaves_no_column_empty() -> None:
    found = shown("fixed", "06_batching")
    assert ("note", "one_batch_filled") in keys(found.findings)
    assert not {"gain", "gains", "highest"} & {finding.key for finding in found.findings}
    assert [column.key for column in found.table[0].columns] == ["runner", "precision", "throughput", "latency"]
    assert "batch_difference" not in [column.key for table in shown("fixed", "02_export").table for column in table.columns]
    several = shown("onnx", "06_batching")
    assert "one_batch_filled" not in [finding.key for finding in several.findings]
    assert "gain" in [column.key for column in several.table[0].columns]


def test_limits_are_relative_to_the_spread_and_name_their_source() -> None:
    run = run_of("logits", "05_consistency")
    assert tolerance.limits(run, Candidate.parse(INT8)) == (3.0, 0.9)
    assert tolerance.limits(run, Candidate.parse(HALF)).max_abs == pytest.approx(0.02 * 30)
    table = shown("logits", "05_consistency").table[0]
    assert [row["source"].en for row in table.rows] == ["the precision's own", "set by consistency.limits of the profile"]
    assert "largest minus smallest: 30" in table.caption.en
    assert "source" not in [column.key for column in shown("onnx", "05_consistency").table[0].columns]
    apart = [Record(metric, "difference", 0.9, Candidate.parse(INT8)) for metric in ("cosine", "mean_abs")]
    (over,) = [f for f in rules.findings(made_run("05_consistency", [*far(INT8, 600.0, 0), *apart], own="a.onnx")) if f.key == "over"]
    assert "the precision's own" in over.text.en


def test_names_of_classes_are_cut_and_an_unknown_truth_is_left_out() -> None:
    for case, true in (("onnx", True), ("unlabelled", False)):
        figure = shown(case, "05_consistency").figure[2]
        title = figure.draw("en").axes[0].get_title(loc="left")
        assert ("true:" in title) == true
        assert max(map(len, title.split("\n"))) < 45
        assert "class 999, also kno…" in title
