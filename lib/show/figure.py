"""What every plot shares: fonts for both languages, sizes, axes, colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lib.text import Language

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN, HEIGHT_IN = 7.2, 3.6
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")  # Okabe & Ito (2008)
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.facecolor": "white",
    "axes.unicode_minus": False,
}


@contextmanager
def style(language: Language) -> Iterator[None]:
    """Matplotlib's settings of the report; Japanese text uses the font that matplotlib-fontja carries.

    Wrap the whole drawing: fonts are taken when a text is made.
    """
    import matplotlib

    with matplotlib.rc_context(STYLE):
        if language == "ja":
            import matplotlib_fontja  # noqa: F401  registers the font, and sets it for every figure: undone with the context

            matplotlib.rcParams["font.family"] = "IPAexGothic"
        yield


def subplots(rows: int = 1, columns: int = 1, width_in: float = WIDTH_IN, height_in: float = HEIGHT_IN) -> tuple[Figure, Axes]:
    """A figure that no pyplot state keeps alive, and its axes (as matplotlib.figure.Figure.subplots gives them)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    return figure, figure.subplots(rows, columns)


def merged(sequences: Iterable[Iterable[str]]) -> list[str]:
    """The names of all sequences, each once; what only a later one has stands behind the name that it follows there."""
    order: list[str] = []
    for names in sequences:
        place = 0
        for name in names:
            if name not in order:
                order.insert(place, name)
            place = order.index(name) + 1
    return order
