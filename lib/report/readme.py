"""What the READMEs show of recorded runs: verdict, picture and table. No number of theirs is typed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.pages.cross_version import rules, tables
from lib.pages.cross_version.sections import several
from lib.pages.cross_version.versions import Versions
from lib.pages.fast import rules as ways
from lib.pages.fast.arms import Fast
from lib.pages.fast.chief import chief
from lib.report import candidates, headline, shell
from lib.report import verdict as verdicts
from lib.report.shell import WORDS, Report
from lib.show.table import BEST, Column, Table, plain
from lib.store import files
from lib.store.run import Run
from lib.text import Language
from lib.verdict import versions
from lib.verdict.judge import BACKEND

READMES: dict[Language, str] = {"en": "README.md", "ja": "README.ja.md"}
# What stands between markers of that name: a run in which TensorRT was timed, one without a GPU, versions of TensorRT beside each other,
# and TensorRT called in every way
GPU, CPU, VERSIONS, FAST = "gpu", "cpu", "versions", "fast"
WAYS = "10_fast"
PICTURES = {  # of blocks: the page, and the file's name
    GPU: ("index.html", "report"),
    VERSIONS: (f"{versions.PAGE}.html", "versions"),
    FAST: (f"{WAYS}.html", "fast"),
}
TOLD = (headline.ACCURACY, headline.AGREEMENT, headline.THROUGHPUT, headline.LATENCY)  # one of these that is shown makes a row
OPEN = 3  # problems, and doubts, that are said


def update(report: Report, root: Path = config.ROOT) -> list[Path]:
    """Put what a report says between the markers of its `blocks` in both READMEs below `root`; returns them.

    Raises ReportError where nothing is recorded that a README could show, and where a README has no such markers.
    """
    there = blocks(report)
    if not there:
        raise ReportError(f"{report.folder}: nothing is recorded that a README could show")
    for language, name in READMES.items():
        path = root / name
        text = path.read_text(encoding="utf-8")
        for block in there:
            before, after, written = f"<!-- {block} -->", f"<!-- /{block} -->", shown(report, language, block)
            text, count = re.subn(f"({before}\n).*?({after})", lambda m, said=written: m[1] + said + m[2], text, flags=re.DOTALL)
            if not count:
                raise ReportError(f"{path}: no line {before}; put one before the table and {after} after it")
        files.write_text(path, text)
    return [root / name for name in READMES.values()]


def find(folder: Path, system: str) -> Path:
    """results/SYSTEM below outputs/PROFILE: the one named, else the only one. Raises ReportError for none or several."""
    found = sorted({path.parent for path in (folder / "results").glob("*/*.jsonl")})
    chosen = [path for path in found if system in ("", path.name)]
    if len(chosen) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise ReportError(f"{folder / 'results'}: name one system with --system; there are: {there}")
    return chosen[0]


def blocks(report: Report) -> list[str]:
    """What a README has of a report: GPU where TensorRT was timed, CPU where there was no GPU; VERSIONS where several were compared, FAST
    where TensorRT was called in every way."""
    rows = headline.table(report.run).rows
    timed = any(row["candidate"].runner == BACKEND and headline.measured(row, headline.LATENCY) for row in rows)
    there = {
        GPU: timed,
        CPU: not timed and report.run.measured and not report.run.info.system["gpus"],
        VERSIONS: _versions(report) is not None,
        FAST: _fast(report) is not None,
    }
    return [block for block, is_there in there.items() if is_there]


def _versions(report: Report) -> Run | None:
    """The page that compares versions, where it could."""
    run = _page(report, versions.PAGE)
    return run if run and several(run) else None


def _fast(report: Report) -> Run | None:
    """The page of every way, where TensorRT was timed."""
    run = _page(report, WAYS)
    return run if run and Fast(run).versions else None


def _page(report: Report, stage: str) -> Run | None:
    return next((one.run for one in report.stages if one.notebook.stage == stage and one.run.measured), None)


def picture(report: Report, language: Language, block: str) -> str:
    """Where the picture of a block lies, as READMEs name it. Raises KeyError for a block without one."""
    return f"outputs/{report.profile}/{PICTURES[block][1]}.{language}.png"


def shown(report: Report, language: Language, block: str) -> str:
    """A block of a report as Markdown: what it says in a sentence, its picture if it has one, its table, and what it was measured on."""
    said = {VERSIONS: _of_versions, FAST: _of_ways}.get(block, _of_candidates)(report, language)
    shot = f"![{WORDS(f'readme.picture_{block}').in_(language)}]({picture(report, language, block)})\n" if block in PICTURES else ""
    return "\n".join(filter(None, [said[0] and f"**{said[0]}**\n", shot, *said[1:]]))


def _of_candidates(report: Report, language: Language) -> list[str]:
    """Verdict, the candidates of which the run shows accuracy or speed, and what they were measured on with what is wrong."""
    verdict = verdicts.of(report)
    assert verdict is not None  # of `blocks`
    listed = candidates.tables(report.run, verdict, doubtful=any(stage.doubts for stage in report.stages))[:1]
    rows = [_markdown(table, [column for column in table.columns if column in TOLD], language) for table in listed]
    return [verdict.told.in_(language), *rows, f"{_measured_on(report, language)}\n"]


def _of_versions(report: Report, language: Language) -> list[str]:
    """The page's answer, its table, and what it was measured on."""
    run = _versions(report)
    assert run is not None
    answer, table = next(rules.verdict(Versions(run))), tables.answer(run)
    more = {"caption": table.caption, "page": run.stage[:2], "builds": run.profile.versions.builds}
    measured_on = WORDS("readme.measured_versions", **_facts(report, run), **more)
    return [answer.text.in_(language), _markdown(table, [], language), f"{measured_on.in_(language)}\n"]


