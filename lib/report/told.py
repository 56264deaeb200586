"""What the rules of a notebook's page find in the records: the only way that findings come to a page and to the overview."""

from __future__ import annotations

import importlib

from lib.store.run import Run
from lib.words import LEVELS, Finding


def findings(run: Run) -> list[Finding]:
    """What `lib.pages.NAME.rules` finds in the records of `run`'s page NN_NAME, the worst first; none for a notebook without a page."""
    rules = f"lib.pages.{run.stage[3:]}.rules"
    try:
        module = importlib.import_module(rules)
    except ModuleNotFoundError as error:
        if error.name not in (rules, rules.removesuffix(".rules")):
            raise
        return []
    return sorted(module.findings(run), key=lambda finding: LEVELS.index(finding.level))


def doubtful(run: Run) -> bool:
    """Whether any page of a run has a finding that makes its numbers doubtful, so that nothing may be called the best."""
    return any(finding.level == "warn" for stage in run.files for finding in findings(run.of(stage)))
