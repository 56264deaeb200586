"""What rivals have in common that run this project's own plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lib.experiment.candidate import Candidate
from lib.runners.base import Runner
from lib.runners.tensorrt import EngineRunner
from lib.session import Session
from lib.store.artifacts import Artifact


class Given(NamedTuple):
    """A plan as a rival gets it. artifact: whose it is; read: gives its bytes, checked, or raises ArtifactError; batches: the smallest and
    the largest of its optimization profile number `profile`."""

    artifact: Artifact
    read: Callable[[], bytes]
    batches: tuple[int, int]
    profile: int = 0


class OnPlan(EngineRunner):
    """A rival that runs a plan which is there: it builds none."""

    def __init__(self, session: Session, candidate: Candidate, given: Given) -> None:
        super().__init__(session, candidate, given.artifact)
        self.given = given
        self.min_batch, self.max_batch = given.batches

    def prepare(self) -> None:
        """Look whether this system can run it, and read the plan."""
        Runner.prepare(self)
        self._plan = self.given.read()
