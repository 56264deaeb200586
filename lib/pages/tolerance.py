"""How far a precision's answers may lie from the reference's before it is alarming: one rule for every page."""

from __future__ import annotations

from typing import NamedTuple

from lib.experiment.candidate import Candidate
from lib.experiment.precision import PRECISIONS
from lib.experiment.profile import Profile
from lib.pages import common
from lib.pages.against import reference
from lib.stats import wilson
from lib.store.run import Run
from lib.text import Text
from lib.words import COMMON


class Limits(NamedTuple):
    """max_abs: largest expected difference of an output; agreement: smallest expected share of images with the reference's class."""

    max_abs: float
    agreement: float

    def hold(self, max_abs: float, same: int, total: int) -> bool:
        """Whether a difference and the images with the same class are inside them.

        An agreement may fall short of the expected share by no more than what so many images leave open (Wilson).
        """
        agrees = same >= self.agreement * total or wilson(same, total).high >= self.agreement
        return max_abs <= self.max_abs and agrees


NONE = Limits(float("inf"), 0)  # of a precision of no row


def limits_of(profile: Profile, spread: float, candidate: Candidate) -> Limits:
    """What the profile says for a candidate's precision, else its row of PRECISIONS.

    Differences are relative to the spread of the reference's outputs over the test images (largest minus smallest), so that they fit
    logits as they fit probabilities, whose spread is about 1.
    """
    row, own = PRECISIONS.get(candidate.precision), profile.consistency.limits.get(candidate.precision)
    if own is not None:
        return Limits(own.max_difference * spread, own.agreement)
    return Limits(row.max_abs_difference * spread, row.min_agreement) if row else NONE


def limits(run: Run, candidate: Candidate) -> Limits:
    """The same of what was recorded."""
    return limits_of(run.profile, spread(run), candidate)


def source(run: Run, candidate: Candidate) -> Text:
    """Who set the limits of a candidate's precision: the profile, or its row of PRECISIONS."""
    return COMMON("limits.profile" if candidate.precision in run.profile.consistency.limits else "limits.precision")


def spread(run: Run) -> float:
    """How far the reference's outputs spread; 1 where an earlier version recorded none, whose outputs were all probabilities."""
    return common.value(run, "output_spread", reference(run)) or 1.0


def explained(run: Run) -> Text:
    """What limits are relative to, with its number: for the caption of what shows limits."""
    return COMMON("captions.limits", reference=reference(run), spread=spread(run))