def _of_ways(report: Report, language: Language) -> list[str]:
    """The highest throughput, how it compares with rivals, and the chief comparisons."""
    run = _fast(report)
    assert run is not None
    found = Fast(run)
    told = [finding.text.first(language)[0] for rule in (ways.fastest, ways.against_rivals) for finding in rule(found)]
    measured_on = WORDS("readme.measured_ways", **_facts(report, run), page=run.stage[:2], rounds=run.profile.fast.rounds)
    return [_joined(told, language), _markdown(chief(run), [], language), f"{measured_on.in_(language)}\n"]


def _joined(sentences: Sequence[str], language: Language) -> str:
    return {"en": " ", "ja": ""}[language].join(sentences)


def _markdown(table: Table, told: Sequence[Column], language: Language) -> str:
    """told: columns one of which must say something, or a row is left out; none: every row is there."""
    lines = [[column.heading(language) for column in table.columns], ["---:" if c.digits is not None else "---" for c in table.columns]]
    for row in table.rows:
        if not told or any(headline.measured(row, column) for column in told):
            lines.append([_cell(row.get(column.key), column, column.key in row.get(BEST, ()), language) for column in table.columns])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object, column: Column, best: bool, language: Language) -> str:
    said = plain(value, column, language)
    estimate, bracket, ends = said.partition(" [")
    return f"**{estimate}**{bracket}{ends}" if best else said


def _measured_on(report: Report, language: Language) -> str:
    run = report.run
    more = {
        "batch": headline.batch_size(run),
        "libraries": shell.libraries(run.info.system),
        "pages": [page[:2] for page in sorted(run.files)],
    }
    return "\n".join([WORDS("readme.measured_on", **_facts(report, run), **more).in_(language), *_wrong(report, language)])


def _facts(report: Report, run: Run) -> dict[str, object]:
    """Where and when a page of a report, or its overview, was measured."""
    info, system = run.info, run.info.system
    machine = {"cpu": system["cpu"], "cores": system["cores"], "gpu": shell.gpu(system), "system": run.folder.name}
    return machine | {"profile": report.profile, "dataset": info.dataset, "date": info.started_at[:10]}


def _wrong(report: Report, language: Language) -> Iterator[str]:
    """What is red and what is amber, the first sentences of the first."""
    for kind in ("problems", "doubts"):
        told = list(dict.fromkeys(text.first(language)[0] for stage in report.stages for text in getattr(stage, kind)))
        more = [WORDS("said.more", count=len(told) - OPEN).in_(language)] if len(told) > OPEN else []
        if told:
            yield WORDS("readme.wrong", kind=WORDS(f"page.{kind}"), told=_joined([*told[:OPEN], *more], language)).in_(language)
