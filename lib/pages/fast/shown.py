"""How the tables of notebook 10 write their columns, and the cells that several of them share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lib.experiment.candidate import Candidate
from lib.pages.fast import work
from lib.pages.fast.arms import Arm, Fast, W, runner_label, way_label
from lib.pages.fast.ratios import Ratio
from lib.show.table import Column
from lib.text import LANGUAGES, Text

Row = dict[str, Any]
MEGA = 1e-6
INTERVAL = True
# Column -> (unit, decimals, whether its interval stands beside it); one that is not here is of words.
FORMS: dict[str, tuple[str, int, bool]] = {
    **dict.fromkeys(("batch_size", "images", "asked", "faster", "slower", "same", "undecided"), ("", 0, False)),
    **dict.fromkeys(("rate", "rival_rate", "base_rate", "other_rate", "newer_rate", "wanted", "served"), ("images/s", 0, False)),
    "throughput": ("images/s", 0, INTERVAL),
    "time": ("ms", 3, INTERVAL),
    "ratio": ("×", 2, INTERVAL),
    **dict.fromkeys(("python_cpp", "pair_ratio", "least", "most"), ("×", 3, INTERVAL)),
    "agreement": ("%", 2, False),
    "share": ("%", 1, INTERVAL),
    "over_ring": ("×", 2, False),
    **dict.fromkeys(("ring", "beyond", "taken"), ("MB", 1, False)),
    **dict.fromkeys(("whole", "starved", "launched", "waited", "collected", "rest", "alone", "decode", "copy"), ("µs", 1, False)),
    "of_lanes": ("%", 1, False),
    "share_of_ceiling": ("%", 1, False),
    "count": ("", 0, False),
    **dict.fromkeys(("compute_ms", "enqueue_ms", "graph_ms", "copies_ms"), ("ms", 3, False)),
    **dict.fromkeys(("fp16", "int8"), ("TFLOP/s", 0, INTERVAL)),
    **dict.fromkeys(("within", "to_gpu", "from_gpu"), ("GB/s", 0, INTERVAL)),
    **dict.fromkeys(("took", "lost"), ("µs", 1, False)),
    **dict.fromkeys(("p90", "p99"), ("ms", 2, False)),
    "seconds": ("s", 1, False),
}
WORDS = ("goal", "what", "precision", "called", "version", "answers", "verdict", "rival", "rival_precision", "source", "held_back")
WORDS += ("python_is", "newer_is", "held_graph", "held_by", "pair", "outcome", "remedy", "sizes", "layer", "scenario", "setting", "value")


def shown(found: Fast, *keys: str) -> list[Column]:
    """Columns of these keys, but for that of the TensorRT where there are not several."""
    made = []
    for key in keys:
        assert key in FORMS or key in WORDS, key
        unit, digits, interval = FORMS.get(key, ("", None, False))
        if key != "version" or len(found.versions) > 1:
            made.append(Column(key, W(f"columns.{key}"), unit, digits, interval))
    return made


def called(candidate: Candidate | None) -> Row:
    """The cells that say what runs: runner and way, with the precision beside them or among them."""
    if candidate is None:
        return {}
    parts = {"precision": candidate.precision_label, "runner": runner_label(candidate), "way": way_label(candidate)}
    return {"precision": candidate.precision_label, "called": label(candidate), "what": W("labels.arm", **parts)}


def label(candidate: Candidate) -> Text:
    """Runner and way."""
    return W("labels.called", runner=runner_label(candidate), way=way_label(candidate))


def named(arm: Arm) -> Row:
    """The cells of an arm."""
    return called(arm.candidate) | {"batch_size": arm.batch, "version": arm.version or "–"}


def compared(one: Ratio) -> Row:
    """The cells of a comparison; a claimed gain is marked."""
    row = named(one.own) | dict.fromkeys(("ratio", "python_cpp"), one.times)
    row |= dict.fromkeys(("verdict", "python_is", "newer_is"), W(f"verdicts.{one.verdict}"))
    return row | ({"best": {"ratio", "python_cpp"}} if one.verdict == "faster" else {})


def sentences(each: Iterable[Text]) -> Text:
    """Sentences one after the other; in English each brings the space before it."""
    those = list(each)
    return Text(*("".join(one.in_(language) for one in those) for language in LANGUAGES))


def nothing(found: Fast, *metrics: str) -> Text:
    """What stands in an empty table: why these metrics have no numbers, each reason once."""
    why = [reason.text for reason in work.why_none(found, *metrics)]
    return W("captions.not_measured", why=why) if why else W("captions.nothing")


def absent(found: Fast, caption: str) -> Text:
    """What stands in place of what needs TensorRT and was not compared: the sentence `captions.CAPTION`, and why TensorRT was not timed."""
    why = [reason.text for reason in work.no_tensorrt(found)]
    return W("captions.absent", said=W(f"captions.{caption}"), why=why) if why else W(f"captions.{caption}")
