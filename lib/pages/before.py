"""What a notebook says in JupyterLab before it measures: what it will do, how long that took the last time, and where it writes."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from lib.errors import ReportError
from lib.experiment.profile import ROOT, Profile
from lib.session import Session
from lib.show import interactive
from lib.show import table as show
from lib.store import stage_file
from lib.store.stage_file import Stage
from lib.text import Text
from lib.words import Words

W = Words(__file__)


def announce(measuring: Session) -> None:
    """Say it, and bring what makes tables sort and figures zoom. Nothing where there is no front end."""
    from IPython import get_ipython
    from markupsafe import Markup

    if get_ipython() is None:
        return
    lines = said(measuring)
    show.html(lambda language: Markup('<p lang="{}">{}</p>').format(language, Markup("<br>").join(line.in_(language) for line in lines)))
    interactive.bring()


def said(measuring: Session) -> list[Text]:
    """The lines that `announce` shows."""
    path, profile = measuring.results / f"{measuring.stage}.jsonl", measuring.profile
    asks = W("before.asks", profile=profile.name, model=_model(profile), images=_images(profile), took=_took(path, profile))
    writes = W("before.replaces" if path.exists() else "before.writes", path=_short(path), artifacts=_short(measuring.store.root))
    return [asks, writes]


def _took(path: Path, profile: Profile) -> Text:
    """How long the notebook took the last time: on this system, else on another that measured it with this profile."""
    for key, paths in (("here", [path]), ("elsewhere", path.parents[1].glob(f"*/{path.name}"))):
        if files := [stage for each in paths if (stage := _stage(each))]:
            last = max(files, key=lambda stage: stage.started_at)
            same = last.profile == profile.model_dump()
            seconds = last.seconds
            time = W("before.minutes", count=seconds / 60) if seconds >= 90 else W("before.seconds", count=seconds)
            values = {"time": time, "date": datetime.fromisoformat(last.started_at), "system": last.system_id}
            return W(f"before.{key}" if same else f"before.{key}_otherwise", **values)
    return W("before.never")


def _stage(path: Path) -> Stage | None:
    with suppress(ReportError):
        return stage_file.read(path).stage
    return None


def _model(profile: Profile) -> Text | str:
    return profile.model.file if profile.model else W("before.trained")


def _images(profile: Profile) -> Text | str:
    named = profile.dataset
    return named.name or named.folder or named.npz or W("before.random")


def _short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
