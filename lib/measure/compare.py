"""How far two runners' answers to the same images lie apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lib.errors import ReportError
from lib.experiment.candidate import Candidate
from lib.measure import predictions
from lib.session import Session
from lib.store.records import Record


@dataclass(frozen=True)
class Difference:
    """What `difference` found. max_abs, mean_abs: of the outputs' absolute differences, over images and classes.

    cosine_mean, cosine_min: over images, 1 where two answers are parallel. agreement: share of `images` with the same most probable class.
    disagree: int64 (k,), indices of the images whose classes differ, the one with the largest difference first.
    """

    max_abs: float
    mean_abs: float
    cosine_mean: float
    cosine_min: float
    agreement: float
    images: int
    disagree: np.ndarray


def difference(a: np.ndarray, b: np.ndarray, names: tuple[str, str] = ("a", "b")) -> Difference:
    """Compare two sets of outputs, float (N, classes) each, of the same images in the same order. names: for errors.

    Computed in float64, of answers that lib.measure.predictions has checked. Raises ReportError, naming the sides, for shapes that differ.
    Where two classes are equal, the first counts, as in numpy.argmax.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise ReportError(f"{names[0]} answers {a.shape} and {names[1]} {b.shape}: not the same images or classes; make both again")
    apart = np.abs(a - b)
    cosine = _cosine(a, b)
    disagree = np.flatnonzero(a.argmax(axis=1) != b.argmax(axis=1))
    worst = disagree[np.argsort(-apart[disagree].max(axis=1), kind="stable")]
    agreement = 1 - len(disagree) / len(a)
    return Difference(float(apart.max()), float(apart.mean()), float(cosine.mean()), float(cosine.min()), agreement, len(a), worst)


def matrix(answers: Mapping[Candidate, np.ndarray]) -> dict[tuple[Candidate, Candidate], Difference]:
    """`difference` of every two candidates' answers, for both orders; none with itself."""
    found: dict[tuple[Candidate, Candidate], Difference] = {}
    for one, other in combinations(answers, 2):
        found[one, other] = found[other, one] = difference(answers[one], answers[other], (one.key, other.key))
    return found


def spread(outputs: np.ndarray) -> float:
    """How far outputs, float (N, classes), spread: the largest minus the smallest. Tolerances are relative to it."""
    return float(outputs.max() - outputs.min())


def record_spread(session: Session) -> None:
    """Record the spread of the reference's outputs to the test images as `output_spread`, once a run."""
    if not session.earlier("output_spread"):
        found = spread(predictions.of(session, session.profile.reference))
        session.record(Record("output_spread", "difference", found, session.profile.reference))


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each pair of rows; an answer that is all zeros is parallel to nothing but another such."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    both_zero = ~a.any(axis=1) & ~b.any(axis=1)
    cosine = np.divide((a * b).sum(axis=1), norms, out=both_zero.astype(np.float64), where=norms > 0)
    return np.clip(cosine, -1, 1)
