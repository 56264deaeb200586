"""The pages, as text: what is in them, in which language, and that they depend on nothing but what was recorded."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import small_report
from bs4 import BeautifulSoup

from lib import progress, stats
from lib.errors import ReportError
from lib.experiment import profile as config
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate, Way
from lib.report import cells, failed, headline, render, run
from lib.report.execute import Failure
from lib.report.notebooks import find
from lib.store import files, stage_file
from lib.store.records import Reason, Record
from lib.text import Text
from lib.words import Finding

ONNX, TENSORRT = Candidate("onnxrt", "fp32"), Candidate("tensorrt", "fp16")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """outputs/quickstart after a real run of a note, a problem, a doubt and a failure; 05 was never run. Do not change it."""
    place = tmp_path_factory.mktemp("report")
    notebooks = place / "notebooks"
    small_report.full(notebooks, "01_note")
    small_report.full(notebooks, "02_bad", "bad")
    small_report.full(notebooks, "03_doubt", "warn")
    fails = small_report.code("1 / 0")
    path = small_report.write(notebooks, "04_fails", *small_report.pair("## Start", "## 始め"))
    node = small_report.nbformat.read(path, 4)
    node.cells.insert(3, fails)
    small_report.nbformat.write(node, path)
    small_report.full(notebooks, "05_later")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPORT_OUTPUTS", str(place / "outputs"))
        with pytest.raises(ReportError, match="ZeroDivisionError"):
            run.run("quickstart", notebooks)
    return place / "outputs" / "quickstart"


@pytest.fixture
def moved(report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it elsewhere, to be changed freely."""
    shutil.copytree(report.parent.parent, tmp_path / "{copy}")  # braces: papermill would format them
    monkeypatch.setenv("REPORT_OUTPUTS", str(tmp_path / "{copy}" / "outputs"))
    return tmp_path / "{copy}" / "outputs" / "quickstart"


def again(moved: Path, system: str = "") -> render.Outcome:
    return render.render("quickstart", moved.parent.parent / "notebooks", system)


