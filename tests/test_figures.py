"""Every figure of every notebook in both languages: each character in the font, no label on another, the same marks."""

from __future__ import annotations

import ast
import importlib
import io
import itertools
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import nbformat
import numpy as np
import pytest
from records import made_run

from lib import session
from lib.experiment import profile as config
from lib.pages import page
from lib.report import headline, index, notebooks
from lib.session import Session
from lib.show import figure as base
from lib.show import table as show
from lib.show.table import style
from lib.store.run import Run
from lib.text import LANGUAGES, Text

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
NAMES_ONLY = ("samples",)  # figures that say nothing but names of classes
RECORDED = sorted(path for path in (config.ROOT / "outputs").glob("*/results/*") if path.is_dir())
INDEX = "overview"


def calls() -> list[tuple[str, str, tuple]]:
    """(stage, function, what it is given beside the run) of every figure that a notebook shows."""
    found = []
    for path in sorted((config.ROOT / "notebooks").glob("*.ipynb")):
        cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
        for node in itertools.chain.from_iterable(ast.walk(ast.parse(cell)) for cell in cells):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("figures."):
                found.append((path.stem, node.func.attr, tuple(map(ast.literal_eval, node.args[1:]))))
    return found


CALLS = calls()


def figures_of(run: Run) -> dict[str, show.Figure]:
    """All figures of a run, the overview's among them; each by a name."""
    made = {f"{INDEX} {k}": each for k, each in enumerate(index.charts(headline.table(run.newest()).rows))}
    for stage, name, given in CALLS:
        figures = importlib.import_module(f"lib.pages.{stage[3:]}.figures")
        if stage in run.files:
            made[" ".join((stage, name, *given))] = getattr(figures, name)(run.of(stage), *given)
    return made


