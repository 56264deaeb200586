"""Tables that sort and figures that zoom, in pages and in JupyterLab: interactive.js."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def script() -> str:
    """The script itself, for the inside of a <script>."""
    return Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def bring() -> None:
    """Bring it into the front end that shows this notebook, if that runs scripts."""
    from IPython.display import HTML, display

    display(HTML(f"<script>{script()}</script>"))
