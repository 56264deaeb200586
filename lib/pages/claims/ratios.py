"""Claims that are ratios, and the best batch size: answered from our timings and sizes."""

from __future__ import annotations

from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.claims import claims, numbers
from lib.pages.claims.claims import W
from lib.pages.claims.verdicts import Answer, judged, ratio
from lib.pages.cross_version import costs, speed
from lib.pages.cross_version.versions import CPP, PYTHON, Calling, Engine, Spot, Versions
from lib.stats import Interval
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text


def times(rule: claims.Times, run: Run) -> Answer | Reason:
    """A ratio of times or sizes, by our whole interval; or why there is none."""
    found = numbers.times(run, rule)
    if isinstance(found, Reason):
        return found
    if rule.unlike:
        return Answer("unknown", W(f"why.unlike_{rule.unlike}"), ratio(found.value))
    if found.doubt == "disturbed":
        return Answer("unknown", W("why.disturbed"), ratio(found.value), found.value)
    verdict, key = judged(found.judged, rule.claimed, rule.tolerance)
    why = W(f"why.{key}", tolerance=rule.tolerance)
    why = W("why.blocks", why=why, factor=numbers.BLOCKS) if found.doubt == "blocks" else why
    return Answer(verdict, why, ratio(found.value), found.value)


def version(rule: claims.Version, run: Run) -> Answer | Reason:
    """TensorRT 10 against 8 on one machine, over several builds a side; or why they were not compared."""
    found = Versions(run.of(numbers.VERSIONS))
    newer = [name for name in found.others if name.startswith("10.")]
    if not newer or not found.base.startswith("8."):
        return Reason.verbatim(W("why.one_version"))
    engine = Engine(rule.precision)
    if rule.number == "size":
        apart = costs.ratio(found, "file_size", newer[-1], engine)
        if not apart:
            return common.NOT_RECORDED
        ours = Interval(1 / apart, 1 / apart, 1 / apart)
        verdict, key = judged(ours, rule.claimed, rule.tolerance)
        return Answer(verdict, W(f"why.{key}", tolerance=rule.tolerance), ratio(ours), ours)
    spots = [Spot(engine, rule.batch, Calling(runner)) for runner in (CPP, PYTHON)]
    one = next((one for spot in spots if (one := speed.compared(found, spot, newer[-1]))), None)
    if one is None:
        return common.NOT_RECORDED
    if one.verdict == "disturbed":
        return Answer("unknown", W("why.disturbed"), ratio(one.ratio, 3), one.ratio)
    verdict, key = judged(one.ratio, rule.claimed, rule.tolerance)
    why = W("why.builds", builds=speed.count(found, newer[-1], engine), why=W(f"why.{key}", tolerance=rule.tolerance))
    return Answer(verdict, why, ratio(one.ratio, 3), one.ratio)


def best(rule: claims.Best, run: Run) -> Answer | Reason:
    """The best batch size, where a larger one was measured too; or why none was."""
    candidate, sweep = Candidate.parse(rule.of), run.of(common.SWEEP)
    curve = common.curves(sweep).get(candidate, {})
    if rule.batch not in curve:
        full = numbers.full(run, candidate, rule.batch)
        return _largest(rule, full) if full else numbers.why(run, "latency", candidate)
    close = common.contenders(sweep, curve)
    top = max(curve, key=lambda size: common.rate(curve[size]).value)
    ours = _best(top, curve[top])
    if not close:
        return Answer("unknown", W("why.disturbed"), ours)
    if rule.batch not in close:
        return Answer("fails", W("why.other_batch", batch=top), ours)
    if rule.batch == max(curve):
        return _largest(rule, curve[rule.batch])
    return Answer("holds", W("why.best_batch"), ours)


def _largest(rule: claims.Best, record: Record) -> Answer:
    """Nobody can know where the engine takes no more images."""
    return Answer("unknown", W("why.largest_batch", batch=rule.batch), _best(rule.batch, record))


def _best(batch: int, record: Record) -> Text:
    return W("ours.best", batch=batch, rate=common.rate(record))
