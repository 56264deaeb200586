"""What notebook 10 measures: every way to call the model's engines, in every TensorRT that is here, beside what people use instead.

Each TensorRT runs in a worker: those that TENSORRT_PYTHONS names, or that of this environment. Where there is none, the processor is
measured. Everything is measured once in a run, a block at a time (lib/measure/kept.py), so that a stop loses one at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from lib import progress
from lib.experiment import system
from lib.experiment.candidate import PLAIN, Candidate, Way
from lib.measure.fast import blocks, engines, fastest, here, limits, production, served, ways
from lib.measure.fast.engines import Pair, Regimes, large_sizes
from lib.measure.fast.fastest import Chosen
from lib.pages.fast.exhibits import Layer, PlacedEngine, Roofline
from lib.plans.remote import Worker
from lib.runners.onnxrt import OnnxRuntime
from lib.serving.server import P99
from lib.session import Session
from lib.store.records import Reason, Record

GROWTH = 1.02  # times as many images a second that a larger batch must bring, or no larger one is tried
# On a processor: seconds that a rate is held at most; that a run may take until it carries its 99th percentile, or no rate is looked for;
# and how many times server_s it may take at most
CPU_SERVER_S, CPU_RUN_S, CPU_LONGER = 5.0, 2.5, 5
FIRST_RATE = 20_000.0  # images a second that a server is asked for first, at most
# Of small batches and of large ones: seconds that both engines of a regime take, ways of a version, seconds of rivals, all about
BUILDS_S, WAYS, RIVALS_S, OPENS_S = (40.0, 50.0), (10, 4), (120.0, 40.0), 1.5


def measure(session: Session) -> None:
    """Record what each way reaches, the answers of every lane, a pipeline, the ceilings, scenarios, and rivals."""
    here.measured(session, _with, _without)


def _with(session: Session, team: list[Worker]) -> None:
    """All that is measured on TensorRT."""
    asked = session.profile.fast
    progress.say(f"about {progress.duration(_expected_s(session, team))} in all, less what is there already")
    known = [record for worker in team for record in limits.ceilings(session, worker)]
    found, shares = list[Record](), list[Record]()
    for precision in asked.precisions:
        built = engines.regimes(session, team, precision)
        for engine in built.every:
            session.record(*engine.records())
        own = [record for size, pairs in built.small.items() for record in ways.small(session, precision, size, pairs).measured()]
        large, sizes = _large(session, precision, built.large)
        found += own + large
        shares += _shares(session, built, sizes[-1:], known + own + large)
        session.record(*_fed(session, built, own + large, scenarios=precision == asked.precisions[0]))
    session.record(*known, *blocks.once(found), *(_bare(one) for one in shares))
    session.exhibit("roofline", Roofline(engines=[_exhibited(one) for one in shares if one.value is not None]))


def _large(session: Session, precision: str, pairs: list[Pair]) -> tuple[list[Record], list[int]]:
    """The blocks of large batches, up to where throughput stops growing or memory ends; and their sizes."""
    best, found, sizes = 0.0, list[Record](), list[int]()
    for size in engines.fitting(session, pairs):
        made = ways.large(session, precision, size, pairs).measured()
        found += made
        rate = fastest.ours(made)
        if not rate:  # its reasons say why
            break
        sizes.append(size)
        if rate < GROWTH * best:
            progress.say(f"{precision}: {rate:,.0f} images/s at batch {size}, {best:,.0f} below it: no larger batch is tried")
            break
        best = rate
    return found, sizes


def _shares(session: Session, built: Regimes, sizes: Sequence[int], known: Sequence[Record]) -> list[Record]:
    """How near the ceiling each version's engines are: with floats at small batches, compact at the largest that was timed."""
    wanted = [(pair.plain, size) for size, pairs in built.small.items() for pair in pairs]
    wanted += [(pair.compact, size) for size in sizes for pair in built.large]
    return [limits.share(session, engine, size, known) for engine, size in wanted]


