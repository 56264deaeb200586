"""The pages, as text: what is in them, in which language, and that they depend on nothing but what was executed."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest
import small_report
from bs4 import BeautifulSoup

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.report import cells, headline, render, run
from lib.report.notebooks import find
from lib.report.words import WORDS
from lib.store import files
from lib.store.records import Record
from lib.text import Text


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """outputs/quickstart after a real run of a note, a problem and a failure; 04 was never run. Do not change it."""
    place = tmp_path_factory.mktemp("report")
    notebooks = place / "notebooks"
    small_report.full(notebooks, "01_note")
    small_report.full(notebooks, "02_bad", "bad")
    small_report.write(notebooks, "03_fails", *small_report.pair("## Start", "## 始め"), small_report.code("1 / 0"))
    small_report.full(notebooks, "04_later")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPORT_OUTPUTS", str(place / "outputs"))
        with pytest.raises(ReportError, match="ZeroDivisionError"):
            run.run("quickstart", notebooks)
    return place / "outputs" / "quickstart"


@pytest.fixture
def moved(report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it elsewhere, to be changed freely."""
    shutil.copytree(report.parent.parent, tmp_path / "copy")
    monkeypatch.setenv("REPORT_OUTPUTS", str(tmp_path / "copy" / "outputs"))
    return tmp_path / "copy" / "outputs" / "quickstart"


def again(moved: Path) -> Path:
    return render.render(config.load("quickstart"), moved.parent.parent / "notebooks").parent


