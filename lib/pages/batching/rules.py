"""What notebook 06 says by rule: the best batch size of each backend, what batching gains, what is doubtful."""

from __future__ import annotations

from collections.abc import Iterator

from lib.experiment.candidate import HARNESS
from lib.pages import common
from lib.pages.common import Curve
from lib.store.records import Record
from lib.store.run import Run
from lib.words import Finding, Words

W = Words(__file__)
REFERENCE_BATCH = 32  # compared with the smallest batch size, where every curve has it
HARNESS_SHARE = 0.05  # of a latency that measuring itself may take without a word
HARNESS_LIMIT = 0.25  # over it what is measured is rather the harness than the runner


def findings(run: Run) -> list[Finding]:
    """What the numbers say."""
    latencies = run.records("latency", scope="end_to_end")
    rules = (_one_batch, _fastest, _gains, _slower, _harness, _unsettled)
    told = [finding for rule in rules for finding in rule(run)]
    return common.disturbed(run) + common.failures(latencies) + told + common.unmeasured(latencies)


def fastest(curve: Curve) -> Record:
    """The latency with the highest throughput."""
    return max(curve.values(), key=lambda latency: common.rate(latency).value)


def enough(run: Run, curve: Curve) -> int:
    """The smallest batch size that cannot be told from the one with the highest throughput: more images a call bring nothing sure."""
    return min(common.contenders(run, curve))


def compared(run: Run) -> tuple[int, int] | None:
    """The smallest batch size and the one compared with it, both of them measured of every candidate; None without two such sizes.

    The larger is REFERENCE_BATCH, or the largest that all have.
    """
    sizes = [set(curve) for curve in common.curves(run).values()]
    shared = sorted(set.intersection(*sizes)) if sizes else []
    if len(shared) < 2:
        return None
    return shared[0], REFERENCE_BATCH if REFERENCE_BATCH in shared[1:] else shared[-1]


def only_batch(run: Run) -> int | None:
    """The one batch size that is measured because nothing takes another: that of a model which was exported with it."""
    if not run.measured:
        return None
    takes, sizes = run.profile.engines, run.profile.batching.batch_sizes
    return takes.min_batch if sizes == [takes.min_batch] == [takes.max_batch] else None


def _one_batch(run: Run) -> Iterator[Finding]:
    """What a batch size that is baked in costs."""
    if (batch := only_batch(run)) is not None:
        yield W.finding("note", "one_batch" if batch == 1 else "one_batch_filled", batch=batch)


def _fastest(run: Run) -> Iterator[Finding]:
    """Of each backend, the precision and batch size with the highest throughput."""
    curves = common.curves(run)
    if not common.calm(run):
        return
    for runner in dict.fromkeys(candidate.runner for candidate in curves):
        own = {candidate: curve for candidate, curve in curves.items() if candidate.runner == runner}
        top = max(own, key=lambda candidate: common.rate(fastest(own[candidate])).value)
        latency, least = fastest(own[top]), enough(run, own[top])
        key = "highest_at_once" if least == latency.batch_size != min(own[top]) else "highest"
        key = key if len({size for curve in own.values() for size in curve}) > 1 else "highest_of_one"
        yield W.finding("note", key, candidate=top, batch=latency.batch_size, rate=common.rate(latency), enough=least)


def _gains(run: Run) -> Iterator[Finding]:
    """The smallest and the largest gain that batching brings."""
    curves, sizes = common.curves(run), compared(run)
    if not sizes or not common.calm(run):
        return
    gains = {candidate: gained for candidate, curve in curves.items() if (gained := common.speedup(curve[sizes[1]], curve[sizes[0]]))}
    if not gains:
        return
    low, high = (pick(gains, key=lambda candidate: gains[candidate].value) for pick in (min, max))
    values = {"most": high, "most_gain": gains[high], "least": low, "least_gain": gains[low]}
    yield W.finding("note", "gains" if low != high else "gain", small=sizes[0], large=sizes[1], **values)


def _slower(run: Run) -> Iterator[Finding]:
    """Lower precisions whose highest throughput is surely below that of FP32 in the same backend."""
    highest = {candidate: fastest(curve) for candidate, curve in common.curves(run).items()}
    for candidate, ratio in common.slower(run, highest).items():
        yield W.finding("note", "slower", candidate=candidate, share=ratio)


def _harness(run: Run) -> Iterator[Finding]:
    """What measuring itself takes, as a share of the shortest latency of the same batch size; of what times itself it takes nothing."""
    nulls = {r.batch_size: r.value for r in run.records("latency") if r.candidate and r.candidate.runner == HARNESS and r.value}
    shares = [
        (nulls[size] / latency.value, size, candidate)
        for candidate, curve in common.curves(run).items()
        for size, latency in curve.items()
        if size in nulls and latency.value and not latency.stats.get("times_itself")
    ]
    if shares:
        share, size, candidate = max(shares, key=lambda each: each[0])
        level, key = ("good", "harness") if share <= HARNESS_SHARE else ("note" if share <= HARNESS_LIMIT else "bad", "harness_large")
        yield W.finding(level, key, share=share, candidate=candidate, batch=size, aim=HARNESS_SHARE)


def _unsettled(run: Run) -> Iterator[Finding]:
    """Measurements whose rounds do not agree."""
    done = [latency for curve in common.curves(run).values() for latency in curve.values()]
    shaky = sum(not common.settled(run, latency) for latency in done)
    if done:
        tolerance = common.timed(run).profile.measuring.tolerance
        yield W.finding("note" if shaky else "good", "unsettled" if shaky else "settled", shaky=shaky, count=len(done), tolerance=tolerance)
