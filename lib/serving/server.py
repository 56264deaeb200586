"""A server under load, MLPerf's third scenario: images come at random (Poisson) and are batched over lanes; up to which rate does the 99th
percentile of the latency stay under a limit?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from typing import NamedTuple

from lib.serving import loadgen
from lib.serving.answers import Answers, Asked, as_report_error, reported
from lib.serving.batcher import Batcher
from lib.serving.lanes import Lane, call
from lib.serving.loadgen import SERVER, Outcome, Query
from lib.serving.scenarios import checked, milliseconds
from lib.stats import needed

P99 = needed(99)  # queries that carry it
WARM = 3  # calls of a lane before, with one image and with as many as it takes
LONGEST_S = 30.0  # of a run that is made longer until it carries its percentile
LEAST_RUNS = 4  # that look for a rate, however long they take


class Serving(NamedTuple):
    """How a server is run. limit_ms: of the 99th percentile; max_wait_ms: that an image may wait for a fuller batch; bound: how many wait
    at the most (None: enough for four batches a lane).

    coalesce: LoadGen hands in together what is overdue already. One call an image stops at some ten thousand a second in Python, with
    this at several times as many; but what was handed in is also answered, so that overload takes as long as it takes.
    """

    limit_ms: float = 15.0
    max_wait_ms: float = 0.0
    bound: int | None = None
    coalesce: bool = False


def server(lanes: Sequence[Lane], asked: Asked, rate: float, seconds: float, serving: Serving = Serving()) -> Outcome:  # noqa: B008
    """Images at random, `rate` a second on average, for `seconds` (longer where so few would not carry p99), batched over the lanes.

    More than the lanes can do makes it slower, nothing else: images wait, at most `bound` of them in the queue, their latency counts
    from when they were due, and after twice the time no more are sent. Raises ReportError where a lane does, at the latest when
    the run would have ended, WrongOutput.
    """
    seconds = max(seconds, min(1.1 * P99 / rate, LONGEST_S))
    bound = serving.bound or 4 * sum(lane.max_batch for lane in lanes)
    answers = Answers(len(lanes), len(asked.inputs))
    desk, over = _Desk(Batcher(bound, serving.max_wait_ms / 1e3)), Event()

    def work(number: int, lane: Lane) -> None:
        serve(number, lane)
        over.wait()  # LoadGen crashes where a thread that has told it an answer ends before the test

    def serve(number: int, lane: Lane) -> None:
        while batch := desk.waiting.take(lane.max_batch):
            try:
                indices = [query.index for query in batch]
                answers.put(number, indices, call(lane, asked.inputs[indices]))
            except BaseException as error:
                desk.fail(as_report_error(error, SERVER), batch)
                return
            loadgen.complete([query.id for query in batch])

    with reported(SERVER):
        for lane in lanes:
            for size in (1, min(lane.max_batch, len(asked.inputs))) * WARM:
                call(lane, asked.inputs[:size])
    settings = {
        "server_target_qps": rate,
        "server_coalesce_queries": serving.coalesce,
        "server_target_latency_ns": round(serving.limit_ms * 1e6),
        "server_target_latency_percentile": 0.99,
        "server_max_async_queries": bound + sum(lane.max_batch for lane in lanes) + 1,  # never reached, but by `fail`
        "min_duration_ms": milliseconds(seconds),
        "max_duration_ms": milliseconds(2 * seconds),
        "min_query_count": 1,
    }
    workers = [Thread(target=work, args=each, name=f"server-{each[0]}", daemon=True) for each in enumerate(lanes)]
    for worker in workers:
        worker.start()
    try:
        outcome = loadgen.run(SERVER, desk.issue, desk.flush, len(asked.inputs), settings)
    finally:
        desk.waiting.close()
        over.set()
        for worker in workers:
            worker.join()
    return checked(outcome, desk.errors, answers, asked)


def within(outcome: Outcome, limit_ms: float) -> bool:
    """Whether a run has a p99, and under the limit."""
    p99 = outcome.latencies_ms["p99"]
    return p99 is not None and p99 <= limit_ms


def highest_rate(
    measured: Callable[[float], Outcome], first: float, limit_ms: float, runs: int = 8, most_s: float = math.inf
) -> tuple[Outcome | None, list[Outcome]]:
    """The run of the highest rate whose p99 was under the limit, None where none was, and all runs. measured: makes one at a rate.

    Doubles or halves `first` until one rate holds and another does not, then halves the distance between them (in logarithms), until it
    is 2 % or there were `runs` runs, or LEAST_RUNS of them and `most_s` are over. A rate so slow that p99 would take over LONGEST_S is not
    asked for: "none" may be one below that.
    """
    held, failed, slowest, tried = 0.0, math.inf, P99 / LONGEST_S, list[Outcome]()
    rate, best, until = max(first, slowest), None, time.monotonic() + most_s
    while len(tried) < runs and failed > max(1.02 * held, slowest) and (len(tried) < LEAST_RUNS or time.monotonic() < until):
        outcome = measured(rate)
        tried.append(outcome)
        if within(outcome, limit_ms):
            held, best = rate, outcome
        else:
            failed = rate
        rate = 2 * held if failed == math.inf else max(failed / 2, slowest) if not held else math.sqrt(held * failed)
    return best, tried


class _Desk:
    """Where LoadGen's queries are handed in: to the queue, or after an error kept back until LoadGen has seen that too many are open and
    sends no more. It cannot be stopped otherwise."""

    def __init__(self, waiting: Batcher[Query]) -> None:
        self.waiting, self.errors = waiting, list[BaseException]()
        self._lock, self._kept, self._flushed = Lock(), list[Query](), False

    def issue(self, queries: list[Query]) -> None:
        """LoadGen's callback."""
        try:
            self._keep(self.waiting.put(queries))
        except BaseException as error:
            self.fail(as_report_error(error, SERVER), queries)

    def fail(self, error: BaseException, batch: list[Query]) -> None:
        """Nothing is computed any more. batch: whose answer there is none of."""
        self.errors.append(error)
        self._keep(batch + self.waiting.close())

    def flush(self) -> None:
        """LoadGen's callback: no more will come."""
        self.waiting.hurry()
        with self._lock:
            self._flushed = True
            kept, self._kept = self._kept, []
        loadgen.complete([query.id for query in kept])

    def _keep(self, queries: list[Query]) -> None:
        with self._lock:
            if not self._flushed:
                self._kept += queries
                return
        loadgen.complete([query.id for query in queries])
