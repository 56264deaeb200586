"""What notebook 03 says by rule: engines that are not what their name says, what lower precisions save."""

from __future__ import annotations

from collections.abc import Iterator

from lib.experiment.candidate import Candidate, listed, ordered
from lib.experiment.precision import PRECISIONS
from lib.pages import common, who
from lib.pages.engines import layers
from lib.pages.engines.exhibits import Features, Layer, Network, Networks, Profiles
from lib.store.records import Record
from lib.store.run import Run
from lib.text import Text
from lib.words import Finding, Words

W = Words(__file__)
BASE = Candidate("tensorrt", "fp32")
NAMED = 3  # layers that one finding names
FEW = 1 << 16  # bytes of weights, which a plan may fill up to whole blocks: so few tell nothing of their type


def findings(run: Run) -> list[Finding]:
    """What the numbers say."""
    sizes, times = run.records("file_size"), _times(run)
    rules = (_other_type, _weights, _same_plan, _number, _sizes, _in_type)
    told = [finding for rule in rules for finding in rule(run)]
    return common.disturbed(run) + common.failures([*sizes, *times]) + told + common.unmeasured(sizes) + _not_run(times)


def features(run: Run) -> Features:
    """What the TensorRT that builds the engines can do; where that is not recorded, its name alone."""
    return run.exhibit("features", Features) or Features(tensorrt="TensorRT", features=[])


def built(run: Run) -> list[Candidate]:
    """The engines that there are."""
    return [candidate for candidate in run.candidates("file_size") if common.value(run, "file_size", candidate)]


def networks(run: Run) -> dict[Candidate, Network]:
    """What engines were built from and came to."""
    found = run.exhibit("networks", Networks) or Networks(engines=[])
    return {Candidate.parse(network.candidate): network for network in found.engines}


def profiles(run: Run) -> dict[Candidate, list[Layer]]:
    """The layers of the engines that were timed, in the order of the report; an engine without any is left out."""
    found = run.exhibit("layers", Profiles) or Profiles(engines=[])
    by = {Candidate.parse(profile.candidate): profile.layers for profile in found.engines if profile.layers}
    return {candidate: by[candidate] for candidate in ordered(by)}


def size_ratio(run: Run, candidate: Candidate) -> float | None:
    """Size of a plan over that of the FP32 plan; None where either is missing."""
    own, base = (common.value(run, "file_size", one) for one in (candidate, BASE))
    return own / base if own and base else None


def time_ratio(run: Run, candidate: Candidate) -> float | None:
    """Sum of the layers of an engine over that of the FP32 engine; None where either was not timed."""
    timed = profiles(run)
    base = layers.total_ms(timed.get(BASE, []))
    return layers.total_ms(timed[candidate]) / base if base and candidate in timed else None


def type_label(name: str) -> Text:
    """A layer's type as reports show it."""
    return Text(name.upper(), name.upper()) if name else W("labels.untold")


def types(counts: dict[str, int]) -> str:
    """Numbers of layers by type in one line."""
    return ", ".join(f"{number} × {name.upper() or '?'}" for name, number in sorted(counts.items()))


def _times(run: Run) -> list[Record]:
    """Times of the layers of engines that exist; why others do not is said where they are built."""
    there = built(run)
    return [record for record in run.records("layers_time") if record.candidate in there]


def _other_type(run: Run) -> Iterator[Finding]:
    """Red: engines that do not compute in the type that was asked, by their layers or by what the engine inspector told."""
    timed, inside = profiles(run), networks(run)
    for candidate in ordered({*timed, *inside}):
        told = (inside[candidate].found or {}) if candidate in inside else {}
        if found := _contradiction(candidate, timed.get(candidate, [])):
            yield found
        elif layers.not_allowed(candidate.precision, told) or layers.lacks_its_type(candidate.precision, told):
            yield W.finding("bad", "other_type", engine=candidate.precision_label, types=types(told))


