"""The verdict in the report: from everything that the pages of one system show, and its files for machines beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib.experiment.accept import Accept
from lib.report.shell import Report
from lib.store import files
from lib.text import Text
from lib.verdict import forms
from lib.verdict.check import WORDS, Check
from lib.verdict.judge import Verdict, judge

FORMS = {"verdict.json": forms.as_json, "verdict.xml": forms.as_junit, "summary.md": forms.summary}


def of(report: Report, accept: Accept | None = None) -> Verdict | None:
    """The verdict on what a report shows, None where nothing is recorded yet. accept: the limits that count, None for those that were
    recorded last."""
    if not report.run.measured:
        return None
    profile = report.run.profile
    if accept is not None:
        profile = profile.model_copy(update={"accept": accept})
    found = {stage.notebook.stage: stage.findings for stage in report.stages}
    return judge(report.run, profile, found, [stage.notebook.stage for stage in report.stages if stage.failures])


def write(folder: Path, verdict: Verdict | None) -> None:
    """verdict.json, verdict.xml and summary.md in `folder`; none of them, and no old one, where there is no verdict."""
    for name, form in FORMS.items():
        if verdict is not None:
            files.write_text(folder / name, form(verdict))
            continue
        with files.writable(folder):
            (folder / name).unlink(missing_ok=True)


def shown(verdict: Verdict, report: Report) -> dict[str, Any]:
    """What the overview says of it: the sentence, each candidate with what decided it, and the limits."""
    pages = {stage.notebook.stage: stage.notebook for stage in report.stages if stage.there}
    rows = [
        {
            "label": one.name,
            "decision": WORDS.groups["decisions"][one.decision],
            "checks": [(says, [pages[stage] for stage in stages if stage in pages]) for says, stages in one.reasons],
        }
        for one in verdict.every
    ]
    other = WORDS.groups["outcomes"]["not_asked"]
    rows += [{"label": one.label, "decision": other, "checks": [(why, [])]} for one, why in verdict.left_out.items()]
    return {"decision": verdict.decision, "told": verdict.told, "rows": rows, "limits": limits(verdict)}


def limits(verdict: Verdict) -> list[Text]:
    """The limits that were asked for, each in words, of the first candidate: they are the same for all."""
    asked = [check for one in verdict.every[:1] for check in one.checks if check.limit is not None]
    return [WORDS(f"limits.{_key(check)}", limit=_whole(check)) for check in asked]


def _key(check: Check) -> str:
    """Of the words of a limit, in the singular where there is one point."""
    return f"{check.name}_one" if check.name == "accuracy_loss_points" and check.limit == 1 else check.name


def _whole(check: Check) -> float:
    """The limit as it is said: shares in percent."""
    return 100 * (check.limit or 0) if check.name == "agreement" else check.limit or 0
