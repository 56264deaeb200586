"""How numbers are written, one form a quantity on every page: unit, decimals, interval."""

from __future__ import annotations

from lib.show.table import Column
from lib.words import COMMON, Words

# (unit, decimals, and how else a Column writes it) -> keys of columns; a key that stands nowhere is a column of words.
FORMS: dict[tuple[str, int, str], str] = {
    ("", 0, ""): "differ correct only_reference only_candidate index images test_images layers nodes opset parameters calls records",
    ("", 0, "scientific"): "limit",
    ("", 1, "scientific"): "max_abs mean_abs relative batch_difference",
    ("", 3, ""): "p",
    ("", 6, ""): "cosine",
    ("%", 1, ""): "share share_longest chance min_agreement",
    ("%", 2, ""): "same",
    ("%", 2, "interval"): "accuracy agreement changed",
    ("pp", 2, "interval"): "difference",
    ("×", 2, ""): "roundings",
    ("×", 2, "interval"): "ratio gain",
    ("×", 3, ""): "size_ratio sum_ratio",
    ("MB", 2, ""): "size weights",
    ("kB", 1, ""): "bytes",
    ("s", 1, ""): "seconds",
    ("s", 2, ""): "calibration_time",
    ("s", 2, "interval"): "build",
    ("ms", 1, "interval"): "load",
    ("ms", 2, ""): "latency",
    ("ms", 3, ""): "gpu_compute latency_smallest",
    ("µs", 1, ""): "sum",
    ("µs", 1, "interval"): "time",
    ("images/s", 0, "interval"): "throughput",
}


def columns(words: Words, keys: str) -> list[Column]:
    """The columns of these keys, a space between them; labels: `columns` of a page's words, else of those of all pages.

    Raises KeyError for a key that neither has.
    """
    forms = {key: form for form, those in FORMS.items() for key in those.split()}
    made = []
    for key in keys.split():
        label = (words if key in words.groups.get("columns", {}) else COMMON)(f"columns.{key}")
        unit, digits, how = forms.get(key, ("", None, ""))
        made.append(Column(key, label, unit, digits, interval=how == "interval", scientific=how == "scientific"))
    return made