def _contradiction(candidate: Candidate, own: list[Layer]) -> Finding | None:
    """What of the layers contradicts the precision; copies between types compute nothing."""
    computing = [layer for layer in own if not layers.reformats(layer) and layer.type]
    told = {layer.type for layer in computing}
    if wrong := layers.not_allowed(candidate.precision, told):
        alien = [layer for layer in computing if layer.type in wrong]
        counts = {"count": len(alien), "total": len(computing)}
        return W.finding("bad", "alien_layers", engine=candidate.precision_label, layers=_names(alien), **counts)
    untold = {layer.type for layer in layers.heavy(own) if not layer.type}
    if layers.lacks_its_type(candidate.precision, told | untold):
        asked = type_label(PRECISIONS[candidate.precision].layer_types[0])
        return W.finding("bad", "no_layer", engine=candidate.precision_label, type=asked)
    return None


def _weights(run: Run) -> Iterator[Finding]:
    """Red: weights that do not shrink mean that the precision did not take."""
    full = common.value(run, "weights_size", BASE)
    for candidate in _lower(run):
        own = common.value(run, "weights_size", candidate)
        if own and full and own >= full > FEW:
            yield W.finding("bad", "weights", engine=candidate.precision_label)


def _same_plan(run: Run) -> Iterator[Finding]:
    """Precisions with one and the same plan: one of them carries a wrong name, unless one only allows more than the other."""
    for sizes in common.same_plan(run.records("file_size", case={})):
        twins = ordered(size.candidate for size in sizes if size.candidate)
        asked = {PRECISIONS[twin.precision].layer_types[:1] if twin.precision in PRECISIONS else twin.precision for twin in twins}
        level, key = ("note", "same_plan") if len(asked) == 1 else ("bad", "same_plan_wrong")
        yield W.finding(level, key, engines=[twin.precision_label for twin in twins])  # type: ignore[arg-type]


def _number(run: Run) -> list[Finding]:
    asked, there = run.candidates("file_size"), built(run)
    return [W.finding("good", "built", tensorrt=features(run).tensorrt, count=len(there), total=len(asked))] if there else []


def _sizes(run: Run) -> list[Finding]:
    """How large the plans of lower precisions are against FP32."""
    ratios = {candidate: ratio for candidate in _lower(run) if (ratio := size_ratio(run, candidate))}
    engines = [W("parts.ratio", engine=candidate.precision_label, ratio=ratio) for candidate, ratio in ratios.items()]
    return [W.finding("good" if max(ratios.values()) < 1 else "note", "sizes", engines=engines)] if ratios else []


def _lower(run: Run) -> list[Candidate]:
    """Engines whose weights have a smaller type than FP32."""
    return [c for c in built(run) if (row := PRECISIONS.get(c.precision)) and row.weights != PRECISIONS[BASE.precision].weights]


def _in_type(run: Run) -> Iterator[Finding]:
    """Of the heavy layers, how many run in the type that was asked: engines where all do, and those where the builder chose others."""
    whole, parts = list[Text](), dict[Text, Text]()
    for candidate, own in profiles(run).items():
        if _contradiction(candidate, own) is not None or candidate.precision not in PRECISIONS:
            continue
        heavy, label = layers.heavy(own), candidate.precision_label
        if others := layers.not_as_asked(candidate.precision, heavy):
            counts = {"right": len(heavy) - len(others), "count": len(heavy)}
            parts[label] = W("parts.in_type", engine=label, layers=_names(others), **counts)
        else:
            whole.append(label)
    if whole:
        yield W.finding("good", "in_type", engines=whole)
    if parts:
        yield W.finding("note", "partly_in_type", engines=list(parts.values()), names=list(parts))


def _not_run(times: list[Record]) -> list[Finding]:
    """Why engines that exist were not run here."""
    lost = common.by_reason(times, lambda record: record.candidate)
    said = {reason.text: {"engines": listed(candidates), **who.of(candidates, "engines")} for reason, candidates in lost.items()}
    return [W.finding("note", "not_run", why=why, because=who.because(why), **values) for why, values in said.items()]


def _names(some: list[Layer]) -> list[Text]:
    """Some layers with their types, and how many more there are."""
    named = [W("parts.layer", layer=layers.short(layer.name), type=type_label(layer.type)) for layer in some[:NAMED]]
    return [*named, W("parts.more", count=len(some) - NAMED)] if len(some) > NAMED else named