def _fed(session: Session, built: Regimes, known: Sequence[Record], scenarios: bool) -> list[Record]:
    """Pipelines of each version at its best batch sizes, and the scenarios."""
    made = list[Record]()
    for place in range(len(next(iter(built.small.values())))):
        best = fastest.best(session, built, place, known)
        for number, one in enumerate(best):
            made += production.pipelines(one.feed(session), files=not number)
        if scenarios:
            made += _scenarios(session, built, place, best[0], known)
    return made


def _scenarios(session: Session, built: Regimes, place: int, best: Chosen, known: Sequence[Record]) -> list[Record]:
    """SingleStream at the smallest batch, Offline as is fastest, Server with dynamic batching up to the largest of the small ones."""
    least, largest, most = min(built.small), max(built.small), max(session.profile.fast.lanes)
    single, server = built.small[least][place].plain, built.small[largest][place].plain
    feed = partial(served.in_worker, session)
    sizes = tuple(2**power for power in range(16) if 2**power < largest) if session.spec.batch is None else ()
    one, several = (replace(single.candidate, way=way) for way in (ways.GRAPH, ways.lanes(most)))
    rate = fastest.of(known, server, ways.lanes(most), largest)
    return [
        *production.streams(feed(single, one, least)),
        *production.offline(best.feed(session)),
        *production.server(feed(server, several, largest, sizes), min(FIRST_RATE, rate / 2 or FIRST_RATE)),
    ]


def _bare(one: Record) -> Record:
    """A share without the layers that it brought for the exhibit."""
    return replace(one, stats={key: value for key, value in one.stats.items() if key != limits.LAYERS})


def _exhibited(one: Record) -> PlacedEngine:
    assert one.candidate is not None
    layers = [Layer(**layer) for layer in one.stats[limits.LAYERS]]  # type: ignore[union-attr, arg-type, union-attr]
    where = {"tensorrt": str(one.case["tensorrt"]), "precision": one.candidate.precision}
    return PlacedEngine(batch_size=one.batch_size or 1, layers=layers, **where)


def _without(session: Session, reasons: Sequence[Reason]) -> None:
    """Why there is no TensorRT; and what the processor can."""
    asked = session.profile.fast
    here.lost(session, reasons[0])
    found, lost = list[Record](), OnnxRuntime.unavailable("fp32")
    for precision in [] if lost else ways.CPU_PRECISIONS:
        found += [record for size in asked.batch_sizes for record in ways.on_cpu(session, precision, size).measured()]
        largest, least = max(asked.batch_sizes), min(asked.batch_sizes)
        make = partial(OnnxRuntime, session, Candidate(OnnxRuntime.name, precision))
        one, several = (Candidate(OnnxRuntime.name, precision, way) for way in (PLAIN, Way(lanes=ways.CPU_LANES)))
        feed = served.in_threads(session, several, largest, make)
        session.record(*production.pipelines(feed))
        if precision == ways.CPU_PRECISIONS[0]:
            rate = max((fastest.images_s(r) for r in found if r.candidate == several and r.batch_size == largest), default=0.0)
            session.record(*production.streams(served.in_threads(session, one, least, make)), *production.offline(feed))
            slow = feed._replace(open=Reason("few_a_second")) if rate < P99 / min(CPU_RUN_S, CPU_LONGER * asked.server_s) else feed
            session.record(*production.server(slow, max(1.0, rate / 2), CPU_SERVER_S))
    session.record(*blocks.once(found))


def _expected_s(session: Session, team: list[Worker]) -> float:
    """About how long all of it takes."""
    asked, large = session.profile.fast, large_sizes(session)
    counts = len(asked.batch_sizes), len(large)
    way_s = OPENS_S + asked.warmup_s + 1.5 * asked.slice_s * (asked.rounds + 1)
    builds = BUILDS_S[0] * counts[0] + (BUILDS_S[1] if large else 0)
    timed = sum(count * len(asked.precisions) * number * len(team) * way_s for count, number in zip(counts, WAYS, strict=True))
    beside = sum(count * seconds for count, seconds in zip(counts, RIVALS_S, strict=True)) if system.gpus() else 0.0
    fed = 3 * asked.server_s + 5 * len(asked.precisions) * (1 + len(large))
    return timed + beside + len(team) * (limits.CEILING_S + len(asked.precisions) * builds + fed)
