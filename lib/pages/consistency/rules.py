"""What notebook 05 says by rule: who is over its tolerance, whether an engine answers alike however it is called, where a
difference begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from lib.experiment.candidate import Candidate, listed, ordered
from lib.experiment.precision import PRECISIONS
from lib.pages import common, who
from lib.pages.against import reference
from lib.pages.tolerance import limits, source, spread
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text
from lib.words import Finding, Words

W = Words(__file__)
EQUAL = 5e-7  # the largest difference of two outputs that are equal to six decimals, relative to their spread
MULTIPLE = 16  # roundings of one tensor that may add up through the layers before it counts as a difference of its own
YARDSTICK = Candidate("onnxrt", "fp32")  # what tensors are compared with


class Apart(NamedTuple):
    """How far the answers of two candidates lie apart: of outputs max_abs and mean_abs, the mean cosine of the two answers
    to an image, agreement: share of the images with the same class."""

    max_abs: float
    mean_abs: float
    cosine: float
    agreement: float


@dataclass(frozen=True)
class Trace:
    """The tensors of a candidate against YARDSTICK's, in the order of the network. layers: a relative_difference each (case
    `tensor`; stats index, operator, max_abs, images); marking: largest difference of an output that reading them made."""

    candidate: Candidate
    layers: list[Record]
    marking: float | None

    @property
    def rounding(self) -> float:
        """Half the distance of neighbouring numbers of the precision."""
        return PRECISIONS[self.candidate.precision].unit_roundoff

    @property
    def limit(self) -> float:
        """The relative difference over which a tensor counts as different."""
        return MULTIPLE * self.rounding

    @property
    def begins(self) -> Record | None:
        """The first tensor over the limit or not finite, None where there is none."""
        return next((layer for layer in self.layers if layer.value is None or layer.value > self.limit), None)


def findings(run: Run) -> list[Finding]:
    """What the numbers say."""
    asked, calls = run.records("cosine"), run.records("call_agreement")
    lost = {record.reason for record in asked if record.reason}
    of_calls = [record for record in calls if record.reason not in lost]
    told = [finding for rule in (_over, _origin, _within, _calls, _layers) for finding in rule(run)]
    return common.failures(asked) + common.failures(of_calls) + told + common.unmeasured(asked) + list(_not_called(of_calls))


def against(run: Run) -> dict[Candidate, Apart]:
    """How far the answers of each candidate lie from the reference's."""
    found = {}
    for candidate in run.candidates("cosine"):
        values = [common.value(run, metric, candidate) for metric in ("max_abs", "mean_abs", "cosine", "agreement")]
        if None not in values:
            found[candidate] = Apart(*values)  # type: ignore[arg-type]
    return found


def over(run: Run) -> list[Candidate]:
    """The candidates that are over their tolerance."""
    images = total(run)
    return [c for c, apart in against(run).items() if not limits(run, c).hold(apart.max_abs, round(apart.agreement * images), images)]


def pairs(run: Run) -> dict[tuple[Candidate, Candidate], Apart]:
    """How far the answers of every two candidates lie apart, the reference included, in both orders."""
    found = {(run.profile.reference, candidate): apart for candidate, apart in against(run).items()}
    for record in run.records("pair_agreement"):
        if record.candidate and record.value is not None:
            differences = (record.stats[name] for name in ("max_abs", "mean_abs", "cosine"))
            found[Candidate.parse(str(record.case["other"])), record.candidate] = Apart(*differences, record.value)
    return found | {(b, a): apart for (a, b), apart in found.items()}


def total(run: Run) -> int:
    """Images that were compared, 0 where none were."""
    counts = (run.find("agreement", candidate, case={}) for candidate in run.candidates("cosine"))
    return max((record.stats.get("total", 0) for record in counts if record), default=0)


def equal(record: Record, spread: float = 1.0) -> bool:
    """Whether a call of an engine gave the answers of the call it is compared with, to six decimals of the outputs' spread."""
    return record.value == 1 and record.stats["max_abs"] <= EQUAL * spread


def traces(run: Run) -> list[Trace]:
    """The candidates that were compared layer by layer."""
    found = []
    for candidate in run.candidates("relative_difference"):
        layers = [record for record in run.records("relative_difference", candidate=candidate) if "tensor" in record.case]
        if layers and candidate.precision in PRECISIONS:
            marking = next((record.value for record in run.records("marking_difference", candidate=candidate)), None)
            found.append(Trace(candidate, sorted(layers, key=lambda layer: layer.stats["index"]), marking))
    return found


def untraced(run: Run) -> list[Record]:
    """The reasons why a candidate was not compared layer by layer, though its backend can be."""
    return [record for record in run.records("relative_difference", case={}) if record.reason]


def _over(run: Run) -> Iterator[Finding]:
    """Of each precision the candidates that are over its tolerance; and whether the export already is."""
    far, apart, images = over(run), against(run), total(run)
    for precision in dict.fromkeys(candidate.precision for candidate in far):
        group = [candidate for candidate in far if candidate.precision == precision]
        largest, least = max(apart[c].max_abs for c in group), min(apart[c].agreement for c in group)
        limit, agreement = limits(run, group[0])
        set_by = {"limit": limit, "limit_agreement": agreement, "source": source(run, group[0]), "reference": reference(run)}
        yield W.finding("bad", "over", what=listed(group), **who.of(group), largest=largest, least=least, total=images, **set_by)
    if YARDSTICK in far:
        yield W.finding("bad", "export_over", candidate=YARDSTICK, reference=reference(run))


