"""What notebook 08 says by rule: the verdict of the page first, then what is behind it, then systems on machines of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from statistics import median
from typing import Any

from lib.experiment.precision import PRECISIONS
from lib.pages import against, common, who
from lib.pages.cross_version import answers, code, costs, speed, systems
from lib.pages.cross_version.answers import Answers
from lib.pages.cross_version.speed import Comparison
from lib.pages.cross_version.versions import FOREIGN, SAVED, Engine, Versions, W, joined
from lib.store.records import Reason
from lib.store.run import Run
from lib.text import Text
from lib.words import Finding, Level


def findings(run: Run) -> list[Finding]:
    """Everything the page says. One good finding before the verdict would hide it: nothing is called good where the verdict is not."""
    found = Versions(run)
    if not found.workers:
        return systems.findings(run)
    verdicts = list(verdict(found))
    best: Level = "good" if verdicts and all(one.level == "good" for one in verdicts) else "note"
    rules = (alike, largest, spread, cost, in_code, on_gpu, from_build_to_build, plans)
    behind = [finding for rule in rules for finding in rule(found)]
    behind = [one._replace(level=best) if one.level == "good" else one for one in behind]
    doubts = [*fallen(found), *lost(found), *disturbed(found), *verdicts, *behind, *against.unlabelled(run)]
    return doubts + not_started(found) + not_measured(found) + systems.findings(run, alone=False)


def verdict(found: Versions) -> Iterator[Finding]:
    """The page in one sentence, one for each version but the lowest: where it is faster, and whether it computes the same."""
    if len(found.names) < 2:
        ran = list(map(found.label, found.names))
        yield W.finding("note", "one_version", versions=ran) if ran else W.finding("note", "none_ran")
        return
    for other in found.others:
        told, over = _counted(found, other, "end_to_end"), _over(found, other)
        values = {"other": found.label(other), "base": found.base, "answers": _answers(found, other)}
        if not told:
            yield W.finding("note", "verdict_untimed", **values)
            continue
        worse = told["slower"] or any(one.losing for one in _between(found, other))
        counts = {"counts": _counts(found, told), "total": told.total(), "over": over, **told}
        yield W.finding("note" if worse or not told["faster"] else "good", "verdict", **values, **counts)


def _counted(found: Versions, other: str, scope: str) -> Counter[str]:
    """How many comparisons of a version with the lowest came to what; those of disturbed rounds are undecided."""
    verdicts = [one.verdict for one in speed.comparisons(found, scope) if one.other == other]
    return Counter("undecided" if each == "disturbed" else each for each in verdicts)


def _over(found: Versions, other: str) -> Text:
    """What the comparisons of a version are of, in brackets: the kinds of which there are several, as factors where all are combined."""
    spots = [one.spot for one in speed.comparisons(found, "end_to_end") if one.other == other]
    of = {"precisions": {spot.engine for spot in spots}, "batches": {spot.batch_size for spot in spots}}
    kinds = {key: len(each) for key, each in (of | {"callings": {spot.calling for spot in spots}}).items() if len(each) > 1}
    parts = [W(f"parts.{key}", count=count) for key, count in kinds.items()]
    if not parts:
        return Text("", "")
    combined = prod(kinds.values()) == len(spots)
    return W("parts.over", of=Text(" × ".join(each.en for each in parts), "×".join(each.ja for each in parts)) if combined else parts)


def _counts(found: Versions, told: Counter[str]) -> list[Text]:
    """The counts in words, but for those that are nought."""
    least = speed.least_ratio(found)
    return [W(f"parts.{key}", count=told[key], least=least) for key in ("faster", "slower", "same", "undecided") if told[key]]


def _between(found: Versions, other: str) -> list[Answers]:
    """Answers of a version against the lowest's, of engines that were built the usual way and answered."""
    told = answers.found(found, ("first_version",))
    return [one for one in told if one.version == other and not one.engine.variant and one.most_changed is not None]


def _answers(found: Versions, other: str) -> Text:
    """Whether a version computes the same classes as the lowest, as a part of the verdict."""
    told, most = _between(found, other), dict[Engine, int]()
    for one in told:
        most[one.engine] = max(most.get(one.engine, 0), one.most_changed or 0)
    same, other_classes = [e.label for e, count in most.items() if not count], [e.label for e, count in most.items() if count]
    key = "unanswered" if not told else "same" if not other_classes else "differ" if not same else "partly"
    values = {"images": max((one.images for one in told), default=0), "count": max(most.values(), default=0)}
    said = W(f"parts.answers_{key}", same=same, changed=other_classes, **values)
    silent = [engine.label for engine in found.engines if not engine.variant and engine not in most] if told else []
    return W("parts.but_silent", said=said, silent=silent) if silent else said