def page(report: Path, name: str, language: str = "en", system: str = "") -> BeautifulSoup:
    return BeautifulSoup((small_report.pages(report, system) / language / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def test_each_language_has_its_words_and_the_same_numbers(report: Path) -> None:
    english, japanese = (page(report, "01_note", language) for language in ("en", "ja"))
    assert (english.html["lang"], japanese.html["lang"]) == ("en", "ja")
    assert (english.h1.text, japanese.h1.text) == ("01 Title of 01_note", "01 01_note の題")
    assert "Some words." in english.text
    assert "説明である" not in english.article.text
    assert "説明である" in japanese.text
    assert "Some words." not in japanese.text
    numbers = [[cell.text for cell in soup.select("main td.number")] for soup in (english, japanese)]
    assert numbers == [["0.25", "not measured1"], ["0.25", "未測定1"]]
    assert [image["alt"] for image in english.select("img")] == ["A line that rises"]
    assert [image["alt"] for image in japanese.select("img")] == ["右上がりの線"]


def test_a_table_is_put_back_as_it_was_and_words_like_its_place_stay() -> None:
    table, words = "<table><tr><td>{}<br>&nbsp;é</table>", f"held-{'0' * 32}"
    outputs = [{"output_type": "display_data", "data": {"text/html": html}, "metadata": {}} for html in map(table.format, "ab")]
    outputs.append({"output_type": "display_data", "data": {"text/html": f"<p>{words}</p>"}, "metadata": {}})
    node = small_report.nbformat.v4.new_notebook()
    node.cells = [small_report.nbformat.v4.new_markdown_cell(text) for text in ("# Title\n\nIs it good?", "## Method")]
    for at, shown in ((1, outputs[:1]), (3, outputs[1:])):
        node.cells.insert(at, small_report.nbformat.v4.new_code_cell("1", outputs=[small_report.nbformat.from_dict(one) for one in shown]))
    found = cells.parts(node, "en")
    assert table.format("a") in found.answer
    assert table.format("b") in found.content
    assert found.content.count("<table>") == 1
    assert f"<p>{words}</p>" in found.content
    assert not set(re.findall("held-[0-9a-f]+", found.answer + found.content)) - {words}


def test_findings_come_first_red_ones_and_amber_ones_as_banners(report: Path) -> None:
    for name, banner, box in (("02_bad", "banner", ["Good It is fine"]), ("03_doubt", "banner doubt", ["Good It is fine"])):
        soup = page(report, name)
        order = [part for part in soup.main.find_all(["h1", "section", "article"]) if part.name != "section" or part.get("class")]
        assert [" ".join(part.get("class", [part.name])) for part in order[:4]] == ["h1", banner, "box", "article"]
        assert soup.select_one(".banner li").text == "Look at <7>"
        assert [finding.text for finding in soup.select(".box .finding")] == box
        assert len(soup.select("ul.findings")) == 1  # the notebook's own display of them is dropped
    assert page(report, "02_bad", "ja").select_one(".banner li").text == "<7>を見よ"
    soup = page(report, "01_note")
    assert not soup.select(".banner")
    assert [finding.text for finding in soup.select(".box .finding")] == ["Good It is fine", "Note Look at <7>"]


def test_progress_lines_and_parameter_cells_are_no_part_of_a_page(report: Path) -> None:
    soup = page(report, "01_note")
    assert "Parameters that this run was made with" in soup.text
    assert not any("half way" in text for text in soup.find_all(string=True) if not text.find_parent(class_="source"))
    sources = [source.text for source in soup.select(".source")]
    assert any("secret_code" in source for source in sources)
    assert not any(re.search(r'^profile = "', source.strip()) for source in sources)


def test_a_failed_notebook_has_a_page_that_says_so(report: Path) -> None:
    soup = page(report, "04_fails")
    assert soup.select_one(".banner li").text == "failed in cell 4 (1 / 0): ZeroDivisionError: division by zero"
    assert "セル4" in page(report, "04_fails", "ja").select_one(".banner li").text
    assert (soup.h1.text, soup.select_one(".lede").text.strip()) == ("04 Title of 04_fails", "Is it good?")
    assert not soup.select("article .cell")
    assert not (small_report.pages(report) / "en" / "05_later.html").exists()


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
    assert [(link["rel"], link["href"]) for link in turn] == [(["prev"], "01_note.html"), (["next"], "03_doubt.html")]


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


def test_the_index_holds_the_candidates_what_is_wrong_and_what_is_missing(report: Path) -> None:
    soup = page(report, "index")
    table, unmeasured = soup.select("#headline ~ .table, #headline ~ details .table")
    rows = [[cell.text for cell in row.select("td")] for row in table.select("tbody tr")]
    wilson, rate = stats.wilson(975, 1000), stats.rate([31.9, 32.0, 32.1, 32.0], 32)
    assert rows[0][:3] == ["TensorFlow SavedModel FP32", "97.50", f"[{100 * wilson.low:.2f}, {100 * wilson.high:.2f}]"]
    assert rows[0][3:5] == [f"{rate.value:,.0f}", f"[{rate.low:,.0f}, {rate.high:,.0f}]"]
    assert "batch size 32" in table.caption.text
    assert [row[0] for row in rows] == ["TensorFlow SavedModel FP32", "ONNX Runtime (CPU) FP32"]
    assert [cell.text for cell in unmeasured.select("td")] == ["TensorRT FP16", "<TRT> is not installed"]
    problems, doubts = ([item.text for item in soup.select(f"{banner} li")] for banner in (".banner:not(.doubt)", ".banner.doubt"))
    assert problems[0] == "02_bad Look at <7>"
    assert problems[1].startswith("04_fails failed in cell 4")
    assert doubts == ["03_doubt Look at <7>"]
    lines = [line.text.split(" Title of ") for line in soup.select(".stages li")]
    assert lines == [
        ["01", "01_note"],
        ["02", "02_bad 1 problem"],
        ["03", "03_doubt 1 doubt"],
        ["04", "04_fails failed"],
        ["05", "05_later not run"],
    ]
    assert [link["href"][:2] for link in soup.select(".stages a")] == ["01", "02", "03", "04"]
    assert not soup.select(".finding")
    assert len(soup.select(".charts img[alt]")) == 2
    assert "TensorFlow SavedModel FP32 97.50 %" in soup.select(".charts img")[0]["alt"]
    environment = {row.th.text: row.td.text for row in soup.select("#environment ~ details .table:has(caption:-soup-contains(system)) tr")}
    (stage, *_), *_ = (small_report.lines(path) for path in sorted((report / "results").glob("*/*.jsonl")))
    assert environment["Processor"] == (cpu := stage["stage"]["system"]["cpu"])
    assert soup.select_one("#environment ~ p").text.startswith(f"{cpu}, ")
    assert environment["INT8 of ONNX Runtime (CPU)"] == "precise"


def test_an_overview_of_a_disturbed_run_marks_no_best(report: Path, moved: Path) -> None:
    assert page(report, "index").select(".best") == []
    assert "none is marked" in page(report, "index").select_one("#headline ~ .table caption").text
    (doubt,) = moved.glob("results/*/03_doubt.jsonl")
    doubt.unlink()
    again(moved)
    soup = page(moved, "index")
    assert [cell.text for cell in soup.select("#headline ~ .table .best")] == ["2,000", "16.00"]
    assert "none is marked" not in soup.text


def test_pages_are_the_same_bytes_when_rendered_again_elsewhere(report: Path, moved: Path) -> None:
    shutil.rmtree(moved / "html")
    outcome = again(moved)
    assert outcome.index == moved / "html" / "index.html"
    assert outcome.findings == {"good": 3, "note": 1, "bad": 1, "warn": 1}
    names = sorted(path.relative_to(moved / "html") for path in (moved / "html").rglob("*.html"))
    assert names == sorted(path.relative_to(report / "html") for path in (report / "html").rglob("*.html"))
    for name in names:
        assert (moved / "html" / name).read_bytes() == (report / "html" / name).read_bytes(), name


def test_what_a_page_says_follows_its_records_and_today_s_words(moved: Path) -> None:
    (path,) = moved.glob("results/*/02_bad.jsonl")
    path.write_text(path.read_text().replace('"value": 7', '"value": 8'))
    stage_file.reseal(path)
    small_report.full(moved.parent.parent / "notebooks", "02_bad", "bad")
    notebook = moved.parent.parent / "notebooks" / "02_bad.ipynb"
    notebook.write_text(notebook.read_text().replace("More words.", "Other words."))
    again(moved)
    soup = page(moved, "02_bad")
    assert soup.select_one(".banner li").text == "Look at <8>"
    assert "Other words." in soup.text


def test_a_page_from_an_earlier_run_says_so(moved: Path) -> None:
    (path,) = moved.glob("results/*/01_note.jsonl")
    old = stage_file.read(path)
    stage_file.write(path, replace(old.stage, run_id="before", started_at="2020-01-01T00:00:00+00:00"), old.records, {})
    again(moved)
    assert page(moved, "index").select_one(".stages li").text.endswith("earlier run, 2020-01-01 00:00 UTC")


def test_after_a_failure_the_earlier_records_are_shown_and_dated(moved: Path) -> None:
    (path,) = moved.glob("results/*/01_note.jsonl")
    failed.write(path.parent, Failure("01_note", 3, "x", "E"), "2026-11-20T10:00:00+00:00", "later")
    again(moved)
    soup = page(moved, "01_note")
    assert "failed in cell 3 (x): E; what is shown was measured earlier, 20" in soup.select_one(".banner li").text
    assert "Some words." in soup.text
    assert soup.select(".box .finding")
    path.with_name("01_note.failed.json").write_text("{}")
    with pytest.raises(ReportError, match=r"01_note\.failed\.json: does not say how"):
        again(moved)


def test_a_notebook_that_cannot_show_its_records_keeps_no_other_from_being_shown(moved: Path) -> None:
    notebook = moved.parent.parent / "notebooks" / "02_bad.ipynb"
    notebook.write_text(notebook.read_text().replace("secret_code = 1", "1 / 0"))
    shutil.rmtree(moved / "html")
    with pytest.raises(ReportError, match=r"02_bad: cell 12 .*ZeroDivisionError: division by zero; all other pages are in"):
        again(moved)
    lines = [line.text for line in page(moved, "02_bad").select(".banner li")]
    assert lines[0].startswith("the records cannot be shown by this version: 02_bad: cell 12")
    assert lines[1] == "Look at <7>"
    assert "Some words." in page(moved, "01_note").text
    assert "02_bad the records cannot be shown" in page(moved, "index").select_one(".banner").text


def test_rules_that_fail_keep_no_page_from_being_shown(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(run: object) -> None:
        raise KeyError("of another version")

    monkeypatch.setattr("lib.pages.doubt.rules.findings", fails)
    with pytest.raises(ReportError, match="03_doubt: KeyError: 'of another version'"):
        again(moved)
    assert "cannot be shown" in page(moved, "03_doubt").select_one(".banner li").text


def test_the_run_of_another_system_is_rendered_when_asked_for(moved: Path) -> None:
    (here,) = (moved / "results").glob("*")
    other = moved / "results" / "older-system"
    shutil.copytree(here, other)
    for path in other.glob("*.failed.json"):
        path.unlink()
    for path in other.glob("*.jsonl"):
        old = stage_file.read(path)
        stage_file.write(path, replace(old.stage, started_at="2020-01-01T00:00:00+00:00", system_id=other.name), old.records, {})
    again(moved)
    assert "older-system" not in page(moved, "01_note", system=here.name).text  # the last run's, if none is named
    before = {path: path.read_bytes() for path in small_report.pages(moved, here.name).rglob("*.html")}
    again(moved, "older-system")
    assert before == {path: path.read_bytes() for path in small_report.pages(moved, here.name).rglob("*.html")}  # nothing is overwritten
    assert "2020-01-01" in page(moved, "01_note", system="older-system").text
    index = BeautifulSoup((moved / "html" / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert [heading.text for heading in index.select("h2")] == sorted([here.name, "older-system"])
    ways = [f"{system}/{language}/index.html" for system in sorted([here.name, "older-system"]) for language in ("en", "ja")]
    assert [link["href"] for link in index.select("a")] == ways
    for name in ("01_note", "index"):  # to measure again here would make the page of this system
        footer = page(moved, name, system="older-system").footer.text
        assert "make render PROFILE=quickstart SYSTEM=older-system" in footer
        assert "make report" not in footer
    with pytest.raises(ReportError, match=f"nothing recorded on 'no-system'; there are: {here.name}, older-system"):
        again(moved, "no-system")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It failed. Look there.", "01_one: It failed."),
        ("It failed. Why: no room\nis left (e.g. none). Look there.", "01_one: It failed. Why: no room is left (e.g. none)."),
    ],
)
def test_a_problem_is_told_with_its_reason(text: str, said: str) -> None:
    stage = SimpleNamespace(notebook=SimpleNamespace(stage="01_one"), findings=[])
    stage.findings += [Finding(level, "any", {}, Text(text, "")) for level in ("bad", "warn", "note")]
    assert list(render._problems(SimpleNamespace(stages=[stage]))) == [said]  # type: ignore[arg-type]


def test_rendering_says_how_far_it_is_in_a_terminal_and_one_line_in_a_log(
    moved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(progress.LINES, raising=False)  # a headless run before it in this process has set it
    outcome = again(moved)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"quickstart: pages from records: 3/3, \d+ s\n", err)
    assert outcome.problems == ("02_bad: Look at <7>",)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    again(moved)
    out, err = capsys.readouterr()
    assert out == ""
    assert "quickstart: pages from records:   0%" in err
    assert "from records: 100%" in err


def test_nothing_recorded_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT_OUTPUTS", str(tmp_path))
    with pytest.raises(ReportError, match="nothing recorded yet; run it first: make report PROFILE=quickstart"):
        render.render("quickstart")


def test_broken_records_are_named(moved: Path) -> None:
    (records,) = (moved / "results").glob("*/01_note.jsonl")
    records.write_text(records.read_text().replace("0.975", "0.875"))
    with pytest.raises(ReportError, match=r"01_note\.jsonl:2: altered since it was recorded"):
        again(moved)


def test_all_pages_together_are_small(report: Path) -> None:
    assert sum(path.stat().st_size for path in (report / "html").rglob("*")) < 1_000_000


def latency(candidate: Candidate, ms: float, batch_size: int = 32, **more: object) -> Record:
    samples = [ms * scale for scale in (0.999, 1.0, 1.001, 1.0)]
    return Record("latency", "ms", ms, candidate, batch_size, **{"scope": "end_to_end", "samples": samples} | more)  # type: ignore[arg-type]


def test_a_number_of_the_headline_is_the_one_that_the_run_holds(tmp_path: Path) -> None:
    correct = {"correct": 1, "total": 4}
    first = [
        Record("accuracy", "share", 0.25, ONNX, stats=correct),
        Record("accuracy", "share", 0.5, ONNX, case={"method": "entropy"}, stats={"correct": 2, "total": 4}),
        Record("file_size", "bytes", 2e6, ONNX),
        latency(ONNX, 10.0, 1),
        latency(ONNX, 20.0),
        latency(ONNX, 5.0, scope="gpu_compute"),
        latency(Candidate("onnxrt", "fp32", Way(graph=True)), 1.0),
        latency(Candidate("null", "fp32"), 0.1),
        Record("file_size", "bytes", None, TENSORRT, reason=Reason("no_gpu")),
    ]
    small_report.recorded(tmp_path, "06_x", first)
    second = [Record("accuracy", "share", 0.75, ONNX, stats={"correct": 3, "total": 4})]
    found = small_report.recorded(tmp_path, "07_y", second, started_at="2026-11-21T10:00:00+00:00", run_id="later").newest()
    onnx, tensorrt = headline.table(found).rows
    assert (onnx["candidate"], tensorrt["candidate"]) == (ONNX, TENSORRT)
    assert onnx["accuracy"].value == 75
    assert (onnx["size"], onnx["latency"], onnx["gpu_compute"], onnx["load"]) == (2.0, 20.0, 5.0, None)
    assert onnx["throughput"].value == pytest.approx(1600)
    assert tensorrt["size"] == Reason("no_gpu")
    assert headline.GPU in headline.table(found).columns
    assert headline.table(small_report.recorded(tmp_path / "empty", "01_x", [])).rows == []


def test_the_batch_size_is_that_of_the_recorded_profile(tmp_path: Path) -> None:
    profile = config.load("quickstart").model_dump()
    profile["precision"] = {"batch_size": 8}
    shown = headline.table(small_report.recorded(tmp_path, "06_x", [latency(ONNX, 2.0, 8), latency(ONNX, 20.0, 32)], profile=profile))
    assert shown.rows[0]["latency"] == 2.0
    assert "batch size 8" in shown.caption.en


def test_the_best_is_marked_only_among_what_one_page_timed(tmp_path: Path) -> None:
    fast, slow = latency(ONNX, 10.0), latency(SAVED_MODEL_REFERENCE, 20.0)
    marked = headline.table(small_report.recorded(tmp_path / "a", "06_x", [fast, slow])).rows
    assert [row.get("best", set()) for row in marked] == [set(), {"latency", "throughput"}]
    assert all(not row.get("best") for row in headline.table(small_report.recorded(tmp_path / "a", "06_x", [fast, slow]), True).rows)
    small_report.recorded(tmp_path / "b", "06_x", [fast])
    apart = headline.table(small_report.recorded(tmp_path / "b", "07_y", [slow])).rows
    assert all(not row.get("best") for row in apart)


def test_what_was_timed_in_one_block_has_no_interval_and_no_best(tmp_path: Path) -> None:
    records = [latency(ONNX, 10.0, stats={"rounds": "windows"}), latency(SAVED_MODEL_REFERENCE, 20.0, stats={"rounds": "windows"})]
    rows = headline.table(small_report.recorded(tmp_path, "06_x", records)).rows
    assert [row["throughput"] for row in rows] == pytest.approx([1600, 3200])
    assert all(not row.get("best") for row in rows)


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
