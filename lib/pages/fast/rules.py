"""What notebook 10 says by rule: what is wrong first, then what to run, what ways bring, rivals, the pipeline, the ceiling, versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

from lib.experiment.candidate import ordered
from lib.pages import against, common, who
from lib.pages.fast import choose, names, piped, ratios, work
from lib.pages.fast.arms import Fast, W, runner_label, way_label
from lib.pages.fast.choose import Choice
from lib.pages.fast.piped import Pipeline
from lib.pages.fast.ratios import JUDGED, Ratio
from lib.pages.fast.shown import sentences
from lib.store.records import Record
from lib.store.run import Run
from lib.text import Text
from lib.words import COMMON, Finding

ABOUT = {"pipeline": "pipeline", "ceiling": "ceiling", "ceiling_share": "ceiling"} | dict.fromkeys(work.SCENARIOS, "scenarios")
MOSTLY = 0.5  # of the time: that waiting for lanes must take, for them to be all that holds a pipeline back; that a card is at a limit
ABOUT_ARMS = ("pace", "agreement", "accuracy", "device_memory", "build_time", "file_size")  # metrics that name what lacks them


def findings(run: Run) -> list[Finding]:
    """Everything the page says."""
    found = Fast(run)
    doubts = [finding for rule in (wrong, memory, server, overload, disturbed) for finding in rule(found)]
    rules = (fastest, soonest, gains, against_rivals, through, far, capped, newer, python, asked)
    told = [finding for rule in rules for finding in rule(found)]
    return [*doubts, *not_measured(run, failed=True), *told, *against.unlabelled(run), *not_measured(run)]


def wrong(found: Fast) -> Iterator[Finding]:
    """Red: arms whose outputs are not the reference's. It names their candidates, so that none of them goes to production."""
    arms = [arm for arm in found.arms if found.answers(arm) == "wrong"]
    if arms:
        worst = min((record for arm in arms if (record := found.judged(arm, "agreement"))), key=_share)
        values = {"candidates": ordered(arm.candidate for arm in arms), **names.who_of(map(found.label, arms))}
        yield W.finding("bad", "wrong", **values, share=common.share(worst))


def memory(found: Fast) -> Iterator[Finding]:
    """Red: pipelines that take more of the host's memory than their ring of buffers explains."""
    over = [one for one in piped.pipelines(found) if one.too_much]
    if over:
        most = max(one.memory or 0.0 for one in over)
        yield W.finding(
            "bad", "memory", **names.who_of(names.engine(found, one.record) for one in over), memory=most, most=piped.MOST_MEMORY
        )


def server(found: Fast) -> Iterator[Finding]:
    """Red: servers that did not hold the rate that they tell."""
    lost = [record for record in found.run.records("server") if record.value is not None and not work.held(record)]
    if lost:
        p99 = max(float(record.stats.get("p99_ms") or 0.0) for record in lost)  # type: ignore[arg-type]
        yield W.finding(
            "bad", "not_held", **names.who_of(names.engine(found, one) for one in lost), p99=p99, limit=found.run.profile.fast.limit_ms
        )


def overload(found: Fast) -> Iterator[Finding]:
    """Red: servers that answer wrongly where they are asked too much."""
    lost = [record for record in found.run.records("server_overload") if record.stats.get("wrong")]
    if lost:
        count = sum(int(record.stats["wrong"]) for record in lost)  # type: ignore[arg-type]
        yield W.finding("bad", "overload_wrong", **names.who_of(names.engine(found, one) for one in lost), count=count)


def disturbed(found: Fast) -> Iterator[Finding]:
    """Amber: the blocks in whose rounds the machine was disturbed, of which nothing is claimed."""
    doubtful = {block: told for block in found.blocks if (told := found.disturbed(block))}
    if doubtful:
        worst: dict[str, Any] = {}
        for key, values in (one for told in doubtful.values() for one in told):  # the largest share, every other reason as it is
            worst[key] = max(worst.get(key, values), values, key=lambda each: each.get("share", each.get("count", 0)))
        why = [W(f"disturbances.{key}", **values) for key, values in worst.items()]
        yield W.finding("warn", "disturbed", count=len(doubtful), total=len(found.blocks), what=names.blocks(doubtful), why=why)


def fastest(found: Fast) -> Iterator[Finding]:
    """The verdict: the highest throughput, and the highest within the limit of the latency where that is another arm's."""
    chosen = {choice.goal: choice for choice in choose.choices(found)}
    if "throughput" not in chosen:
        return
    arm = chosen["throughput"].arm
    yield W.finding("good", "fastest", **_chosen(found, chosen["throughput"]), rate=arm.rate)
    if "within" in chosen and chosen["within"].arm != arm:
        own, limit = chosen["within"].arm, found.run.profile.fast.limit_ms
        yield W.finding("note", "within", **_chosen(found, chosen["within"]), rate=own.rate, limit=limit, latency=own.latency)


