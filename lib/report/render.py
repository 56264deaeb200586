"""Renders the pages of a profile, in both languages, from its records: notebooks are replayed, nothing is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import progress
from lib.errors import ReportError
from lib.experiment.accept import Accept
from lib.report import cells, index, notebooks, replay, shell, systems
from lib.report import verdict as verdicts
from lib.report.shell import WORDS, Report, Stage
from lib.show import table as show
from lib.store import files
from lib.text import LANGUAGES, Language, Text
from lib.verdict.check import EXIT
from lib.verdict.judge import Verdict

WHY = "Why: "  # begins a sentence that is the reason of the one before
FINDINGS = 4  # that stand open at the top of a page; the others are folded


@dataclass(frozen=True)
class Outcome:
    """Where the pages begin, how many findings of each level all of them have, what keeps records from being shown again, the verdict,
    None where nothing is recorded, and the red findings (`_problems`)."""

    index: Path
    findings: Counter[str]
    broken: list[str]
    verdict: Verdict | None = None
    problems: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Of a strict run."""
        return self.verdict.exit_code if self.verdict else EXIT["undecided"]

    @property
    def told(self) -> str:
        """The verdict in one English sentence, "" where there is none."""
        return self.verdict.told.en if self.verdict else ""

    def checked(self) -> Outcome:
        """This very outcome. Raises ReportError, one line, where records could not be shown again."""
        if not self.broken:
            return self
        more = f" (and {len(self.broken) - 1} more)" if len(self.broken) > 1 else ""
        raise ReportError(f"{self.broken[0]}{more}; all other pages are in {self.index.parent}")


def render(profile: str, folder: Path = notebooks.FOLDER, system: str = "", accept: Accept | None = None) -> Outcome:
    """Write outputs/PROFILE/html/SYSTEM/{en,ja}/*.html and html/index.html.

    profile: its name; folder: of the notebooks; system: whose run, a folder of results/, "" for the one that ran last; accept: the
    limits that count, None for those that were recorded last. Raises
    ReportError, one line, where nothing has been recorded yet, records are not as they were written or pages cannot be
    written, and, when all other pages are there, for notebooks that cannot show their records again.
    """
    return write(profile, folder, system, {}, accept=accept).checked()


def write(
    profile: str,
    folder: Path,
    system: str,
    executed: Mapping[str, Any],
    asked: Mapping[str, Any] | None = None,
    accept: Accept | None = None,
) -> Outcome:
    """`render`, which leaves it to the caller what follows from records that cannot be shown again.

    executed: notebooks that were executed just now, by stage, which need no replay; asked: as in `shell.gather`.
    """
    report = shell.gather(profile, folder, system, asked)
    html = report.folder / "html" / report.run.folder.name
    waiting = [stage.notebook for stage in report.stages if stage.shown and stage.notebook.stage not in executed]
    sizes = {stage: file.path.stat().st_size for stage, file in report.run.files.items()}
    waiting.sort(key=lambda notebook: -sizes.get(notebook.stage, 0))  # what takes longest first, so that the kernels end together
    by_stage = {stage.notebook.stage: stage for stage in report.stages}
    for stage in report.stages:
        if stage.there and stage.notebook not in waiting:
            _pages(html, report, stage, executed.get(stage.notebook.stage))
    shown = replay.replay(waiting, report.run.folder, report.folder / "work" / "replay")
    for notebook, node, failure in progress.each(shown, len(waiting), f"{profile}: pages from records"):
        if failure:
            by_stage[notebook.stage].broken = str(failure)
        _pages(html, report, by_stage[notebook.stage], None if failure else node)
    verdict = verdicts.of(report, accept)  # when it is known which pages are broken
    for language in LANGUAGES:
        files.write_text(html / language / "index.html", index.page(report, language, verdict))
    verdicts.write(html, verdict)
    levels = Counter(finding.level for stage in report.stages for finding in stage.findings)
    broken = [stage.broken for stage in report.stages if stage.broken]
    return Outcome(systems.write(html.parent), levels, broken, verdict, tuple(_problems(report)))


def _problems(report: Report) -> Iterator[str]:
    """The red findings in English, each with its page: the first sentence, and the next where that is the reason (lib/pages/who.py)."""
    for stage in report.stages:
        for finding in stage.findings:
            if finding.level == "bad":
                said, rest = finding.text.first("en")
                why = Text(rest.lstrip(), "").first("en")[0] if rest.lstrip().startswith(WHY) else ""
                yield " ".join(f"{stage.notebook.stage}: {said} {why}".split())


def _pages(html: Path, report: Report, stage: Stage, node: Any) -> None:
    for language in LANGUAGES:
        files.write_text(html / language / stage.notebook.page, page(report, stage, node, language))


def page(report: Report, stage: Stage, node: Any, language: Language) -> str:
    """The page of one notebook, HTML that asks nothing of any other file but its neighbours.

    node: the notebook as it was executed on its records, None where it has none or cannot show them: its title and question stand then.
    """
    if node is None:
        node = notebooks.read(stage.notebook.path)
        node.cells = node.cells[: len(LANGUAGES)]
    there = [other for other in report.stages if other.there]
    at = there.index(stage)
    said = [finding for finding in stage.findings if finding.level in ("good", "note")]
    boxes = [show.findings_html(those, language) if those else "" for those in (said[:FINDINGS], said[FINDINGS:])]
    path = stage.run.files[stage.notebook.stage].path if stage.run.measured else None
    return shell.write(
        "page.html.j2",
        language,
        report,
        stage.run,
        name=stage.notebook.page,
        title=stage.notebook.title,
        number=stage.notebook.number,
        problems=stage.problems,
        doubts=stage.doubts,
        findings=boxes[0],
        folded=boxes[1],
        more=WORDS("said.more", count=len(said[FINDINGS:])),
        others=WORDS("said.others", count=len(said[1:FINDINGS])) if said[1:] else "",
        previous=there[at - 1].notebook if at else {"page": "index.html", "title": WORDS("page.overview")},
        next=there[at + 1].notebook if at + 1 < len(there) else None,
        records=path and {"name": path.relative_to(report.folder).as_posix(), "sha256": files.sha256(path)},
        **cells.parts(node, language)._asdict(),
    )
