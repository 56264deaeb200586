"""What notebook 06 measures: every candidate at every batch size of the profile, and what measuring itself costs."""

from __future__ import annotations

from lib import runners
from lib.experiment.candidate import HARNESS, Candidate
from lib.measure import sweep
from lib.session import Session


def measure(session: Session) -> None:
    """Record the latency of every candidate at every batch size, and at the one that notebook 07 compares at."""
    sizes = {*session.profile.batching.batch_sizes, session.profile.precision.batch_size}
    sweep.timings(session, [*runners.candidates(session.profile), Candidate(HARNESS, "fp32")], sorted(sizes))