def soonest(found: Fast) -> Iterator[Finding]:
    """The lowest latency."""
    for choice in choose.choices(found):
        if choice.goal == "latency":
            yield W.finding("note", "soonest", **_chosen(found, choice), latency=choice.arm.latency)


def _chosen(found: Fast, choice: Choice) -> dict[str, Any]:
    """How it is called, its batch size, what it is besides, and its ties."""
    arm = choice.arm
    values = {"runner": runner_label(arm.candidate), "precision": arm.candidate.precision_label, "version": arm.version}
    what = W("labels.what_version" if found.tells(arm.version) else "labels.what", **values)
    return {"way": way_label(arm.candidate), "batch": arm.batch, "what": what, "ties": choose.tied(found, choice)}


def gains(found: Fast) -> Iterator[Finding]:
    """What the best way brings over plain calls, at each batch size where ways are compared."""
    told = ratios.judged(ratios.ways(found))
    faster = sorted((one for one in told if one.verdict == "faster"), key=lambda one: one.times.value)
    if better := [most for _, most in sorted({one.own.batch: one for one in faster}.items())]:
        parts = [W("parts.gain", batch=one.own.batch, ratio=one.times) for one in better]
        yield W.finding("note", "gains", parts=parts, arms=list(dict.fromkeys(found.label(one.own) for one in better)))
    elif told:
        yield W.finding("note", "no_gain", least=found.least_ratio)


def against_rivals(found: Fast) -> Iterator[Finding]:
    """How often ours is faster than a rival, and where it leads least, also with one batch under way; no good news where a rival leads."""
    every = ratios.judged(ratios.rivals(found))
    told, level = ratios.fair(every), ratios.alone(every)
    if not told:
        return
    alone = W("parts.one_under_way", **_least(found, level)) if level else Text("", "")
    verdicts = {one.verdict for one in told}
    good = "faster" in verdicts and "slower" not in verdicts
    values = {"counts": _counts(found, told), "total": len(told), **_least(found, told)}
    yield W.finding("good" if good else "note", "rivals", **values, alone=alone)


def _least(found: Fast, told: list[Ratio]) -> dict[str, Any]:
    """The smallest ratio, and of what."""
    least = min(told, key=lambda one: one.times.value)
    return {"rival": found.label(least.base), "own": found.label(least.own), "batch": least.own.batch, "ratio": least.times}


def _counts(found: Fast, told: list[Ratio]) -> list[Text]:
    """How many comparisons came out in each way."""
    counts = Counter(one.verdict for one in told)
    return [W(f"parts.{key}", count=counts[key], least=found.least_ratio) for key in JUDGED if counts[key]]


def through(found: Fast) -> Iterator[Finding]:
    """The pipeline: images/s from memory and from files, its share of the GPU alone, and what holds it back."""
    if (one := piped.best(found)) is None:
        return
    values = {"rate": one.rate, "engine": names.called(found, one.record), "batch": one.record.batch_size}
    shares = [W(f"parts.{key}", share=value) for key, value in (("share", one.share), ("lanes_share", one.lanes_share)) if value]
    drift = [W("parts.drift", first=one.drift[0], last=one.drift[1])] if one.drift else []
    files = piped.best(found, "files")
    slower = W("parts.files", rate=files.rate) if files else Text("", "")
    yield W.finding("note", "pipeline", **values, share=sentences([*shares, *drift]), held=_held(one), files=slower)


def _held(one: Pipeline) -> Text:
    """A sentence on what holds a pipeline back, with the times that show it, and one on what to do; nothing where they are not known."""
    if one.held is None:
        return Text("", "")
    alone = W("parts.alone", us=1e3 * one.alone) if one.alone else Text("", "")
    why = W("parts.held_back", what=W(f"piped.{one.held.step}"), us=one.held.us, whole=one.whole_us, alone=alone)
    host = one.held.step == "waited" and one.held.share < MOSTLY  # the other steps together take longer
    return sentences([why, W(f"piped_remedies.{piped.REST if host else one.held.step}")])


def far(found: Fast) -> Iterator[Finding]:
    """What share of the ceiling whole engines reach, and what holds them back."""
    told = work.shares(found)
    if not told:
        return
    low, high = min(told, key=_share), max(told, key=_share)
    ends = [f"{_share(low):.0%}", f"{_share(high):.0%}"]
    reach = W("parts.from_to", low=ends[0], high=ends[1]) if ends[0] != ends[1] else W("parts.about", share=ends[0])
    graphs = _reasons(work.why_graphed(found, record) for record in told)
    as_graph = W("parts.as_graph", parts=graphs) if graphs else Text("", "")
    parts = _reasons(map(work.why, told))
    yield W.finding("note", "ceiling", reach=reach, which=names.place(found, high), count=len(told), parts=parts, as_graph=as_graph)