def _origin(run: Run) -> Iterator[Finding]:
    """Whose answers stand in for the reference's."""
    givers = {record.stats.get("reference_system") for record in run.records("cosine")} - {None}
    for system in sorted(givers - {run.info.system_id} if givers else ()):
        yield W.finding("note", "origin", candidate=run.profile.reference, system=system)


def _within(run: Run) -> Iterator[Finding]:
    """All that are within their tolerance, with the one that is farthest away."""
    far, apart = over(run), against(run)
    fine = [candidate for candidate in apart if candidate not in far]
    if fine:
        farthest = max(fine, key=lambda candidate: apart[candidate].max_abs)
        values = {"largest": apart[farthest].max_abs, "least": min(apart[c].agreement for c in fine), "total": total(run)}
        values |= {"reference": reference(run), **who.of(fine, total=len(apart))}
        yield W.finding("good", "within", what=listed(fine), farthest=farthest, **values)


def _calls(run: Run) -> Iterator[Finding]:
    """Calls of an engine that give other answers, and how many give the same."""
    done = [record for record in run.records("call_agreement") if record.value is not None and record.candidate]
    other = [record for record in done if not equal(record, spread(run))]
    for candidate in ordered(r.candidate for r in other if r.candidate):
        own = [record for record in other if record.candidate == candidate]
        counts = {"differ": max(r.stats["total"] - r.stats["correct"] for r in own), "largest": max(r.stats["max_abs"] for r in own)}
        counts |= {"equal": EQUAL * spread(run), "total": own[0].stats["total"]}
        yield W.finding("bad", "call_differs", candidate=candidate, batches=[r.batch_size for r in own], **counts)
    if fine := [record for record in done if equal(record, spread(run))]:
        candidates = {record.candidate for record in fine if record.candidate}
        counts = {"engines": len({c.precision for c in candidates}), "ways": len({(c.runner, c.way) for c in candidates})}
        counts |= {"count": len(fine), "total": fine[0].stats["total"]}
        yield W.finding("good", "calls_rest" if other else "calls", largest=max(r.stats["max_abs"] for r in fine), **counts)


def _not_called(calls: list[Record]) -> Iterator[Finding]:
    """Ways to call an engine that this system lacks, by reason."""
    ways = [call for call in calls if call.candidate]
    for reason, lost in common.by_reason(ways, lambda call: (call.candidate.runner_label, call.candidate.way.label)).items():  # type: ignore[union-attr]
        told = [W("words.call", runner=runner, way=way) for runner, way in lost]
        yield W.finding("note", "not_called", calls=told, count=len(told), why=reason.text, because=who.because(reason.text))


def _layers(run: Run) -> Iterator[Finding]:
    """Where differences begin, by precision and tensor; those that begin nowhere together; those that could not be compared."""
    far, lost = over(run), {record.reason for record in run.records("cosine")}
    chosen = Text("", "") if far else W("words.farthest", reference=reference(run))
    groups: dict[tuple[Any, Any] | None, list[Trace]] = defaultdict(list)
    for trace in traces(run):
        groups[(trace.candidate.precision, trace.begins.case["tensor"]) if trace.begins else None].append(trace)
    grown = groups.pop(None, [])
    for group in groups.values():
        yield _begins(group, chosen)
    if grown:
        top, layer = max(((t, layer) for t in grown for layer in t.layers), key=lambda one: (one[1].value or 0.0) / one[0].limit)
        what = {**_traced(grown), "chosen": chosen, "marking": _marking(grown)}
        most = {"largest": layer.value, "candidate": top.candidate, "limit": top.limit, "multiple": MULTIPLE}
        yield W.finding("note", "grows", **what, **most, **place(layer))
    for record in untraced(run):
        if record.reason not in lost and record.candidate and record.reason:
            why = record.reason.text
            yield W.finding("note", "untraced", candidate=record.candidate, why=why, because=who.because(why))


def _begins(group: list[Trace], chosen: Text) -> Finding:
    """group: of one precision, with differences that begin at the same tensor."""
    first, one = [trace.begins for trace in group if trace.begins], group[0]
    sizes = [layer.value for layer in first if layer.value is not None]
    size = W("words.size", size=max(sizes)) if len(sizes) == len(first) else Reason("not_finite").text
    what = {**_traced(group), "chosen": chosen, "marking": _marking(group), "size": size}
    limits = {"yardstick": YARDSTICK, "limit": one.limit, "multiple": MULTIPLE, "count": len(one.layers)}
    return W.finding("note", "begins", **what, **limits, **place(first[0]))


def _traced(group: list[Trace]) -> dict[str, Text]:
    """The candidates in words."""
    candidates = [trace.candidate for trace in group]
    return {"what": listed(candidates), **who.of(candidates)}


def place(layer: Record) -> dict[str, Any]:
    """Which tensor it is, of which operator, and its number."""
    return {"tensor": layer.case["tensor"], "operator": layer.stats["operator"], "index": layer.stats["index"]}


def _marking(group: list[Trace]) -> Text:
    """What it did to the answers that the tensors were made outputs."""
    changed = [trace.marking for trace in group if trace.marking is not None]
    return W("words.marking", marking=max(changed)) if changed else Text("", "")
