"""Up to which rate a server holds its latency, for long, and what it does when twice as many images come."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lib.serving.loadgen import Outcome
from lib.serving.runs import Scene
from lib.serving.server import highest_rate, within

BACK, LOWERED = 0.92, 6  # by what a rate is lowered that was held for a short time only, and how often
TRIED = 1 / 6  # of the time that a rate must be held: for which it is tried before, for most that fail do so early
LOOKED = 4  # times as long as a rate is held: after which no further one is looked for


class Load(NamedTuple):
    """How a server did. rate: the highest that it held for long, images a second, None for none; held: that run; overload: at twice that
    rate, None without one; tried: every (rate, p99 in ms or None) that was run to find it, in order."""

    rate: float | None
    held: Scene | None
    overload: Scene | None
    tried: list[tuple[float, float | None]]


def under_load(
    measured: Callable[[float, float], Scene], first: float, limit_ms: float, search_s: float, held_s: float, overload_s: float = 0.0
) -> Load:
    """Find the highest rate in runs of `search_s` (highest_rate, LOOKED), hold it for `held_s`, and overload the server for `overload_s`
    (0: not). measured: makes a run at a rate for so many seconds. A rate that is not held for TRIED of held_s, and then for all of it, is
    lowered by BACK, LOWERED times at most."""
    tried: list[tuple[float, float | None]] = []

    def at(rate: float, seconds: float) -> Scene:
        scene = measured(rate, seconds)
        tried.append((rate, scene.outcome.latencies_ms["p99"]))
        return scene

    def short(rate: float) -> Outcome:
        return at(rate, search_s).outcome

    highest_rate(short, first, limit_ms, most_s=LOOKED * held_s)
    rate = max((rate for rate, p99 in tried if p99 is not None and p99 <= limit_ms), default=None)
    for _ in range(0 if rate is None else LOWERED + 1):
        assert rate is not None
        if within(at(rate, max(search_s, TRIED * held_s)).outcome, limit_ms):
            held = at(rate, held_s)
            if within(held.outcome, limit_ms):
                return Load(rate, held, measured(2 * rate, overload_s) if overload_s else None, tried)
        rate *= BACK
    return Load(None, None, None, tried)