def capped(found: Fast) -> Iterator[Finding]:
    """The blocks in whose rounds the card was held back by its power limit for most of the time, and how far its clocks went down."""
    limited = {block: told for block, told in found.limited("power_cap").items() if told.share >= MOSTLY}
    if limited:
        least, most = min(told.least_mhz for told in limited.values()), max(told.most_mhz for told in limited.values())
        values = {"count": len(limited), "total": len(found.blocks), "what": names.blocks(limited), "least": least, "most": most}
        yield W.finding("note", "capped", **values)


def _reasons(each: Iterable[str | None]) -> list[Text]:
    """How often each thing holds an engine back."""
    return [W("parts.held", why=W(f"held_back.{why}"), count=n) for why, n in Counter(each).most_common() if why in W.groups["held_back"]]


def newer(found: Fast) -> Iterator[Finding]:
    """Whether each TensorRT gains or loses against the oldest, over all ways."""
    every = ratios.versions(found)
    for version in found.versions[1:]:
        if told := ratios.judged(one for one in every if one.own.version == version):
            values = {"version": version, "base": found.versions[0], "counts": _counts(found, told), "total": len(told)}
            yield W.finding("note", "newer", **values, lanes=_by_way(told))


def _by_way(told: list[Ratio]) -> list[Text]:
    """The median ratio of each kind of way."""
    groups: dict[str, list[float]] = {}
    for one in told:
        groups.setdefault(one.own.kind, []).append(one.times.value)
    return [W("parts.by_way", way=W(f"kinds.{key}"), ratio=median(groups[key])) for key in W.groups["kinds"] if key in groups]


def python(found: Fast) -> Iterator[Finding]:
    """How often Python is slower than C++, and the smallest ratio."""
    if told := ratios.judged(ratios.languages(found)):
        least = min(told, key=lambda one: one.times.value)
        values = {"counts": _counts(found, told), "total": len(told), "middle": median(one.times.value for one in told)}
        yield W.finding("note", "python", **values, ratio=least.times, way=found.sized(least.own))


def asked(found: Fast) -> Iterator[Finding]:
    """The highest rate that a server held."""
    held = [record for record in found.run.records("server") if work.held(record)]
    if held:
        most = max(held, key=lambda record: record.value or 0)
        values = {"engine": names.called(found, most), "rate": most.value, "limit": float(most.stats["limit_ms"])}  # type: ignore[arg-type]
        of_lanes = work.of_lanes(found, most)
        share = W("parts.of_its_lanes", share=of_lanes) if of_lanes else Text("", "")
        seconds = float(most.stats.get("seconds") or 0.0)  # type: ignore[arg-type]
        yield W.finding("note", "server", **values, seconds=seconds, share=share)


def not_measured(run: Run, failed: bool = False) -> list[Finding]:
    """Every reason why something is missing, once, with what lacks it; failed: red, of what was tried and went wrong, way by way. It names
    no candidate: whether an engine may go to production is not told by a way of calling it that failed."""
    found, by = Fast(run), dict[Any, list[Record]]()
    for record in run.records():
        about = record.reason != common.NO_LABELS and (record.metric in ABOUT or record.metric in ABOUT_ARMS)
        if record.reason is not None and record.reason.failed == failed and about:
            by.setdefault(record.reason, []).append(record)
    made = []
    for why, those in by.items():
        values = {"why": why.text, "because": who.because(why.text)}
        if failed:
            made.append(W.finding("bad", "failed", **values, **names.who_of(_failed(found, one) for one in those)))
        else:
            made.append(W.finding("note", "unmeasured", **values, **names.who_of(_lacking(those), "lacking")))
    return made


def _failed(found: Fast, record: Record) -> Text:
    """What failed: a way, or a part of the page."""
    if record.candidate is None:
        return W(f"about.{ABOUT[record.metric]}") if record.metric in ABOUT else COMMON("who.something")
    return names.engine(found, record) if record.batch_size else names.called(found, record)


def _lacking(records: Iterable[Record]) -> list[Text]:
    """What lacks a number: runners with their precisions, and the parts of the page that name none."""
    records = list(records)
    by: dict[str, dict[Text, None]] = {}
    for candidate in ordered({r.candidate.plain for r in records if r.metric in ABOUT_ARMS and r.candidate}):
        by.setdefault(candidate.runner, {})[candidate.precision_label] = None
    named = [W("labels.lacking", runner=names.runner_named(runner), precisions=list(those)) for runner, those in by.items()]
    return named + list(dict.fromkeys(W(f"about.{ABOUT[r.metric]}") for r in records if r.metric in ABOUT))


def _share(record: Record) -> float:
    return float(record.value or 0.0)
