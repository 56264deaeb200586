"""A page is a folder and a notebook: added on the fly, beside a backend and a precision, all three are everywhere in the report."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import small_report
from bs4 import BeautifulSoup
from test_added import project  # noqa: F401  a copy of the project with an added backend and an added precision

TESTS = Path(__file__).resolve().parent
PAGE = {
    "__init__.py": '"""An added page."""\n',
    "measure.py": '''"""Counts the test images."""
from lib.store.records import Record

def measure(session):
    session.record(Record("images", "count", len(session.images.x_test)))
''',
    "tables.py": '''"""One table."""
from lib.pages.warmth import rules
from lib.show.table import Column, Table

def images(run):
    rows = [{"images": record.value} for record in run.records("images")]
    return Table(rows, [Column("images", rules.W("columns.images"), digits=0)], rules.W("captions.images"))
''',
    "rules.py": '''"""One finding."""
from lib.words import Words
W = Words(__file__)

def findings(run):
    return [W.finding("bad", "counted", images=record.value) for record in run.records("images")]
''',
    "words.yaml": """columns:
  images: {en: Images, ja: 画像}
captions:
  images: {en: How many images, ja: 画像の枚数}
findings:
  counted: {en: "{images} images are too few.", ja: "{images}枚では足りない。"}
""",
}
# What the other pages would have measured of the added backend at the added precision.
RECORDED = """
import sys
from pathlib import Path
import small_report
from lib.experiment import system
from lib.experiment.candidate import SAVED_MODEL_REFERENCE, Candidate
from lib import session
from lib.store.records import Record
results = session.outputs("quickstart") / "results" / system.system_id()
added = Candidate.parse("echo/fp16_loose")
rounds = [1.0, 1.01, 0.99, 1.0]
timed = [Record("latency", "ms", ms, c, size, "end_to_end", stats={"p50": ms}, samples=[ms * r for r in rounds])
         for c, ms in ((SAVED_MODEL_REFERENCE, 4.0), (added, 2.0)) for size in (1, 8, 32)]
small_report.recorded(results, "06_batching", timed)
counts = {"correct": 450, "total": 500, "largest_class": 60}
right = [Record("accuracy", "share", 0.9, SAVED_MODEL_REFERENCE, stats=counts),
         Record("accuracy", "share", 0.9, added, stats=counts | {"only_reference": 0, "only_candidate": 0})]
small_report.recorded(results, "07_precision", right)
"""


@pytest.fixture(scope="module")
def html(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """The pages of a report in which the added page was really run."""
    folder = project / "lib" / "pages" / "warmth"
    folder.mkdir()
    for name, text in PAGE.items():
        (folder / name).write_text(text, encoding="utf-8")
    source = "from lib.pages.page import start\nfrom lib.pages.warmth import measure, rules, tables\nfrom lib.show import table as show"
    cells = [
        *small_report.pair("# 11 Warmth\n\nHow *warm* is it?", "# 11 温度\n\nどれほど暖かいか。"),
        small_report.code('profile = ""', "parameters"),
        small_report.code('import sys\n\nsys.path.insert(0, "..")'),
        small_report.code(source),
        small_report.code('run = start(profile, "11_warmth").measure(measure.measure)'),
        small_report.code("show.table(tables.images(run))"),
        small_report.code("show.findings(rules.findings(run))", "findings"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), project / "notebooks" / "11_warmth.ipynb")
    outputs = tmp_path_factory.mktemp("outputs")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(project), str(TESTS)]), "REPORT_OUTPUTS": str(outputs)}
    run = ["-m", "lib", "run", "--profile", "quickstart", "--from", "11"]
    for command in (["-c", RECORDED], run):
        done = subprocess.run([sys.executable, *command], cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return small_report.pages(outputs / "quickstart")


def page(html: Path, name: str, language: str = "en") -> BeautifulSoup:
    return BeautifulSoup((html / language / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def test_the_page_has_its_table_and_its_finding_in_both_languages(html: Path) -> None:
    for language, title, caption, finding in (
        ("en", "Warmth", "How many images", "500 images are too few."),
        ("ja", "温度", "画像の枚数", "500枚では足りない。"),
    ):
        soup = page(html, "11_warmth", language)
        assert soup.h1.text == f"11 {title}"
        assert soup.select_one("article caption").text == caption
        assert soup.select_one("article td.number").text == "500"
        assert soup.select_one(".banner li").text == finding


def test_every_other_page_leads_to_it_and_the_overview_tells_what_it_found(html: Path) -> None:
    for path in (html / "en").glob("*.html"):
        assert BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one('.side a[href="11_warmth.html"]'), path
    overview = page(html, "index")
    assert "11_warmth 500 images are too few." in [line.text for line in overview.select(".banner li")]
    assert overview.select(".stages li")[-1].text.startswith("11 Warmth")


def test_the_backend_and_the_precision_are_rows_labels_and_colours_of_other_pages(html: Path) -> None:
    for language, runner, precision in (("en", "Echo", "FP16 (loose)"), ("ja", "こだま", "FP16（緩）")):
        for name in ("06_batching", "07_precision", "index"):
            rows = [[cell.text for cell in row.select("td")] for row in page(html, name, language).select("tbody tr")]
            assert any([runner, precision] == row[:2] or f"{runner} {precision}" == row[0] for row in rows), (name, language)
        assert f"{runner} {precision}" in " ".join(image["alt"] for image in page(html, "index", language).select("img"))
