"""What notebook 05 measures: how far every runner's answers to all test images lie from every other's, however an engine is
called, and where in the network a difference begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import numpy as np

from lib import deadline, progress, runners
from lib.errors import NotMeasured, ReportError
from lib.experiment.candidate import Candidate, Way
from lib.experiment.profile import Profile
from lib.measure import compare, layers, predictions, sweep
from lib.measure.compare import Difference
from lib.measure.kept import kept
from lib.pages import against
from lib.pages.consistency import rules
from lib.pages.consistency.exhibits import Disagreement, Disagreements
from lib.pages.tolerance import limits_of
from lib.runners import RUNNERS
from lib.runners.base import Runner
from lib.runners.tensorrt import TensorRT
from lib.session import Session
from lib.store import picture
from lib.store.artifacts import Artifact
from lib.store.records import Reason, Record

BATCHES = (1, 16, 32)  # images a call, beside the largest batch of the engine
LOOKED_AT = 32  # images on which tensors are compared
PIXELS = 1 << 18  # of all of them together: every tensor between layers is in memory twice
SAME = Way(api="execute_async_v3")  # the call of an engine that all others are compared with
CALLS = {"tensorrt": (SAME, Way(api="execute_async_v2")), "cpp": (Way("enqueueV3"), Way("executeV2"), Way("enqueueV3", graph=True))}
Answers = dict[Candidate, np.ndarray]  # float32 (N, classes) each
Apart = dict[tuple[Candidate, Candidate], Difference]


def measure(session: Session) -> None:
    """Record how far all answers lie apart, the images that differ most, the calls of each engine and the tensors between layers."""
    stored, lost = _asked(session)
    answers = {candidate: predictions.read(artifact) for candidate, artifact in stored.items()}
    apart = compare.matrix(answers)
    session.record(*_against_reference(session, stored, lost, apart), *_pairs(list(answers), apart))
    compare.record_spread(session)
    session.exhibit("disagreements", disagreements(session, answers))
    for precision in TensorRT.precisions:
        deadline.check()
        session.record(*kept(session, f"ways to call the {precision} engine", {}, lambda of=precision: list(_calls(session, of))))
    session.record(*_layers(session, answers, lost, apart))


def _asked(session: Session) -> tuple[dict[Candidate, Artifact], dict[Candidate, Reason]]:
    """The answers of every candidate, the reference first; of those that give none, why. The others go on.

    Where the reference cannot run here its stored answers stand in. Raises what it fails with: there is nothing to compare with then.
    """
    reference = session.profile.reference
    try:
        stored, lost = {reference: predictions.artifact(session, reference)}, dict[Candidate, Reason]()
    except NotMeasured as error:
        bring = f"no answers of {reference.label.en} are stored; bring {session.store.root} from a system that has it"
        raise NotMeasured(f"nothing to compare with: {error}, and {bring}") from None
    for candidate in runners.candidates(session.profile):
        deadline.check()  # the answers so far are stored
        try:
            if candidate != reference:
                stored[candidate] = predictions.artifact(session, candidate)
        except ReportError as error:
            lost[candidate] = sweep.why(error)
    return stored, lost


def _against_reference(
    session: Session, stored: Mapping[Candidate, Artifact], lost: Mapping[Candidate, Reason], apart: Apart
) -> Iterator[Record]:
    """cosine, agreement, max_abs and mean_abs of every candidate where no earlier page of this run has them."""
    reference = session.profile.reference
    units = {"cosine": "difference", "agreement": "share", "max_abs": "difference", "mean_abs": "difference"}
    made = [Record(metric, unit, None, candidate, reason=why) for candidate, why in lost.items() for metric, unit in units.items()]
    for candidate, artifact in stored.items():
        if candidate != reference:
            found, more = apart[reference, candidate], {"artifact_sha256": artifact.inputs["model"]}
            told = {"min": found.cosine_min, "reference_system": stored[reference].info["system_id"]}
            made.append(Record("cosine", "difference", found.cosine_mean, candidate, stats=told, **more))
            made.append(against.agreement(found, candidate, **more))
            made += [Record(metric, "difference", getattr(found, metric), candidate, **more) for metric in ("max_abs", "mean_abs")]
    known = {(metric, record.candidate) for metric in units for record in session.earlier(metric)}
    yield from (record for record in made if (record.metric, record.candidate) not in known)


def _pairs(asked: list[Candidate], apart: Apart) -> Iterator[Record]:
    """Every two candidates but the reference, once: the share of images with the same class, and the differences in stats."""
    for place, candidate in enumerate(asked):
        for other in asked[1:place]:
            found = apart[other, candidate]
            differences = {"max_abs": found.max_abs, "mean_abs": found.mean_abs, "cosine": found.cosine_mean}
            yield against.agreement(found, candidate, "pair_agreement", case={"other": other.key}, stats=differences)


def disagreements(session: Session, answers: Answers) -> Disagreements:
    """The images whose class differs from the reference's, worst first, as many as the profile wants."""
    images, candidates = session.images, list(answers)
    expected = answers[session.profile.reference]
    differs = [own.argmax(axis=1) != expected.argmax(axis=1) for own in answers.values()]
    far = np.where(differs, [np.abs(own - expected).max(axis=1) for own in answers.values()], 0)  # (candidates, N)
    largest, worst = far.max(axis=0), []
    differing = int((largest > 0).sum())
    for i in np.argsort(-largest, kind="stable")[: min(differing, session.profile.consistency.worst_samples)].tolist():
        candidate = candidates[far[:, i].argmax()]
        by = session.spec.probabilities(np.stack([expected[i], answers[candidate][i]]))
        e, g = (int(each) for each in by.argmax(axis=1))
        shown = {"image": i, "png": picture.encode(images.x_test[i]), "candidate": candidate.key, "difference": float(largest[i])}
        classes = {"true": None if images.y_test is None else int(images.y_test[i]), "expected": e, "got": g}
        worst.append(Disagreement(**shown, **classes, p_expected=float(by[0, e]), p_got=float(by[1, g])))
    return Disagreements(worst=worst, differing=differing, images=len(expected))


