"""The overview's tables: the candidates that the verdict is on with what they are compared with, then what else there is, folded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lib.experiment.candidate import Candidate, listed
from lib.pages.against import reference
from lib.pages.common import NOT_RECORDED
from lib.report import headline
from lib.report.headline import ACCURACY, AGREEMENT, GPU, LATENCY, SIZE, THROUGHPUT
from lib.report.shell import WORDS
from lib.show.columns import columns
from lib.show.table import BEST, Column, Table
from lib.store.records import Reason
from lib.store.run import Run
from lib.text import Text
from lib.verdict.check import WORDS as VERDICT
from lib.verdict.judge import Verdict

MOST = 10  # rows that stand open
NAME, WHY = columns(WORDS, "named why")
DECISION = Column("decision", WORDS("page.verdict"))
NUMBERS = (ACCURACY, AGREEMENT, THROUGHPUT, LATENCY, SIZE)  # in this order
MEASURED = (ACCURACY, AGREEMENT, LATENCY, GPU)  # one of these makes a row: a file's size alone says nothing of a candidate


def tables(run: Run, verdict: Verdict | None, doubtful: bool = False) -> list[Table]:
    """The headline table of a run (`headline.table`) as the overview has it: what stands open, what stands behind it, and what was not
    measured with the reasons; the last two folded, and only where there are rows. Empty where nothing was measured at all.

    Of more than MOST rows those that the verdict is on, the reference and the best stand open, or where the verdict is on none of
    them the first. Rows carry all that those of the headline table do.
    """
    whole = headline.table(run, doubtful)
    decisions = {one.candidate: _marked(one.decision) for one in verdict.judged} if verdict else {}
    rows = [{NAME.key: row["candidate"].label, DECISION.key: decisions.get(row["candidate"])} | row for row in whole.rows]
    there = [row for row in rows if any(headline.measured(row, column) for column in MEASURED)]
    judged = any(row[DECISION.key] for row in there)
    front = _front(there, {*decisions, reference(run)} if judged else set())
    behind, lost = [row for row in there if row not in front], [row for row in rows if row not in there]
    shown = [NAME, *([DECISION] if judged else []), *(column for column in NUMBERS if column in whole.columns)]
    made = [
        Table(front, shown, whole.caption),
        Table(behind, shown, WORDS("headline.behind", count=len(behind)), folded=True),
        Table(list(_by_reason(lost)), [NAME, WHY], WORDS("headline.unmeasured", count=len(lost)), folded=True),
    ]
    return [table for table in made if table.rows]


def _front(rows: list[dict[str, Any]], asked: set[Candidate]) -> list[dict[str, Any]]:
    if len(rows) <= MOST:
        return rows
    first = [row for row in rows if row["candidate"] in asked or row.get(BEST)] if asked else rows
    return first[:MOST]


def _by_reason(rows: Iterable[dict[str, Any]]) -> Iterable[dict[str, Text]]:
    """A row each reason why nothing was measured, with all that it keeps from it: for each the first that it gives."""
    found: dict[Reason, list[Candidate]] = {}
    for row in rows:
        reasons = (row[column.key] for column in MEASURED if isinstance(row[column.key], Reason))
        found.setdefault(next(reasons, NOT_RECORDED), []).append(row["candidate"])
    return ({NAME.key: listed(lacking), WHY.key: reason.text} for reason, lacking in found.items())


def _marked(decision: str) -> Text:
    """The decision in words, with a mark of its colour."""
    from markupsafe import Markup

    mark = Markup('<span class="mark {}">{}</span>')
    return Text(*(mark.format(decision, said) for said in VERDICT.groups["decisions"][decision]))
