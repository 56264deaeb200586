"""What lanes do in production, recorded: the pipeline over all test images, and SingleStream, Offline, Server and an overload of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from lib import deadline, onnx_session, progress
from lib.errors import ReportError
from lib.measure import sweep
from lib.measure.fast import served
from lib.measure.fast.served import Fed, Feed
from lib.measure.kept import kept
from lib.serving.load import TRIED, Load, under_load
from lib.serving.pipeline import SPENT
from lib.serving.runs import Piped, Scene
from lib.serving.server import LONGEST_S, P99, Serving, within
from lib.stats import PERCENTILES
from lib.store.records import Reason, Record

MEMORY, FILES = "memory", "files"  # where the images of a pipeline lie
PIPELINE, SINGLE, OFFLINE, SERVER, OVERLOAD = "pipeline", "single_stream", "offline", "server", "server_overload"
UNITS = {PIPELINE: "images/s", SINGLE: "ms", OFFLINE: "images/s", SERVER: "images/s", OVERLOAD: "images/s"}
PASS_S = 0.3  # that a repeat of a pipeline takes at least, where the profile's slices are shorter than a third of it: several passes
MOST_PASSES = 500
SEARCH, LEAST_S = 1 / 20, 0.5  # of the seconds that a rate must be held: of each run that looks for it; so long at least, or as it is held
HALVED = 2  # times the seconds that a rate must be held: after which no lower rate is tried any more
SHORT = 1 / 12  # …: of SingleStream, Offline and the overload
NO_LOADGEN = Reason("not_installed", {"package": "mlcommons-loadgen"})


def pipelines(feed: Feed, files: bool = True) -> list[Record]:
    """`pipeline` (images/s) from memory and, where the test images are files and it is asked for, from these, measured once a run."""
    made = list[Record]()
    for source in (MEMORY, FILES) if files and feed.session.images.files else (MEMORY,):
        made += _kept(feed, [PIPELINE], {"source": source}, partial(_piped, feed, source))
    return made


def streams(feed: Feed) -> list[Record]:
    """`single_stream` (ms: the 90th percentile) of one lane, measured once a run."""
    seconds = _seconds(feed, SHORT)

    def measure(fed: Fed) -> list[Record]:
        scene = fed.scene(SINGLE, seconds)
        return [_scene(feed, SINGLE, scene.outcome.latencies_ms["p90"], scene, seconds)]

    return _scenario(feed, [SINGLE], measure)


def offline(feed: Feed) -> list[Record]:
    """`offline` (images/s), measured once a run."""
    seconds = _seconds(feed, SHORT)

    def measure(fed: Fed) -> list[Record]:
        scene = fed.scene(OFFLINE, seconds, batch=feed.size)
        return [_scene(feed, OFFLINE, scene.outcome.rate, scene, seconds)]

    return _scenario(feed, [OFFLINE], measure)


def server(feed: Feed, first: float, at_most_s: float = math.inf) -> list[Record]:
    """`server`, the highest rate (images/s) at which p99 stays under the profile's limit, and `server_overload` at twice that; measured
    once a run. first: a rate to try first; at_most_s: that it is held, where the profile asks for longer."""
    asked = feed.session.profile.fast
    held_s = min(asked.server_s, at_most_s)
    serving = Serving(limit_ms=asked.limit_ms, coalesce=True)

    def measure(fed: Fed) -> list[Record]:
        def at(rate: float, seconds: float) -> Scene:
            return fed.scene(SERVER, seconds, rate=rate, serving=serving)

        search_s, over_s = _search_s(held_s), SHORT * held_s
        load = halved(at, under_load(at, first, asked.limit_ms, search_s, held_s, over_s), asked.limit_ms, held_s, over_s)
        if load.rate is None or load.held is None or load.overload is None:
            none = Reason("no_rate")
            return [Record(metric, UNITS[metric], None, reason=none, **feed.common) for metric in (SERVER, OVERLOAD)]
        tried = [[rate, p99] for rate, p99 in load.tried]
        more = {"wrong": 0, "asked": 2 * load.rate}  # a wrong answer would have ended it
        return [
            _scene(feed, SERVER, load.rate, load.held, held_s, limit_ms=asked.limit_ms, tried=tried),
            _scene(feed, OVERLOAD, load.overload.outcome.rate, load.overload, over_s, **more),
        ]

    return _scenario(feed, [SERVER, OVERLOAD], measure)


def halved(measured: Callable[[float, float], Scene], load: Load, limit_ms: float, held_s: float, overload_s: float) -> Load:
    """Where short runs promised a rate that no long one held, as on a disturbed machine: half of the lowest that was tried, and so on, for
    HALVED times as long as it must be held. Else the load as it is."""
    tried, until = list(load.tried), time.monotonic() + HALVED * held_s
    while load.rate is None and time.monotonic() < until and (rate := min(rate for rate, _ in tried) / 2) > P99 / LONGEST_S:
        scene = measured(rate, held_s)
        tried.append((rate, scene.outcome.latencies_ms["p99"]))
        if within(scene.outcome, limit_ms):
            return Load(rate, scene, measured(2 * rate, overload_s), tried)
    return load._replace(tried=tried)


def needed_s(feed: Feed, *metrics: str) -> float:
    """About how long they take: a rate is found in some eight runs, which may each take twice as long, tried for longer in three, and held
    in two."""
    seconds = feed.session.profile.fast.server_s
    each = {
        PIPELINE: 5 + 2 * PASS_S * (feed.session.profile.fast.rounds + 1),
        SERVER: seconds * (2 + 3 * TRIED) + 12 * _search_s(seconds),
        OVERLOAD: 2 * SHORT * seconds,
    }
    return 3 + sum(each.get(metric, 2 + SHORT * seconds) for metric in metrics)


def _search_s(held_s: float) -> float:
    return min(held_s, max(LEAST_S, SEARCH * held_s))


def _seconds(feed: Feed, share: float) -> float:
    return feed.session.profile.fast.server_s * share


def _piped(feed: Feed, source: str, fed: Fed) -> list[Record]:
    """Repeats of a pipeline, each of which lasts long enough to be timed."""
    asked, readers = feed.session.profile.fast, onnx_session.threads()

    def run(times: int) -> Piped:
        piped = fed.pipe(times) if source == MEMORY else served.from_files(feed, fed, readers)
        served.judged(feed, fed, piped)
        return piped

    def passes(pass_s: float) -> int:
        return min(MOST_PASSES, max(1, math.ceil(min(PASS_S, 3 * asked.slice_s) / pass_s)))

    times = passes(run(1).ran.seconds)  # takes what is taken once
    if source == MEMORY and times > 1:  # a pass is over before clocks and caches have settled
        times = passes(run(times).ran.seconds / times)
    done = [run(times) for _ in range(asked.rounds)]
    rates = [one.images_s for one in done]
    slowest = done[rates.index(min(rates))]
    own = source == MEMORY and feed.apart  # else decoding, and the model itself, take theirs in the same process
    peak = max(one.peak_bytes for one in done) if own else None
    stats: dict[str, Any] = {"images": done[0].images, "ring_bytes": done[0].ring_bytes, "peak_bytes": peak}
    stats |= {"busy_s": dict(slowest.ran.busy_s)} | {key: getattr(slowest.ran, key) for key in SPENT}
    stats |= {"seconds": slowest.ran.seconds, "passes": times if source == MEMORY else 1}
    common = feed.common | {"case": feed.case | {"source": source}}
    return [Record(PIPELINE, UNITS[PIPELINE], sum(rates) / len(rates), stats=stats, samples=rates, **common)]


def _scene(feed: Feed, metric: str, value: float | None, scene: Scene, seconds: float, **more: Any) -> Record:
    outcome = scene.outcome
    told: dict[str, Any] = {"seconds": seconds, "samples": outcome.samples, "valid": outcome.valid, "short": outcome.short}
    told |= {name: outcome.latencies_ms.get(name) for name in PERCENTILES}
    told |= {"p99_ms": outcome.latencies_ms["p99"], "peak_bytes": scene.peak_bytes} | more
    reason = Reason("not_recorded") if value is None else None
    return Record(metric, UNITS[metric], value, stats=told, reason=reason, **feed.common)


def _scenario(feed: Feed, metrics: list[str], measure: Callable[[Fed], list[Record]]) -> list[Record]:
    if not feed.loadgen and not isinstance(feed.open, Reason):
        feed = feed._replace(open=NO_LOADGEN)
    return _kept(feed, metrics, {}, measure)


def _kept(feed: Feed, metrics: list[str], case: dict[str, str], measure: Callable[[Fed], list[Record]]) -> list[Record]:
    """What a step gives, measured once a run; a reason for each metric where it fails."""
    name = " ".join([feed.candidate.key, *map(str, feed.case.values()), f"at batch {feed.size}:", *metrics, *case.values()])
    asked = feed.session.profile.fast
    about = {"identity": feed.identity, "asked": asked.model_dump(), "case": feed.case}

    def opened() -> list[Record]:
        assert not isinstance(feed.open, Reason)
        deadline.check(needed_s(feed, *metrics))
        progress.say(f"{name}, about {progress.duration(needed_s(feed, *metrics))}")
        with ExitStack() as stack:
            return measure(feed.open(stack))

    try:
        reason = feed.open if isinstance(feed.open, Reason) else None
        found = [] if reason else kept(feed.session, name, about, opened)
    except ReportError as error:
        reason, found = sweep.why(error), []
    if reason is None:
        return found
    common = feed.common | {"case": feed.case | case}
    return [Record(metric, UNITS[metric], None, reason=reason, **common) for metric in metrics]
