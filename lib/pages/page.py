"""What every notebook begins with: a page that measures once and is a function of what it recorded ever after."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib import session
from lib.experiment import profile as profiles
from lib.pages import before
from lib.session import Session
from lib.store.run import Run

REPLAY = "REPORT_REPLAY"  # environment variable: results/SYSTEM; measuring steps then answer from what is recorded there
PROFILE = "REPORT_PROFILE"  # environment variable: the profile of `make lab`
DEFAULT = "quickstart"


@dataclass(frozen=True)
class Page:
    """One notebook at work. profile: name or file; stage: the notebook's name."""

    profile: str
    stage: str

    def measure(self, function: Callable[[Session], None]) -> Run:
        """What this page has recorded: measured now by `function`, or, where an old run is shown again, read alone.

        `function` keeps records and exhibits in the session it is given. Nothing is replaced unless it comes to its end.
        """
        if replayed := os.environ.get(REPLAY):
            return Run.open(Path(replayed), self.stage)
        measuring = Session(profiles.load(self.profile), self.stage)
        if not os.environ.get(session.RUN_ID):  # pages have no place for what is about to happen
            before.announce(measuring)
        function(measuring)
        return measuring.save()


def start(profile: str, stage: str) -> Page:
    """A notebook's page. profile: "" for the one that `make lab` names, else quickstart.

    Raises ConfigError, one line, for a profile that cannot be used.
    """
    if profile == "":
        profile = os.environ.get(PROFILE) or DEFAULT
    if not os.environ.get(REPLAY) and not os.environ.get(session.RUN_ID):  # a run has checked it once for all
        session.check(profiles.load(profile))
    return Page(profile, stage)
