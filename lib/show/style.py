"""Matplotlib's settings of the report: its fonts, sizes and axes, whatever the user's own settings are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lib.text import Language

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
    """Matplotlib's defaults and `STYLE`, whatever a matplotlibrc asks for; Japanese text uses the font that matplotlib-fontja carries.

    Wrap drawing and saving: fonts are taken when a text is made, others when a figure is saved.
    """
    import matplotlib.style

    with matplotlib.style.context(["default", STYLE]):
        if language == "ja":
            import matplotlib_fontja  # noqa: F401  registers the font, and sets it for every figure: undone with the context

            matplotlib.rcParams["font.family"] = "IPAexGothic"
        yield
