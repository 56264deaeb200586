"""The chief comparisons of notebook 10 in one table, in place of a search through all of them: what readers of a report on TensorRT ask for
first. Every number of it stands in another table too, but what the GPU alone does, which follows from one that does."""

from __future__ import annotations

from collections.abc import Iterator

from lib.experiment.candidate import Candidate
from lib.pages.fast import piped, ratios
from lib.pages.fast.arms import CPP, TRTEXEC, Arm, Fast, W
from lib.pages.fast.ratios import Ratio
from lib.pages.fast.shown import Row, called, nothing, shown
from lib.show.table import Table
from lib.store.run import Run
from lib.text import Text

COMPILED = "compiled"  # Way.api of PyTorch where it is at its best
DEFAULT = {"onnxrt_bound": "tf32"}  # rival -> the precision that it computes an FP32 model in by default


def chief(run: Run) -> Table:
    """One row a comparison of the first precision: lanes over plain calls, ours over rivals, Python over C++; the pipeline of every
    precision over the GPU alone; and the highest throughput of each. Folded."""
    found = Fast(run)
    rows = [_compared(one) for one in (*_lanes(found), *_rivals(found), *_languages(found))]
    rows += [*_through(found), *_fastest(found)]
    keys = ("pair", "batch_size", "version", "throughput", "other_rate", "pair_ratio", "outcome")
    return Table(rows, shown(found, *keys), W("captions.chief"), folded=True, nothing=nothing(found, "pace"))


def first(found: Fast) -> str:
    """The precision whose ways are compared: the profile's first one that was timed on TensorRT, else the first that was."""
    there = dict.fromkeys(arm.candidate.precision for arm in found.ours)
    asked = found.run.profile.fast.precisions if found.versions else []
    return next((one for one in asked if one in there), next(iter(there), ""))


def _lanes(found: Fast) -> list[Ratio]:
    """The most lanes of each runner but C++, batch size and TensorRT over plain calls."""
    kept: dict[tuple[object, ...], Ratio] = {}
    for one in ratios.ways(found):
        arm = one.own
        if arm.kind == "lanes" and arm.candidate.runner != CPP and arm.candidate.precision == first(found):
            key = (arm.candidate.runner, arm.batch, arm.version)
            kept[key] = max(kept.get(key, one), one, key=lambda each: each.own.way.lanes)
    return list(kept.values())


def _rivals(found: Fast) -> list[Ratio]:
    """Ours over each rival at its best or by its default, the fastest and with as many batches under way: at the largest batch size where
    ways are compared, trtexec at all of them, and whatever takes larger batches at the largest of these."""
    every = ratios.rivals(found)
    meant = [*ratios.fair(every), *ratios.alone(every)]
    told = [one for one in every if one in meant and _usual(one.base, first(found))]
    small = [batch for one in told if (batch := one.own.batch) in found.run.profile.fast.batch_sizes]
    sizes = {max(small, default=0), max((one.own.batch for one in told), default=0)}
    return sorted((one for one in told if one.own.batch in sizes or one.base.candidate.runner == TRTEXEC), key=lambda one: one.own.batch)


def _usual(rival: Arm, precision: str) -> bool:
    candidate = rival.candidate
    if candidate.precision != DEFAULT.get(candidate.runner, precision):
        return False
    return candidate.runner != "pytorch" or candidate.way.api == COMPILED


def _languages(found: Fast) -> list[Ratio]:
    """Python over C++ in the way of the highest throughput of each TensorRT."""
    kept: dict[str, Ratio] = {}
    for one in ratios.languages(found):
        if one.own.candidate.precision == first(found):
            kept[one.own.version] = max(kept.get(one.own.version, one), one, key=lambda each: each.own.rate.value)
    return list(kept.values())


def _through(found: Fast) -> Iterator[Row]:
    """The pipeline from memory: over the GPU alone, with what holds it back."""
    for one in piped.fastest(found):
        if one.source == "memory" and one.share is not None and one.record.candidate:
            alone, told = one.rate.value / one.share.value, one.held and W("parts.outcome", held=one.held.text)
            row: Row = {"pair": W("chief.piped", own=_named(one.record.candidate)), "batch_size": one.record.batch_size}
            row |= {"version": one.version or "–", "throughput": one.rate, "other_rate": alone}
            yield row | {"pair_ratio": one.share, "outcome": told}


def _fastest(found: Fast) -> Iterator[Row]:
    """The highest throughput of each precision, of what may be claimed."""
    best: dict[str, Arm] = {}
    for arm in found.ours:
        if found.sure(arm):
            best[arm.candidate.precision] = max(best.get(arm.candidate.precision, arm), arm, key=lambda one: one.rate.value)
    for arm in best.values():
        row: Row = {"pair": W("chief.fastest", own=_named(arm.candidate)), "batch_size": arm.batch, "version": arm.version or "–"}
        yield row | {"throughput": arm.rate}


def _compared(one: Ratio) -> Row:
    pair = W("chief.over", own=_named(one.own.candidate), base=_named(one.base.candidate))
    row: Row = {"pair": pair, "batch_size": one.own.batch, "version": one.own.version or "–", "throughput": one.own.rate}
    row |= {"other_rate": one.base.rate.value, "pair_ratio": one.times, "outcome": W(f"verdicts.{one.verdict}")}
    return row | ({"best": {"pair_ratio"}} if one.verdict == "faster" else {})


def _named(candidate: Candidate) -> Text:
    """Runner, precision and way, as short as sentences have them."""
    return called(candidate)["what"]