def batch_sizes(smallest: int, largest: int) -> list[int]:
    """1, 16 and 32 as far as an engine takes them, and its largest batch."""
    return sorted({size for size in BATCHES if smallest <= size <= largest} | {largest})


def _calls(session: Session, precision: str) -> Iterator[Record]:
    """call_agreement of the engine of one precision: each way and batch size against SAME at the largest batch, over all test images."""
    engines = session.profile.engines
    sizes = batch_sizes(engines.min_batch, engines.max_batch)
    candidates = [Candidate(name, precision, way) for name, ways in CALLS.items() for way in ways]
    if reason := TensorRT.unavailable(precision):
        yield from (_call(candidate, reason) for candidate in candidates)
        return
    base: np.ndarray | None = None
    with progress.bar(len(candidates) * len(sizes), f"ways to call the {precision} engine") as bar, ExitStack() as stack:
        for candidate in candidates:
            made = RUNNERS[candidate.runner]
            no_call = made.unavailable(precision) or (None if made.takes(candidate) else Reason("no_call", {"call": candidate.way.api}))
            runner = no_call or sweep.entered(made, session, candidate, stack)
            if isinstance(runner, Reason):
                yield _call(candidate, runner)
            for size in reversed(sizes) if isinstance(runner, Runner) else ():
                try:
                    answers = called(runner, session.images.x_test, size)
                    base = answers if base is None else base
                    found = compare.difference(base, answers, (candidates[0].key, candidate.key))
                except ReportError as error:
                    found = sweep.why(error)
                if isinstance(found, Reason) or (candidate, size) != (candidates[0], sizes[-1]):
                    yield _call(candidate, found, size, runner.artifact_sha256)
                bar.update()
                if base is None:
                    break
            if base is None:  # nothing to compare with
                return
            stack.close()


def called(runner: Runner, images: np.ndarray, size: int) -> np.ndarray:
    """Answers, float32 (N, classes), of an open runner to uint8 images with `size` images a call, also where it splits them itself."""
    runner.max_batch = size
    return predictions.run(runner, images, size)


def _call(candidate: Candidate, found: Difference | Reason, size: int | None = None, sha256: str = "") -> Record:
    if isinstance(found, Reason):
        return Record("call_agreement", "share", None, candidate, size, reason=found)
    more = {"batch_size": size, "stats": {"max_abs": found.max_abs}, "artifact_sha256": sha256}
    return against.agreement(found, candidate, "call_agreement", **more)


def _layers(session: Session, answers: Answers, lost: Mapping[Candidate, Reason], apart: Apart) -> Iterator[Record]:
    """relative_difference of the tensors between the layers, and marking_difference: what reading them changed."""
    yield from (Record("relative_difference", "ratio", None, c, reason=why) for c, why in lost.items() if layers.readable(c))
    reference = session.profile.reference
    able = {c: apart[reference, c] for c in answers if layers.readable(c) and c != rules.YARDSTICK}
    for candidate in to_compare(session.profile, compare.spread(answers[reference]), able):
        images = worst_images(answers[reference], answers[candidate], looked_at(session))
        try:
            tensors, outputs = layers.compare(session, candidate, session.to_input(session.images.x_test[images]))
        except ReportError as error:
            yield Record("relative_difference", "ratio", None, candidate, reason=sweep.why(error))
            continue
        marking = float(np.abs(outputs - answers[candidate][images]).max())
        none = None if np.isfinite(marking) else Reason("not_finite")
        yield Record("marking_difference", "difference", None if none else marking, candidate, stats={"images": len(images)}, reason=none)
        for layer in tensors:
            stats = {"index": layer.index, "operator": layer.operator, "max_abs": layer.max_abs, "images": len(images)}
            none = Reason("not_finite") if layer.relative is None else None
            yield Record("relative_difference", "ratio", layer.relative, candidate, case={"tensor": layer.tensor}, stats=stats, reason=none)


def to_compare(profile: Profile, spread: float, able: Mapping[Candidate, Difference]) -> list[Candidate]:
    """What is over its tolerance or, where nothing is, of each runner what is farthest from the reference, if it differs at all."""
    limits = {candidate: limits_of(profile, spread, candidate) for candidate in able}
    if over := [c for c, d in able.items() if not limits[c].hold(d.max_abs, d.images - len(d.disagree), d.images)]:
        return over
    last: dict[str, Candidate] = {}
    for candidate, found in sorted(able.items(), key=lambda one: one[1].max_abs):
        if found.max_abs > 0:
            last[candidate.runner] = candidate
    return [candidate for candidate in able if candidate in last.values()]


def looked_at(session: Session) -> int:
    """How many images tensors are compared on: LOOKED_AT as far as an engine takes so many, fewer where they are large, at least four."""
    return session.spec.batch or session.spec.at_once(min(LOOKED_AT, session.profile.engines.max_batch), PIXELS)


def worst_images(expected: np.ndarray, got: np.ndarray, count: int) -> list[int]:
    """Indices of the `count` test images to look at: those with another class first, by the largest difference of an output."""
    same = expected.argmax(axis=1) == got.argmax(axis=1)
    return np.lexsort((-np.abs(got - expected).max(axis=1), same))[:count].tolist()
