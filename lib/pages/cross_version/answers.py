"""Does it compute the same? Answers of versions, of builds of one version, and of Python and C++ against each other."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from lib import stats
from lib.pages import common
from lib.pages.cross_version.versions import CPP, PYTHON, Builds, Engine, Key, Versions
from lib.stats import Interval
from lib.store.records import Reason, Record

BETWEEN = ("first_version", "by_flag")  # what a version's answers are compared with, one engine with another kind of engine
WITHIN = ("first_build", "python")  # and what tells builds and callers of one version apart


@dataclass(frozen=True)
class Answers:
    """The answers of a version's builds against others, over all test images.

    same_bits: share of the images whose outputs are the same to the bit; max_abs: largest difference of an output; changed: images
    that change class; paired: images that one side alone has right. A value a build each.
    """

    against: str
    version: str
    engine: Engine
    runner: str
    same_bits: Builds
    max_abs: Builds
    changed: Builds
    paired: Builds
    reason: Reason | None

    @property
    def images(self) -> int:
        """How many were answered, 0 where none were."""
        return max((int(record.stats["total"]) for record in self.changed.values()), default=0)  # type: ignore[arg-type]

    @property
    def same_share(self) -> float | None:
        """Share of images that are the same to the bit, of the build that has the fewest."""
        return min((record.value for record in self.same_bits.values()), default=None)  # type: ignore[type-var]

    @property
    def largest(self) -> float | None:
        """The largest difference of any build."""
        return max((record.value for record in self.max_abs.values()), default=None)  # type: ignore[type-var]

    @property
    def most_changed(self) -> int | None:
        """Images that change class, of the build that changes most."""
        return max((int(record.value) for record in self.changed.values()), default=None)  # type: ignore[arg-type]

    @property
    def changes(self) -> Interval | None:
        """Images that change class: the median of the builds, the fewest and the most."""
        return middle(self.changed)

    @property
    def points(self) -> Interval | None:
        """Accuracy gained, percentage points, paired by image, of the build that is furthest off; None without labels."""
        found = [common.percent(stats.paired(*counts(record))) for record in self.paired.values()]
        return max(found, key=lambda points: abs(points.value), default=None)

    @property
    def losing(self) -> list[int]:
        """Builds that surely lose more accuracy than the margin (lib/pages/common.py)."""
        return [n for n, record in self.paired.items() if stats.loss(*counts(record), common.LOSS_MARGIN) == "over"]


def found(versions: Versions, kinds: tuple[str, ...]) -> list[Answers]:
    """Every comparison of some kinds, in the order of these, then of the report."""
    made = []
    for against in kinds:
        for engine in versions.engines:
            for version in versions.names:
                made += [answers(versions, against, version, engine, runner) for runner in (PYTHON, CPP)]
    return [one for one in made if one is not None]


def answers(versions: Versions, against: str, version: str, engine: Engine, runner: str) -> Answers | None:
    """One comparison; None where nothing of it was recorded."""
    keys = [Key(metric, version, engine, runner, against) for metric in ("same_bits", "max_abs", "changed", "paired")]
    if not any(map(versions.asked, keys)):
        return None
    numbers = [versions.builds(key.metric, version, engine, runner, against) for key in keys]
    return Answers(against, version, engine, runner, *numbers, reason=versions.why(keys[0]) or versions.why(keys[2]))


def counts(record: Record) -> tuple[int, int, int]:
    """Images that only the base has right, that only this one has, and all."""
    return int(record.stats["only_base"]), int(record.stats["only_this"]), int(record.stats["total"])  # type: ignore[arg-type]


def middle(builds: Builds, factor: float = 1.0) -> Interval | None:
    """Median of a number over builds, with the smallest and the largest in the place of an interval's ends; None without any."""
    values = [factor * record.value for record in builds.values() if record.value is not None]
    return Interval(median(values), min(values), max(values)) if values else None


def judged(versions: Versions, version: str, engine: Engine, metric: str) -> Interval | Reason | None:
    """Accuracy, or agreement with the reference, of a version's first build that has it (%), with its Wilson interval; or why not."""
    builds = versions.builds(metric, version, engine)
    if not builds:
        return versions.why(Key(metric, version, engine))
    return common.share(next(iter(builds.values())))
