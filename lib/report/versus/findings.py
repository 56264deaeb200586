"""What the comparison of two runs says in sentences, the worst first."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from lib.experiment.candidate import listed, ordered
from lib.pages import common, who
from lib.report.versus import numbers, sides
from lib.report.versus.numbers import BETTER, UNDECIDED, WORSE, Compared
from lib.report.versus.sides import W
from lib.store.run import Run
from lib.text import Text
from lib.words import LEVELS, Finding, Level

LEVEL = {WORSE: "bad", BETTER: "good"}
DISTURBED = ("disturbed", "disturbed_a", "disturbed_b")
UNCLAIMED = (*DISTURBED, "one_block", "few_rounds")


def findings(a: Run, b: Run, found: Sequence[Compared]) -> list[Finding]:
    """What is worse, what is better, how much is undecided or was not judged and why, and what only one run has."""
    said = [finding for one in found if one.said in LEVEL and one.metric not in numbers.TIMES for finding in [_quality(one)]]
    broken = numbers.broken(a, b)
    said += [W.finding("bad", "failed", candidate=candidate, why=why) for candidate, why in broken.items()]
    said += [*_speeds(found), *summary(a, b, found)]
    why = Counter(one.how for one in found if one.how in UNCLAIMED)
    said += [W.finding("warn" if how in DISTURBED else "note", "unjudged", count=count, how=W(f"how.{how}")) for how, count in why.items()]
    if many := sum(one.how == "many" for one in found):
        said.append(W.finding("note", "many", count=many))
    if sides.same_dataset(a, b):
        for side, only in zip("AB", numbers.missing(a, b), strict=True):
            level: Level = "warn" if side == "A" else "note"
            said += [W.finding(level, "only_one", side=side, what=listed(ordered(only)), **who.of(only))] if only else []
    return sorted(said, key=lambda finding: LEVELS.index(finding.level))


def counted(found: Sequence[Compared]) -> Text:
    """How many numbers are worse, better, the same, undecided and not judged."""
    count = Counter(one.said for one in found)
    return W("said.line", worse=count[WORSE], better=count[BETTER], same=count["same"], undecided=count["undecided"], unjudged=count[""])


def _quality(one: Compared) -> Finding:
    assert one.apart is not None
    return W.finding(LEVEL[one.said], f"{one.metric}_{one.said}", candidate=one.candidate, points=common.percent(one.apart))  # type: ignore[arg-type]


def _speeds(found: Sequence[Compared]) -> list[Finding]:
    """One finding a candidate, scope and direction, over its batch sizes."""
    groups: dict[tuple[str, str, Text], list[Compared]] = defaultdict(list)
    for one in found:
        if one.metric in numbers.TIMES and one.said in LEVEL:
            groups[one.said, one.a.scope, one.label].append(one)
    return [
        W.finding(
            LEVEL[said],  # type: ignore[arg-type]
            f"latency_{said}",
            candidate=label,
            scope=W(f"scopes.{scope}"),
            sizes=sorted({one.batch_size or 0 for one in those}),
            low=min(one.apart.low for one in those if one.apart),
            high=max(one.apart.high for one in those if one.apart),
        )
        for (said, scope, label), those in groups.items()
    ]


def summary(a: Run, b: Run, found: Sequence[Compared]) -> list[Finding]:
    """That nothing is worse in B, or why nobody can tell; none where something is worse."""
    judged = [one for one in found if one.said]
    if not sides.same_dataset(a, b):
        return [W.finding("warn", "other_dataset")]
    if not judged:
        return [W.finding("warn", "nothing_judged" if found else "nothing_shared")]
    code = numbers.exit_code(found, numbers.broken(a, b))
    if code == numbers.SOMETHING_WORSE:
        return []
    if code == numbers.NOTHING_DECIDED:
        return [W.finding("warn", "nothing_decided", undecided=len(judged), unjudged=len(found) - len(judged))]
    return [W.finding("good", "nothing_worse", count=len(judged), undecided=sum(one.said == UNDECIDED for one in judged))]
