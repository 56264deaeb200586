"""The overview: which candidates stand in its table, which behind it, and which lines of what is wrong stand open."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import small_report
from records import accuracy, agreement, missing

from lib.data.dataset import RANDOM
from lib.experiment.candidate import LABELS, Candidate
from lib.experiment.precision import PRECISIONS
from lib.report import candidates, index
from lib.report import verdict as verdicts
from lib.report.shell import Report
from lib.show.table import Table, table_html
from lib.store.records import Record
from lib.text import Text

REFERENCE, HALF, INT8 = "savedmodel/fp32", "tensorrt/fp16", "tensorrt/int8_qdq"


def tables(folder: Path, *records: Record) -> list[Table]:
    """The overview's tables of a run that recorded these."""
    run = small_report.recorded(folder, "07_precision", list(records))
    return candidates.tables(run, verdicts.of(Report("quickstart", folder, run, [])))


def names(table: Table) -> list[str]:
    return [row["named"].en for row in table.rows]


def test_each_candidate_is_shown_with_its_decision_and_one_without_any_measurement_stands_behind_a_fold(tmp_path: Path) -> None:
    shown, unmeasured = tables(
        tmp_path, accuracy(REFERENCE, 450), accuracy(HALF, 300, only=(150, 0)), missing("accuracy", "share", INT8, reason="no_gpu")
    )
    assert names(shown) == ["TensorFlow SavedModel FP32", "TensorRT FP16"]
    assert [row["decision"] and row["decision"].en for row in shown.rows] == [None, '<span class="mark rejected">rejected</span>']
    assert '<td><span class="mark rejected">採用不可</span></td>' in table_html(shown, "ja")
    assert unmeasured.folded
    assert [(row["named"].en, row["why"].ja) for row in unmeasured.rows] == [("TensorRT INT8 (explicit)", "このシステムにNVIDIA GPUがない")]


def test_without_a_decision_on_what_is_shown_there_is_no_column_for_it(tmp_path: Path) -> None:
    shown, _ = tables(tmp_path, accuracy(REFERENCE, 450), missing("accuracy", "share", HALF))
    assert "decision" not in [column.key for column in shown.columns]


def test_a_file_alone_makes_no_row_and_answers_alone_make_one(tmp_path: Path) -> None:
    size = Record("file_size", "bytes", 1e6, Candidate.parse(INT8))
    shown, unmeasured = tables(
        tmp_path, accuracy(REFERENCE, 450), Record("file_size", "bytes", 1e6, Candidate.parse(HALF)), agreement(HALF, 1), size
    )
    assert names(shown) == ["TensorFlow SavedModel FP32", "TensorRT FP16"]
    assert names(unmeasured) == ["TensorRT INT8 (explicit)"]


@pytest.mark.parametrize("judged", [True, False])
def test_of_many_those_of_the_verdict_and_the_reference_stand_open(tmp_path: Path, judged: bool) -> None:
    every = [f"{runner}/{precision}" for runner in LABELS if runner != "null" for precision in PRECISIONS]
    there = [key for key in every if judged or not key.startswith("tensorrt/")]
    shown, behind = tables(tmp_path, *(accuracy(key, 450) for key in there))
    assert len(shown.rows) + len(behind.rows) == len(there) > candidates.MOST
    assert len(shown.rows) <= candidates.MOST
    assert behind.folded
    opened = {row["candidate"].key for row in shown.rows}
    assert (opened == {REFERENCE, *(f"tensorrt/{precision}" for precision in PRECISIONS)}) == judged


def test_nothing_measured_is_no_table(tmp_path: Path) -> None:
    assert tables(tmp_path) == []


def test_where_every_candidate_has_a_reason_alone_there_are_no_charts_and_a_page(tmp_path: Path) -> None:
    run = small_report.recorded(tmp_path, "07_precision", [missing("accuracy", "share", HALF, reason="no_gpu")])
    (unmeasured,) = candidates.tables(run, None)
    assert index.charts(unmeasured.rows) == []
    assert "no NVIDIA GPU" in index.page(Report("quickstart", tmp_path, run, []), "en")


@pytest.mark.parametrize("dataset", ["digits", RANDOM])
def test_random_input_is_said(tmp_path: Path, dataset: str) -> None:
    run = small_report.recorded(tmp_path, "07_precision", [accuracy(REFERENCE, 450)], dataset=dataset)
    shown = index.page(Report("quickstart", tmp_path, run, []), "en")
    assert ("The input is random" in shown) == (dataset == RANDOM)


def opened(*stages: tuple[list[str], list[str]]) -> list[tuple[list[str], int]]:
    """(lines that stand open, each with the pages that say it, how many are folded) of each banner. stages: red and amber lines a page."""
    texts = [[[Text(f"{line}. More.", f"{line}。他") for line in lines] for lines in each] for each in stages]
    made = [SimpleNamespace(notebook=f"p{at}", problems=red, doubts=amber) for at, (red, amber) in enumerate(texts)]
    english, japanese = (index.banners(SimpleNamespace(stages=made), language) for language in ("en", "ja"))  # type: ignore[arg-type]
    assert [[text.replace(".", "。") for text, _ in one["open"]] for one in english] == [[t for t, _ in one["open"]] for one in japanese]
    return [([" ".join([text, *pages]) for text, pages in one["open"]], len(one["folded"])) for one in english]


def test_three_lines_stand_open_the_red_first_each_once_and_with_its_first_sentence() -> None:
    assert opened((["a", "b"], ["c", "d", "e"]), (["a"], [])) == [(["a. p0 p1", "b. p0"], 0), (["c. p0"], 2)]
    assert opened((["a", "b", "c", "d"], ["e"])) == [(["a. p0", "b. p0", "c. p0"], 1), ([], 1)]
    assert opened(([], ["e"])) == [(["e. p0"], 0)]
    assert opened(([], [])) == []