@pytest.fixture(scope="module")
def measured(quick: Session, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """results/SYSTEM in which every page has been measured on the tiny model, here and now."""
    place = tmp_path_factory.mktemp("measured")
    shutil.copytree(quick.store.root, place / quick.profile.name / "artifacts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(session.OUTPUTS, str(place))
        patch.setenv(session.RUN_ID, "figures")
        patch.delenv(page.REPLAY, raising=False)
        for stage in [notebook.stage for notebook in notebooks.fitting(notebooks.find(), quick.profile.model_dump())]:
            opened = Session(quick.profile, stage)
            importlib.import_module(f"lib.pages.{stage[3:]}.measure").measure(opened)
            folder = opened.save().folder
    return folder


@pytest.fixture(scope="module", params=["measured", "nothing", *RECORDED], ids=lambda one: one if isinstance(one, str) else one.name)
def figures(request: pytest.FixtureRequest) -> dict[str, show.Figure]:
    """The figures of one run: measured here and now, of pages that recorded nothing, or recorded in the project."""
    if request.param == "nothing":
        return figures_of(made_run("01_train", others={stage: [] for stage, *_ in CALLS}))
    return figures_of(Run.open(request.getfixturevalue("measured") if request.param == "measured" else request.param))


class Drawn(NamedTuple):
    """What is on a figure: words: all texts; covered: those that lie on another; marks: lines, bars and images."""

    words: str
    covered: list[tuple[str, str]]
    marks: list


def drawn(shown: show.Figure, language: str) -> Drawn:
    """Draw it; what matplotlib warns of (a missing glyph, a layout that collapses) is an error."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with warnings.catch_warnings(), style(language):
        warnings.simplefilter("error")
        figure = shown.draw(language)
        canvas = FigureCanvasAgg(figure)
        renderer, said = canvas.get_renderer(), []
        draw_text = renderer.draw_text
        renderer.draw_text = lambda gc, x, y, text, *more, **how: (said.append(text), draw_text(gc, x, y, text, *more, **how))
        figure.draw(renderer)
        return Drawn(" ".join(said), covered(figure, renderer), marks(figure))


def covered(figure, renderer) -> list[tuple[str, str]]:
    """Tick labels of one axis, and titles and labels of all axes, that lie on each other. Slanted ones are not looked at."""
    groups = [axis.get_ticklabels() for ax in figure.axes if ax.axison for axis in (ax.xaxis, ax.yaxis)]
    groups.append([ax.title for ax in figure.axes] + [axis.label for ax in figure.axes if ax.axison for axis in (ax.xaxis, ax.yaxis)])
    found = []
    for texts in groups:
        upright = [text for text in texts if text.get_text().strip() and text.get_visible() and text.get_rotation() % 90 == 0]
        # A box is as high as its font's tallest letters: by a tenth two may touch without a letter on another.
        boxes = [(text.get_text(), text.get_window_extent(renderer).shrunk(0.95, 0.9)) for text in upright]
        found += [(one, other) for (one, first), (other, second) in itertools.combinations(boxes, 2) if first.overlaps(second)]
    return found


def marks(figure) -> list:
    """All that is drawn of numbers, in the order of drawing."""
    lines = [np.asarray(line.get_xydata(), float).tolist() for ax in figure.axes for line in ax.lines]
    bars = [bar.get_bbox().extents.tolist() for ax in figure.axes for bar in ax.patches]
    return [lines, bars, [np.asarray(image.get_array(), float).tolist() for ax in figure.axes for image in ax.images]]


def test_every_notebook_but_none_by_accident_has_figures():
    assert len({stage for stage, *_ in CALLS}) == len(list((config.ROOT / "notebooks").glob("*.ipynb")))


@pytest.mark.timeout(600)
def test_drawn_in_both_languages_with_every_glyph_and_no_label_on_another(figures):
    wrong = {}
    for name, shown in figures.items():
        english, japanese = (drawn(shown, language) for language in LANGUAGES)
        assert repr(english.marks) == repr(japanese.marks), name
        assert not JAPANESE.search(english.words), name
        assert english.words, f"{name} is blank"
        if name.split()[1] not in NAMES_ONLY:
            assert JAPANESE.search(japanese.words), name
        if found := english.covered + japanese.covered:
            wrong[name] = found
    assert wrong == {}


def test_each_says_in_words_what_it_shows(figures):
    for name, shown in figures.items():
        assert len(shown.alt.en) > 20, name
        assert JAPANESE.search(shown.alt.ja), name


def test_labels_that_lie_on_each_other_are_found():
    def draw(language):
        figure, ax = base.subplots()
        ax.set_xlim(0, 1)
        ax.set_xticks([0.1, 0.50, 0.51], ["apart", "a long label", "another"])
        return figure

    assert drawn(show.Figure(draw, Text("", "")), "en").covered == [("a long label", "another")]


HOSTILE = """
axes.facecolor: black
axes.grid.axis: x
axes.prop_cycle: cycler('color', ['white'])
axes.unicode_minus: True
figure.dpi: 30
figure.edgecolor: red
font.size: 30
lines.linewidth: 9
patch.force_edgecolor: True
path.sketch: 5, 100, 2
savefig.facecolor: blue
savefig.pad_inches: 3
savefig.transparent: True
text.usetex: True
xtick.labelsize: 4
"""
DRAW = """
from lib.show import figure, table
from lib.text import Text
def draw(language):
    with figure.style(language):
        made, ax = figure.subplots()
        ax.plot([-1, 0, 1])
        ax.bar([0, 1], [-1, 1])
        ax.set_title(Text("time", "時間").in_(language))
    return made
shown = table.Figure(draw, Text("a line", "線"))
print(*(table.figure_html(shown, language) for language in ("en", "ja")))
"""


def test_the_users_matplotlibrc_changes_no_figure(tmp_path):
    said = []
    for name, settings in (("plain", ""), ("hostile", HOSTILE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "matplotlibrc").write_text(settings)
        environment = os.environ | {"MATPLOTLIBRC": str(tmp_path / name / "matplotlibrc"), "PYTHONPATH": str(config.ROOT)}
        said.append(subprocess.run([sys.executable, "-c", DRAW], env=environment, capture_output=True, text=True, timeout=120))
    assert [done.returncode for done in said] == [0, 0], said[1].stderr
    assert said[0].stdout == said[1].stdout


def test_style_does_not_leak():
    import matplotlib

    before = matplotlib.rcParams["font.family"], matplotlib.rcParams["axes.grid"]
    with style("ja"):
        assert matplotlib.rcParams["font.family"][0] == "IPAexGothic"
    with style("en"):
        assert matplotlib.rcParams["font.family"][0] == "DejaVu Sans"
    assert (matplotlib.rcParams["font.family"], matplotlib.rcParams["axes.grid"]) == before


def test_colours_are_told_apart():
    assert len(set(base.COLOURS)) == len(base.COLOURS)


def test_a_figure_is_cut_out_as_matplotlib_would() -> None:
    """Laid out once (table._laid_out), it is to the pixel what savefig(bbox_inches="tight") draws."""

    from matplotlib.colors import Normalize
    from PIL import Image, ImageChops

    def draw():
        figure, (left, right) = base.subplots(1, 2)
        left.barh(["a name that is long", "b"], [1, 2])
        base.heat(right, np.arange(4.0).reshape(2, 2), {(0, 1): "1e-3"}, Normalize(0, 3), "cividis_r", 6)
        right.legend([left.patches[0]], ["beside the axes"], loc="upper left", bbox_to_anchor=(1, 1))
        return figure

    with style("en"):
        expected = io.BytesIO()
        draw().savefig(expected, format="png", dpi=show.DPI, bbox_inches="tight")
        found = show._png(draw())
    pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in (expected.getvalue(), found)]
    assert pictures[0].size == pictures[1].size
    assert max(largest for _, largest in ImageChops.difference(*pictures).getextrema()) <= show.INVISIBLE
