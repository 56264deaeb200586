"""Notebook 02: whether exported files answer as the reference does, and what is inside them."""

from __future__ import annotations

import pytest
from records import accuracy, keys, made_run

from lib.experiment.candidate import Candidate
from lib.pages.export import exhibits, figures, measure, rules, tables
from lib.session import Session
from lib.show.table import table_html
from lib.store.records import Record
from lib.text import LANGUAGES

STAGE = "02_export"
FILES = exhibits.Files(files=[exhibits.File(candidate="onnxrt/fp32", nodes={"Conv": 3, "Relu": 2}, opset=17)])


def checked(key: str, apart: float, same: int, only=(0, 0), batch: float = 0.0, size: int = 1000):
    candidate = Candidate.parse(key)
    return [
        Record("max_abs", "difference", apart, candidate, stats={"total": 500}),
        Record("agreement", "share", same / 500, candidate, stats={"correct": same, "total": 500}),
        Record("batch_difference", "difference", batch, candidate),
        Record("file_size", "bytes", size, candidate),
        Record("export_time", "s", 1.5, candidate),
        accuracy(key, 450 + only[1] - only[0], 500, only),
    ]


def recorded(*more):
    return made_run(STAGE, [*checked("onnxrt/fp32", 1e-7, 500), *more], {"files": FILES})


def test_files_that_answer_alike_are_one_finding():
    run = recorded(*checked("onnxrt/int8_qdq", 0.1, 499, size=260))
    found = {finding.key: finding for finding in rules.findings(run)}
    assert found["within"].values["count"] == 2
    assert "INT8 (explicit) 26%" in found["sizes"].text.en


@pytest.mark.parametrize(("apart", "same", "batch"), [(2e-4, 500, 0.0), (1e-7, 495, 0.0), (1e-7, 500, 2e-4)])
def test_an_fp32_file_that_answers_otherwise_is_red(apart, same, batch):
    assert ("bad", "outside") in keys(rules.findings(recorded(*checked("tflite/fp32", apart, same, batch=batch))))


def test_agreement_is_held_against_its_expectation_by_its_interval():
    """499 of 500 are 99.8 %; 498 are 99.6 %, which so few images cannot tell from 99.8 %; 480 are surely fewer."""
    for same, inside in ((499, True), (498, True), (480, False)):
        run = recorded(*checked("onnxrt/fp16", 1e-3, same))
        assert rules._within(run, Candidate("onnxrt", "fp16")) is inside


def test_a_loss_is_judged_by_the_paired_interval():
    assert ("bad", "loss_over") in keys(rules.findings(recorded(*checked("onnxrt/int8_qdq", 0.1, 495, only=(40, 0)))))
    undecided = rules.findings(recorded(*checked("onnxrt/int8_qdq", 0.1, 495, only=(5, 0))))  # 450 to 445 of 500
    assert ("note", "loss_undecided") in keys(undecided)
    assert not any(level == "bad" for level, _ in keys(undecided))


def test_what_is_inside_comes_from_the_exhibit():
    rows = {row["operator"]: row for row in tables.operators(recorded(), "onnxrt").rows}
    assert rows["Conv"]["fp32"] == 3
    assert tables.files(recorded()).rows[0]["nodes"] == 5


def test_the_smallest_file_is_marked():
    rows = tables.files(recorded(*checked("onnxrt/fp16", 1e-3, 500, size=500_000_000))).rows
    assert [row.get("best", set()) for row in rows] == [{"size"}, set()]


def test_measure_records_what_the_page_shows(quick):
    session = Session(quick.profile, STAGE)
    measure.measure(session)
    run = made_run(STAGE, session.records, session.exhibits)
    assert not [finding for finding in rules.findings(run) if finding.level == "bad" and finding.key == "outside"]
    assert {candidate.runner for candidate in run.candidates("max_abs")} == set(measure.CHECKED_BY)
    assert set(run.candidates("accuracy")) > set(run.candidates("max_abs"))
    assert run.exhibit("samples", exhibits.Samples).files
    for language in LANGUAGES:
        assert table_html(tables.numbers(run), language)
        assert figures.differences(run).draw(language).axes


@pytest.mark.parametrize("run", [made_run(STAGE), made_run(STAGE, checked("onnxrt/fp32", 0, 500)[:2])], ids=["empty", "partly"])
def test_a_run_that_lacks_something_is_shown_all_the_same(run):
    rules.findings(run)
    for language in LANGUAGES:
        for table in (tables.numbers, tables.files, tables.samples, lambda run: tables.operators(run, "tflite")):
            assert table_html(table(run), language)
        for figure in (figures.sizes, figures.differences):
            figure(run).draw(language)
