"""Is the newer one faster? Throughputs of versions against each other, over several builds a side, and how builds of one spread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from lib import stats, two_level
from lib.measure.state import disturbances
from lib.pages.cross_version.versions import SAVED, Builds, Calling, Engine, Spot, Versions
from lib.stats import Interval
from lib.store.records import Reason

Verdict = Literal["faster", "slower", "same", "undecided", "disturbed"]


@dataclass(frozen=True)
class Comparison:
    """Two versions at one spot. ratio: throughput of `other` over that of `base`, with its interval over builds and rounds."""

    spot: Spot
    base: str
    other: str
    ratio: Interval
    verdict: Verdict


def comparisons(found: Versions, scope: str = "end_to_end", variants: Iterable[str] = ("",)) -> list[Comparison]:
    """Every spot of a scope where both the lowest version and another have builds that were timed, spot by spot."""
    chosen = tuple(variants)
    spots = [spot for spot in found.spots if spot.scope == scope and spot.engine.variant in chosen]
    every = [compared(found, spot, other) for spot in spots for other in found.others]
    return [comparison for comparison in every if comparison is not None]


def compared(found: Versions, spot: Spot, other: str) -> Comparison | None:
    """Another version against the lowest at a spot; None unless both were timed there, in the same rounds."""
    base, own = samples(base_builds(found, spot)), samples(found.latencies(other, spot))
    if not base or not own or len({len(rounds) for rounds in base + own}) > 1:
        return None
    told = two_level.compared_builds(own, base, least_ratio(found))
    return Comparison(spot, found.base, other, told.ratio, "disturbed" if disturbed(found, spot) else told.said)


def least_ratio(found: Versions) -> float:
    """What a ratio must be beyond for two speeds to differ (0.02 is 2 %), as the profile says."""
    return found.run.profile.measuring.least_ratio


def base_builds(found: Versions, spot: Spot) -> Builds:
    """What others are compared with: builds of the lowest version, its usual ones where it has none of a variant."""
    return found.latencies(found.base, spot) or found.latencies(found.base, usual(spot))


def usual(spot: Spot) -> Spot:
    """The same spot of engines that were built the usual way."""
    return spot._replace(engine=Engine(spot.engine.precision))


def disturbed(found: Versions, spot: Spot) -> list[tuple[str, dict[str, Any]]]:
    """What made the rounds of a spot doubtful, as lib.measure.state tells it."""
    seen = found.block(spot)
    return disturbances(seen.value, seen.stats.get("gpu") or {}) if seen else []  # type: ignore[arg-type]


def samples(builds: Builds) -> list[list[float]]:
    """Round means (ms) of each build."""
    return [list(record.samples) for record in builds.values()]


def rate(found: Versions, version: str, spot: Spot) -> Interval | Reason | None:
    """Images a second of a version over its builds, one value a build; why there is none, None where nothing was recorded."""
    builds = samples(found.latencies(version, spot))
    if not builds:
        return found.why_not_timed(version, spot)
    return stats.rate([stats.time(rounds).value for rounds in builds], spot.batch_size)


def relative(found: Versions, version: str, spot: Spot) -> list[float]:
    """Throughput of each build of a version over the mean of the lowest version's builds; empty where either was not timed."""
    base, own = samples(base_builds(found, spot)), samples(found.latencies(version, spot))
    if not base or not own:
        return []
    middle = stats.time([stats.time(rounds).value for rounds in base]).value
    return [middle / stats.time(rounds).value for rounds in own]


def spreads(found: Versions, version: str, engine: Engine) -> list[float]:
    """How far the builds of a version spread (0.02 is 2 %), beyond their rounds, at every spot of an engine where several were timed."""
    every = [_spread(found, version, spot) for spot in found.spots if spot.engine == engine]
    return [apart for apart in every if apart is not None]


def saved(found: Versions, version: str, engine: Engine) -> tuple[float, float] | None:
    """(spread of builds from an empty timing cache, of builds from the saved one): medians over the spots where both were timed, None
    where there are none."""
    spots = [spot for spot in found.spots if spot.engine == engine._replace(variant=SAVED)]
    pairs = [(_spread(found, version, usual(spot)), _spread(found, version, spot)) for spot in spots]
    both = [(before, after) for before, after in pairs if before is not None and after is not None]
    return (median(before for before, _ in both), median(after for _, after in both)) if both else None


def _spread(found: Versions, version: str, spot: Spot) -> float | None:
    builds = samples(found.latencies(version, spot))
    alike = len({len(rounds) for rounds in builds}) == 1
    return two_level.spread(builds).value if len(builds) > 1 and alike and len(builds[0]) > 1 else None


def count(found: Versions, version: str, engine: Engine) -> int:
    """How many builds of a version were timed."""
    return max((len(found.latencies(version, spot)) for spot in found.spots if spot.engine == engine), default=0)


def least_count(found: Versions, engine: Engine) -> int:
    """How many builds were timed of the version of which the fewest were."""
    return min(count(found, version, engine) for version in found.names)


def findable(found: Versions, engine: Engine) -> float | None:
    """The smallest true difference between versions (0.05 is 5 %) that so many builds which spread so far show in nine of ten runs.

    Noise of the rounds, which is not in it, makes it larger. None where a version has fewer than two builds.
    """
    fewest = least_count(found, engine)
    every = [spread for version in found.names for spread in spreads(found, version, engine)]
    return two_level.findable(fewest, median(every), least_ratio(found)) if fewest > 1 and every else None


def main_calling(found: Versions) -> Calling | None:
    """The way of calling that the first table shows: C++, plain, where it was timed, else Python, plain."""
    timed = [spot.calling for spot in found.spots if any(found.latencies(version, spot) for version in found.names)]
    plain = [calling for calling in timed if not calling.graph] or timed
    return max(plain, key=lambda calling: calling.runner == "cpp", default=None)
