"""Small notebooks that look like the real ones, for the tests of lib/report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat

START = """from lib.store import session
from lib.show import table as show
from lib.store.records import Record
from lib.text import Finding, Text
s = session.start(profile, {stage!r})"""
# The images are not what these tests are about: reading them would cost seconds.
NO_IMAGES = "class _Label:\n    label = 'digits'\ns.__dict__['images'] = _Label()"
TABLE = """show.table(
    [{"name": Text("one", "一"), "value": 0.25, "low": 0.2, "high": 0.3},
     {"name": Text("two", "二"), "value": Text("no GPU", "GPU がない")}],
    [show.Column("name", Text("Name", "名前")), show.Column("value", Text("Latency", "レイテンシ"), "ms", 2, "min", ("low", "high"))],
    Text("A table", "表の説明"))"""
FIGURE = """def draw(language):
    from lib.show.figure import style, subplots
    with style(language):
        figure, axes = subplots()
        axes.plot([1, 2])
    return figure
show.figure(draw, Text("A line that rises", "右上がりの線"), Text("Caption", "図の説明"))"""
SAVE = """records = [
    Record("accuracy", "1", 0.975, runner="savedmodel", precision="fp32", stats={{"ci_low": 0.96, "ci_high": 0.99}}),
    Record("throughput", "images/s", 1234.5, runner="savedmodel", precision="fp32", batch_size=32, scope="end_to_end"),
    Record("throughput", "images/s", 2345.6, runner="onnxrt", precision="fp32", batch_size=32, scope="end_to_end"),
    Record("accuracy", "1", None, runner="tensorrt", precision="fp16", reason=Text("no <GPU> here", "GPU がない"))]
findings = [Finding("good", Text("It is fine", "問題ない")), Finding({level!r}, Text("Look at <this>", "<これ>を見よ"))]
s.save(records, findings)
show.findings(findings)"""


LONG_EN = "A line of a paragraph that goes on and on must still be short enough for the eye to find the next one. " * 4
LONG_JA = "段落がどれだけ長く続いても、次の行の頭が目で見つかる長さで折り返さなければならない。" * 6


def code(source: str, *tags: str) -> Any:
    """A code cell."""
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})


def pair(en: str, ja: str) -> list[Any]:
    """A markdown cell in English and its Japanese pair."""
    return [nbformat.v4.new_markdown_cell(text, metadata={"tags": [f"lang-{language}"]}) for language, text in (("en", en), ("ja", ja))]


def write(folder: Path, stage: str, *cells: Any) -> Path:
    """A notebook NN_name.ipynb that begins as all do, then runs `cells`."""
    first = [
        *pair(f"# {stage[:2]} Title of {stage}\n\nIs it *good*?", f"# {stage[:2]} {stage} の題\n\n*よい*か。"),
        code('profile = "quickstart"', "parameters"),
        code(START.format(stage=stage)),
        code(NO_IMAGES),
    ]
    node = nbformat.v4.new_notebook(cells=[*first, *cells], metadata={"kernelspec": {"name": "python3", "display_name": "python3"}})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stage}.ipynb"
    nbformat.write(node, path)
    return path


def full(folder: Path, stage: str, level: str = "note") -> Path:
    """A notebook with sections, a table, a figure, words on standard error and findings, one of them of `level`."""
    return write(
        folder,
        stage,
        *pair(f"## Method\n\nSome words. {LONG_EN}", f"## 方法\n\n説明である。{LONG_JA}"),
        code("from lib import progress\nprogress.say('half way')\nsecret_code = 1"),
        code(TABLE),
        *pair("## Result\n\nMore words.", "## 結果\n\nさらに説明する。"),
        code(FIGURE),
        code(SAVE.format(level=level), "findings"),
    )
