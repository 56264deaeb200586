"""Runs made by hand, for tests of what pages say of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from lib.experiment import profile as profiles
from lib.experiment.profile import Profile
from lib.store.records import Exhibit, Record
from lib.store.run import Run
from lib.store.stage_file import Stage, StageFile


def made_run(stage: str, records: Iterable[Record], exhibits: Mapping[str, Exhibit] | None = None, profile: Profile | None = None) -> Run:
    """What a page sees that has recorded this, alone. profile: quickstart where none is given."""
    settings = profiles.to_record(profile or profiles.load("quickstart"))
    names = [str(digit) for digit in range(10)]
    first = Stage(stage, "run", "here", {}, settings, "digits", names, "2026-01-01T00:00:00+00:00", 1.0)
    shown = {name: exhibit.model_dump(mode="json") for name, exhibit in (exhibits or {}).items()}
    return Run(Path(), stage, {stage: StageFile(first, list(records), shown, Path(f"{stage}.jsonl"))})


def empty_run(stage: str) -> Run:
    """What a page sees that has recorded nothing."""
    return Run(Path(), stage, {})