def page(report: Path, name: str, language: str = "en") -> BeautifulSoup:
    return BeautifulSoup((report / "html" / language / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def test_each_language_has_its_words_and_the_same_numbers(report: Path) -> None:
    english, japanese = (page(report, "01_note", language) for language in ("en", "ja"))
    assert (english.html["lang"], japanese.html["lang"]) == ("en", "ja")
    assert (english.h1.text, japanese.h1.text) == ("Title of 01_note", "01_note の題")
    assert "Some words." in english.text
    assert "説明である" not in english.article.text
    assert "説明である" in japanese.text
    assert "Some words." not in japanese.text
    cells = [[cell.text for cell in soup.select("article td.number, article td.interval")] for soup in (english, japanese)]
    assert cells[0][:2] == cells[1][:2] == ["0.25", "[0.20, 0.30]"]
    assert [image["alt"] for image in english.select("img")] == ["A line that rises"]
    assert [image["alt"] for image in japanese.select("img")] == ["右上がりの線"]


def test_findings_come_first_and_bad_ones_are_a_banner(report: Path) -> None:
    soup = page(report, "02_bad")
    order = [element for element in soup.main.find_all(["h1", "section", "article"]) if element.name != "section" or element.get("class")]
    assert [element.get("class", [element.name])[0] for element in order[:4]] == ["h1", "banner", "box", "article"]
    assert soup.select_one(".banner li").text == "Look at <this>"
    assert [finding.text for finding in soup.select(".box .finding")] == ["Good It is fine"]
    assert len(soup.select("ul.findings")) == 1
    assert not page(report, "01_note").select(".banner")


def test_progress_lines_and_parameter_cells_are_no_part_of_a_page(report: Path) -> None:
    soup = page(report, "01_note")
    assert "Parameters that this run was made with" in soup.text
    assert not any("half way" in text for text in soup.find_all(string=True) if not text.find_parent(class_="source"))
    sources = [source.text for source in soup.select(".source")]
    assert any("secret_code" in source for source in sources)
    assert not any(re.search(r'^profile = "', source.strip()) for source in sources)


def test_a_failed_notebook_has_a_page_that_says_so(report: Path) -> None:
    soup = page(report, "03_fails")
    assert soup.select_one(".banner li").text == "failed in cell 8 (1 / 0): ZeroDivisionError: division by zero"
    assert "セル 8" in page(report, "03_fails", "ja").select_one(".banner li").text
    assert soup.select_one("pre.error").text == "ZeroDivisionError: division by zero"
    assert "papermill" not in soup.text.lower()


def test_sections_have_the_same_ids_in_both_languages(report: Path) -> None:
    for language, titles in (("en", ["Method", "Result"]), ("ja", ["方法", "結果"])):
        soup = page(report, "01_note", language)
        links = soup.select(".side .toc a")
        assert [(link["href"], link.text) for link in links] == [("#s1", titles[0]), ("#s2", titles[1])]
        assert [soup.find(id=link["href"][1:]).text for link in links] == titles


def test_pages_lead_to_each_other_and_every_link_has_its_target(report: Path) -> None:
    for path in (report / "html").rglob("*.html"):
        for link in BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select("a[href]"):
            name, _, anchor = link["href"].partition("#")
            target = path.parent / name if name else path
            assert target.is_file(), (path, link)
            assert not anchor or BeautifulSoup(target.read_text(encoding="utf-8"), "html.parser").find(id=anchor), (path, link)
    turn = page(report, "02_bad").select(".turn a")
    assert [(link["rel"], link["href"]) for link in turn] == [(["prev"], "01_note.html"), (["next"], "03_fails.html")]


def test_nothing_in_a_page_lies_on_another_host(report: Path) -> None:
    for path in (report / "html").rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""(?:src|href|url|action)\s*[=(]\s*["']?\s*(?:https?:)?//""", text), path
        assert "default-src 'none'" in text


def test_the_footer_names_the_command_and_the_hash_of_the_records(report: Path) -> None:
    footer = page(report, "01_note").footer.text
    (records,) = (report / "results").glob("*/01_note.jsonl")
    assert "make report PROFILE=quickstart" in footer
    assert files.sha256(records) in footer


def test_the_index_holds_the_headline_the_findings_and_what_is_missing(report: Path) -> None:
    soup = page(report, "index")
    table = soup.select_one("#headline ~ .table")
    rows = [[cell.text for cell in row.select("td")] for row in table.select("tbody tr")]
    assert rows[0][:4] == ["TensorFlow SavedModel", "FP32", "97.50", "[96.00, 99.00]"]
    assert rows[0][-1] == "1,234"
    assert "not measured" in rows[-1][2]
    assert "no <GPU> here" in soup.select_one(".reasons").text
    problems = [item.text for item in soup.select(".banner li")]
    assert problems[0] == "02_bad Look at <this>"
    assert problems[1].startswith("03_fails failed in cell 8")
    assert "Not run yet: 04_later" in soup.select_one(".notes").text
    assert [card.h3.text.split()[0] for card in soup.select(".card")] == ["01", "02", "03", "04"]
    assert json.loads(next((report / "results").glob("*/system.json")).read_text())["cpu"] in soup.text
    assert len(soup.select(".charts img[alt]")) == 2
    assert "SavedModel FP32 97.50 %" in soup.select(".charts img")[0]["alt"]


def test_pages_are_the_same_bytes_when_rendered_again_elsewhere(report: Path, moved: Path) -> None:
    shutil.rmtree(moved / "html")
    html = again(moved)
    names = sorted(path.relative_to(html) for path in html.rglob("*.html"))
    assert names == sorted(path.relative_to(report / "html") for path in (report / "html").rglob("*.html"))
    for name in names:
        assert (html / name).read_bytes() == (report / "html" / name).read_bytes(), name


def test_a_page_from_an_earlier_run_says_so(moved: Path) -> None:
    (path,) = moved.glob("results/*/executed/01_note.ipynb")
    node = nbformat.read(path, 4)
    node.metadata.report["run_id"] = "before"
    nbformat.write(node, path)
    again(moved)
    assert "from an earlier run" in page(moved, "index").select_one(".card").text


def test_the_run_of_another_system_is_rendered_when_asked_for(moved: Path) -> None:
    (here,) = (moved / "results").glob("*")
    other = moved / "results" / "older-system"
    shutil.copytree(here, other)
    for path in (other / "executed").glob("*.ipynb"):
        node = nbformat.read(path, 4)
        node.metadata.report |= {"system_id": other.name, "started_at": "2020-01-01T00:00:00+00:00"}
        nbformat.write(node, path)
    profile, notebooks = config.load("quickstart"), moved.parent.parent / "notebooks"
    again(moved)
    assert "older-system" not in page(moved, "01_note").text  # the last run's, if none is named
    render.render(profile, notebooks, "older-system")
    assert "2020-01-01" in page(moved, "01_note").text
    for name in ("01_note", "index"):  # to measure again here would make the page of this system
        footer = page(moved, name).footer.text
        assert "make render PROFILE=quickstart SYSTEM=older-system" in footer
        assert "make report" not in footer
    with pytest.raises(ReportError, match=f"nothing executed on 'no-system'; there are: {here.name}, older-system"):
        render.render(profile, notebooks, "no-system")


def test_broken_inputs_are_named(moved: Path) -> None:
    (records,) = (moved / "results").glob("*/01_note.jsonl")
    records.write_text('{"schema": 1}\n')
    with pytest.raises(ReportError, match=r"01_note.jsonl:1: not a record"):
        again(moved)
    (records.parent / "executed" / "01_note.ipynb").write_text("half")
    with pytest.raises(ReportError, match=r"01_note.ipynb: not a notebook"):
        again(moved)


def test_all_pages_together_are_small(report: Path) -> None:
    assert sum(path.stat().st_size for path in (report / "html").rglob("*")) < 1_000_000


def record(metric: str, value: float | None, runner: str = "onnxrt", **more: object) -> Record:
    reason = Text("why", "なぜ") if value is None else None
    return Record(metric, "1", value, **{"runner": runner, "precision": "fp32", "reason": reason, "stage": "02_export"} | more)


def test_the_headline_prefers_the_comparison_and_takes_what_there_is() -> None:
    found = [
        record("accuracy", 0.5),
        record("file_size", 2e6),
        record("accuracy", 0.25, stage="07_precision"),
        record("throughput", 10.0, scope="end_to_end", batch_size=1),
        record("throughput", 20.0, scope="end_to_end", batch_size=32),
        record("throughput", 99.0, scope="gpu_compute", batch_size=32),
        record("accuracy", 0.9, precision="int8_qdq", case={"method": "entropy", "images": 32}),
        record("throughput", 1e9, runner="null", scope="end_to_end", batch_size=32),
        record("latency", None, runner="tensorrt", scope="end_to_end", batch_size=32),
        record("cosine", 1.0),
        record("plan_size", 3e6, runner="tensorrt", stage="03_engines"),
        record("file_size", None, runner="tensorrt", stage="07_precision"),
    ]
    onnx, tensorrt = headline.rows(found, 32)
    assert (onnx["accuracy"], onnx["size"], onnx["throughput"], onnx["load"]) == (25.0, 2.0, 20.0, None)
    assert (onnx["accuracy_low"], tensorrt["latency"]) == (None, ("why", "なぜ"))
    assert headline.measured(onnx, "size")
    assert tensorrt["size"] == 3.0  # what was measured stands before the reason why something could not run
    assert not headline.measured(onnx, "load")
    assert not headline.measured(tensorrt, "latency")
    assert headline.rows([], 32) == []


def test_what_a_study_found_of_the_very_engine_stands_in_the_headline() -> None:
    case = {"method": "entropy", "images": 320}
    common = {"runner": "tensorrt", "precision": "int8", "stage": "04_int8"}
    found = [
        record("plan_size", 3e6, **common | {"stage": "03_engines"}, artifact_sha256="a"),
        record("accuracy", 0.8, **common, artifact_sha256="b", case=case | {"images": 32}),
        record("accuracy", 0.9, **common, artifact_sha256="a", case=case),
        record("throughput", 20.0, **common, artifact_sha256="a", case=case, scope="end_to_end", batch_size=32),
    ]
    (row,) = headline.rows(found, 32)
    assert (row["size"], row["accuracy"], row["throughput"]) == (3.0, 90.0, 20.0)
    (row,) = headline.rows(found[:2], 32)
    assert row["accuracy"] is None


def test_a_failure_hides_a_number_only_where_07_failed() -> None:
    timed = {"scope": "end_to_end", "batch_size": 32}
    number = record("latency", 1.0, stage="06_batching", **timed)
    for stage, shown in (("04_int8", 1.0), ("07_precision", Text("why", "なぜ"))):
        lost = record("latency", None, stage=stage, stats={"failed": True}, **timed)
        assert headline.rows([lost, number], 32)[0]["latency"] == shown


def test_japanese_keeps_numerical_precision_and_accuracy_apart() -> None:
    said = " ".join(text.ja for text in WORDS.values())
    assert "精度" not in said.replace("数値精度", "")


def test_the_projects_own_notebooks_are_found_in_order() -> None:
    stages = [notebook.stage for notebook in find()]
    assert stages == sorted(stages)
    assert all(notebook.question.en and notebook.question.ja for notebook in find())


@pytest.mark.parametrize(
    ("said", "joined"),
    [
        (
            "## 見出し\n一行目の文は\n二行目に続き、\n三行目で終わる。\n\nABC\n日本語\n- 項目",
            "## 見出し\n一行目の文は二行目に続き、三行目で終わる。\n\nABC\n日本語\n- 項目",
        ),
        ("求める。\nONNX Runtimeでは、\n`plan`と\n2つの\nキャッシュ", "求める。ONNX Runtimeでは、`plan`と2つのキャッシュ"),
        ("次の表\n1. 一\n2. 二", "次の表\n1. 一\n2. 二"),
        ("実行する\n```bash\nmake\n```", "実行する\n```bash\nmake\n```"),
    ],
)
def test_wrapped_japanese_is_joined_and_what_is_no_prose_stays(said: str, joined: str) -> None:
    assert cells.WRAPPED.sub(r"\1", said) == joined
