"""Small notebooks and pages that look like the real ones, for the tests of lib/report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat

import lib.pages
from lib.experiment import profile as profiles
from lib.store import stage_file
from lib.store.records import Record
from lib.store.run import Run

START = """import lib.pages
lib.pages.__path__.append({pages!r})
from lib.pages import page
from lib.store.records import Reason, Record
from lib.experiment.candidate import Candidate"""
# The images are not what these tests are about: reading them would cost seconds.
NO_IMAGES = """class Images:
    label, class_names = "digits", ["0", "1"]
def measure(session):
    session.__dict__["images"] = Images()
    session.record(*records)"""
MEASURE = "run = page.start(profile, {stage!r}).measure(measure)"
NONE = "records = []"
TABLE = """rows = [{"name": Text("one", "一"), "value": 0.25}, {"name": Text("two", "二"), "value": Reason("no_gpu")}]
columns = [show.Column("name", Text("Name", "名前")), show.Column("value", Text("Latency", "レイテンシ"), "ms", 2)]
show.table(show.Table(rows, columns, Text("A table", "表の説明")))"""
FIGURE = """from lib.show import table as show
from lib.text import Text
def draw(language):
    from lib.show.figure import style, subplots
    with style(language):
        figure, axes = subplots()
        axes.plot([1, 2])
    return figure
show.figure(show.Figure(draw, Text("A line that rises", "右上がりの線"), Text("Caption", "図の説明")))"""
RECORDS = """plain, onnx = Candidate("savedmodel", "fp32"), Candidate("onnxrt", "fp32")
common = {{"batch_size": 32, "scope": "end_to_end"}}
records = [
    Record("accuracy", "share", 0.975, plain, stats={{"correct": 975, "total": 1000}}),
    Record("latency", "ms", 32.0, plain, **common, samples=[31.9, 32.0, 32.1, 32.0]),
    Record("latency", "ms", 16.0, onnx, **common, stats={{"p50": 16.0, "mode": "precise"}}, samples=[15.9, 16.0, 16.1, 16.0]),
    Record("accuracy", "share", None, Candidate("tensorrt", "fp16"), reason=Reason("not_installed", {{"package": "<TRT>"}})),
    Record("look", "count", 7, stats={{"level": {level!r}}})]"""
FINDINGS = """from importlib import import_module
show.findings(import_module("lib.pages.{name}.rules").findings(run))"""

RULES = '''"""Rules of a small page."""
from lib.words import Words
W = Words(__file__)
def findings(run):
    (found,) = run.records("look")
    return [W.finding("good", "fine"), W.finding(found.stats["level"], "look", count=found.value)]
'''
WORDS = """findings:
  fine: {en: It is fine, ja: 問題ない}
  look: {en: "Look at <{count}>", ja: "<{count}>を見よ"}
"""
LONG_EN = "A line of a paragraph that goes on and on must still be short enough for the eye to find the next one. " * 4
LONG_JA = "段落がどれだけ長く続いても、次の行の頭が目で見つかる長さで折り返さなければならない。" * 6


def code(source: str, *tags: str) -> Any:
    """A code cell."""
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})


def pair(en: str, ja: str) -> list[Any]:
    """A markdown cell in English and its Japanese pair."""
    return [nbformat.v4.new_markdown_cell(text, metadata={"tags": [f"lang-{language}"]}) for language, text in (("en", en), ("ja", ja))]


def write(folder: Path, stage: str, *cells: Any, records: str = NONE) -> Path:
    """A notebook NN_name.ipynb that begins as all do, measures `records` (the source of a list), then runs `cells`. It has no page."""
    first = [
        *pair(f"# {stage[:2]} Title of {stage}\n\nIs it *good*?", f"# {stage[:2]} {stage} の題\n\n*よい*か。"),
        code('profile = "quickstart"', "parameters"),
        code(START.format(pages=str(folder.parent / "pages"))),
        code(NO_IMAGES),
        code(records),
        code(MEASURE.format(stage=stage)),
    ]
    node = nbformat.v4.new_notebook(cells=[*first, *cells], metadata={"kernelspec": {"name": "python3", "display_name": "python3"}})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stage}.ipynb"
    nbformat.write(node, path)
    return path


def full(folder: Path, stage: str, level: str = "note") -> Path:
    """A notebook and a page with a figure, a table, sections, words on standard error and findings, one of them of `level`."""
    page(folder.parent / "pages", stage[3:])
    return write(
        folder,
        stage,
        code(FIGURE),
        code(TABLE),
        *pair(f"## Method\n\nSome words. {LONG_EN}", f"## 方法\n\n説明である。{LONG_JA}"),
        code("from lib import progress\nprogress.say('half way')\nsecret_code = 1"),
        *pair("## Result\n\nMore words.", "## 結果\n\nさらに説明する。"),
        code(FINDINGS.format(name=stage[3:]), "findings"),
        records=RECORDS.format(level=level),
    )


def page(pages: Path, name: str) -> None:
    """A page `lib.pages.NAME` below another folder; its rules are those of every small page."""
    (pages / name).mkdir(parents=True, exist_ok=True)
    for file, text in (("__init__.py", '"""A small page."""\n'), ("rules.py", RULES), ("words.yaml", WORDS)):
        (pages / name / file).write_text(text, encoding="utf-8")
    if str(pages) not in lib.pages.__path__:
        lib.pages.__path__.append(str(pages))


def recorded(results: Path, stage: str, found: list[Record], **info: Any) -> Run:
    """results/SYSTEM in which a stage has recorded `found`, without any notebook. info: fields of Stage that are not as usual."""
    system = {
        "cpu": "A CPU",
        "cores": 2,
        "memory_gib": 8,
        "gpus": [],
        "os": "Linux",
        "python": "3.11",
        "libraries": {"onnxruntime": "1.31"},
    }
    values: dict[str, Any] = {"run_id": "run", "system": system, "dataset": "digits", "class_names": ["0", "1"], "seconds": 1.0}
    values |= {"profile": profiles.load("quickstart").model_dump(), "started_at": "2026-11-20T10:00:00+00:00"}
    made = stage_file.Stage(stage=stage, system_id=results.name, **values)
    stage_file.write(results / f"{stage}.jsonl", replace(made, **info), found, {})
    return Run.open(results, stage)


def pages(outputs: Path, system: str = "") -> Path:
    """html/SYSTEM below outputs/PROFILE: of the system named, else of the only one that has pages."""
    (found,) = [path.parent for path in (outputs / "html").glob(f"{system or '*'}/index.html")]
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a stage's file but for its seal, as JSON values."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:-1]]