def largest(found: Versions) -> Iterator[Finding]:
    """The largest gain and the largest loss that are claimed."""
    told = speed.comparisons(found)
    for key, pick in (("faster", max), ("slower", min)):
        claimed = [one for one in told if one.verdict == key]
        if claimed:
            one: Comparison = pick(claimed, key=lambda each: each.ratio.value)
            values = {"other": found.label(one.other), "base": one.base, "ratio": one.ratio, "spot": one.spot.label}
            yield W.finding("note", f"most_{key}", **values)


def on_gpu(found: Versions) -> Iterator[Finding]:
    """How often a version is faster where the GPU's own time counts alone."""
    for other in found.others:
        if told := _counted(found, other, "gpu_compute"):
            values = {"other": found.label(other), "base": found.base, "counts": _counts(found, told), "total": told.total()}
            yield W.finding("note", "on_gpu", **values)


def alike(found: Versions) -> Iterator[Finding]:
    """Whether Python and C++ compute the same in every version, build and precision."""
    told = [one for one in answers.found(found, ("python",)) if one.most_changed is not None]
    wrong = [one for one in told if one.most_changed]
    for one in wrong:
        values = {"engine": one.engine.label, "version": found.label(one.version), "images": one.images}
        yield W.finding("bad", "python_cpp_differ", **values, count=one.most_changed, largest=one.largest or 0.0)
    if told and not wrong:
        exact = all(one.same_share == 1 for one in told)
        versions = [version for version in found.names if any(one.version == version for one in told)]
        values = {"images": min(one.images for one in told), "versions": versions, "largest": max(one.largest or 0.0 for one in told)}
        yield W.finding("good", "python_cpp_bits" if exact else "python_cpp", **values)


def spread(found: Versions) -> Iterator[Finding]:
    """How far builds of one version spread, what the saved timing cache changes of it, and what so many builds can find.

    Medians of the rows of the table, so that both say the same.
    """
    usual = [engine for engine in found.engines if not engine.variant]
    rows = [(version, engine) for engine in usual for version in found.names]
    own = [spreads for version, engine in rows if (spreads := speed.spreads(found, version, engine))]
    if not own:
        return
    least = {engine: each for engine in usual if (each := speed.findable(found, engine)) is not None}
    values = {"middle": median(map(median, own)), "most": max(map(max, own)), "saved": _saved(found, rows)}
    if least:
        values |= {"findable": median(least.values()), "builds": min(speed.least_count(found, engine) for engine in least)}
    yield W.finding("note", "spread" if least else "spread_alone", **values)


def _saved(found: Versions, rows: list[tuple[str, Engine]]) -> Text:
    """How far builds from the saved timing cache spread, beside those from an empty one in the same cases, and whether tactics differ."""
    pairs = [pair for version, engine in rows if (pair := speed.saved(found, version, engine))]
    if not pairs:
        return Text("", "")
    chosen = [costs.tactics(found, version, engine._replace(variant=SAVED)) for version, engine in rows]
    fixed = {told[0] for told in chosen if told and told[1] > 1} == {1}
    less = all(after <= before for before, after in pairs) and any(after < before for before, after in pairs)
    values = {"before": median(before for before, _ in pairs), "after": median(after for _, after in pairs)}
    said = W("parts.saved_less" if less else "parts.saved_open", **values)
    return W("parts.saved_fixed", said=said) if fixed else said


def from_build_to_build(found: Versions) -> Iterator[Finding]:
    """Whether builds of one version answer alike."""
    told = [one for one in answers.found(found, ("first_build",)) if not one.engine.variant and one.most_changed is not None]
    if not told:
        return
    changed = joined(one.engine.label for one in told if one.most_changed)
    same = joined(one.engine.label for one in told if all(o.same_share == 1 for o in told if o.engine == one.engine))
    exact = W("parts.exact", engines=same) if same else Text("", "")
    values = {"count": max(one.most_changed or 0 for one in told), "images": max(one.images for one in told), "exact": exact}
    yield W.finding("note", "builds_differ" if changed else "builds_alike", changed=changed, **values)


def cost(found: Versions) -> Iterator[Finding]:
    """What a version costs against the lowest: medians over precisions of the ratios of medians over builds."""
    for other in found.others:
        parts = []
        for metric in ("build_time", "file_size", "device_memory", "load_time"):
            ratios = [r for engine in found.engines if not engine.variant and (r := costs.ratio(found, metric, other, engine))]
            if ratios:
                parts.append(W(f"parts.{metric}", ratio=median(ratios)))
        if parts:
            yield W.finding("note", "cost", other=found.label(other), base=found.base, parts=parts)


def in_code(found: Versions) -> Iterator[Finding]:
    """How many calls that the lowest version has are gone or deprecated in another."""
    base, *others = code.members(found.run).versions or [""]  # those that have no GPU to run on can be asked too
    for other in others:
        told = Counter(code.lost(found.run, base, other).values())
        values = {"other": found.label(other), "base": base}
        if told:
            yield W.finding("note", "code", **values, gone=told["gone"], deprecated=told["deprecated"])
        else:
            yield W.finding("note", "code_same", **values)


def fallen(found: Versions) -> Iterator[Finding]:
    """Red: builds that did not come out in the type they were asked for, or much larger than their siblings."""
    for one in costs.fallen(found):
        asked = PRECISIONS[one.engine.precision].layer_types[0].upper() if one.engine.precision in PRECISIONS else "?"
        values = {"engine": one.engine.label, "version": found.label(one.version), "builds": list(map(str, one.builds))}
        yield W.finding("bad", f"fallen_{one.by}", **values, types=costs.shown(one.types), asked=asked, ratio=one.ratio)


def lost(found: Versions) -> Iterator[Finding]:
    """Red: accuracy that surely falls by more than the margin from one version to another."""
    for one in answers.found(found, answers.BETWEEN):
        if one.losing and one.points:
            values = {"engine": one.engine.label, "version": found.label(one.version), "builds": list(map(str, one.losing))}
            yield W.finding("bad", "accuracy_lost", **values, points=one.points, margin=100 * common.LOSS_MARGIN)


def disturbed(found: Versions) -> Iterator[Finding]:
    """Amber: the rounds in which the machine was disturbed, of which nothing is claimed."""
    blocks = {(Engine(spot.engine.precision), spot.batch_size): spot for spot in found.spots}
    doubtful = {block: told for block, spot in blocks.items() if (told := speed.disturbed(found, spot))}
    if doubtful:
        worst: dict[str, Any] = {}
        for key, values in (one for told in doubtful.values() for one in told):  # the largest share, every other reason as it is
            worst[key] = max(worst.get(key, values), values, key=lambda each: each.get("share", each.get("count", 0)))
        why = [W(f"disturbances.{key}", **values) for key, values in worst.items()]
        sizes = {engine: [str(size) for each, size in doubtful if each == engine] for engine, _ in doubtful}
        what = [W("labels.blocks", engine=engine.label, sizes=of) for engine, of in sizes.items()]
        yield W.finding("warn", "disturbed", count=len(doubtful), total=len(blocks), what=what, why=why)


def plans(found: Versions) -> Iterator[Finding]:
    """Whether each version refuses plans of the others: red where it does not."""
    told = found.run.records(FOREIGN)
    for record in (record for record in told if record.reason is not None):
        key = "foreign_ended" if record.reason.key == "foreign_plan_ended" else "foreign_loaded"
        yield W.finding("bad", key, version=record.case.get("tensorrt"), plan_of=record.case.get("plan_of"))
    refused = [W("labels.foreign", version=r.case.get("tensorrt"), plan_of=r.case.get("plan_of")) for r in told if r.value is not None]
    if refused and len(refused) == len(told):
        yield W.finding("note", "foreign_refused", pairs=refused)


def not_started(found: Versions) -> list[Finding]:
    """Commands that brought no version, red where the worker failed."""
    made = []
    for record in found.workers:
        if record.reason is not None:
            level: Level = "bad" if record.reason.key == "worker_failed" else "note"
            why = record.reason.text
            made.append(W.finding(level, "not_started", worker=record.case.get("worker"), why=why, because=who.because(why)))
    return made


def not_measured(found: Versions) -> list[Finding]:
    """Every reason why numbers are missing, with what lacks them: red for what failed."""
    by: dict[Reason, dict[str, list[Engine]]] = {}
    for key, record in found.missing():
        if record.reason is not None and record.reason != common.NO_LABELS:
            by.setdefault(record.reason, {}).setdefault(key.version, []).append(key.engine)
    made = []
    for why, lacking in by.items():
        what = [_lacking(version, lacking[version]) for version in found.ordered(lacking)]
        values = {"what": what, "why": why.text, "because": who.because(why.text), **_who(lacking, what)}
        made.append(W.finding("bad", "failed", **values) if why.failed else W.finding("note", "unmeasured", **values))
    return made


def _who(lacking: dict[str, list[Engine]], what: list[Text]) -> dict[str, Text]:
    """An engine or two by name, or how many; what: all of them, by version."""
    every = [engine for engines in lacking.values() for engine in _once(engines)]
    return who.of(what if len(every) <= who.NAMED else every, "engines", said=what)


def _lacking(version: str, engines: list[Engine]) -> Text:
    """The engines of a version that lack something; one that lacks it however it is built is named once."""
    return W("labels.lacking", version=version, engines=[engine.label for engine in _once(engines)])


def _once(engines: list[Engine]) -> list[Engine]:
    every = sorted(set(engines), key=lambda engine: engine.place)
    return [engine for engine in every if not engine.variant or Engine(engine.precision) not in every]
