"""How a model does in production, as MLPerf asks it: one image after the other (SingleStream), or all at once (Offline).

The third, images as they come, is server.py. MLPerf asks for 600 s a run and its own images; these runs are as short as their caller
says, and no submissions. Outputs are kept while the clock runs and checked after it.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Sequence

from lib.errors import ReportError
from lib.serving import loadgen
from lib.serving.answers import Answers, Asked, as_report_error, reported
from lib.serving.lanes import Lane, call, drain, warmed_s
from lib.serving.loadgen import OFFLINE, SINGLE_STREAM, Outcome, Query
from lib.stats import needed


def single_stream(lane: Lane, asked: Asked, seconds: float) -> Outcome:
    """One image at a time for `seconds`, the next when the last one is answered. Raises ReportError where the lane does, WrongOutput."""
    one = asked.inputs[:1]
    with reported(SINGLE_STREAM):
        took_s = statistics.median(warmed_s(lambda: call(lane, one)))
    answers, errors = Answers(1, len(asked.inputs)), list[BaseException]()

    def issue(queries: list[Query]) -> None:
        try:
            if not errors:
                for query in queries:
                    rows = slice(query.index, query.index + 1)
                    answers.put(0, rows, call(lane, asked.inputs[rows]))
        except BaseException as error:  # LoadGen cannot be left by an exception
            errors.append(as_report_error(error, SINGLE_STREAM))
        loadgen.complete([query.id for query in queries])  # after an error at once, so that its queries are soon used up

    settings = {
        "single_stream_expected_latency_ns": took_s * 0.5e9,
        "min_duration_ms": milliseconds(seconds),
        "min_query_count": needed(90),
    }
    outcome = loadgen.run(SINGLE_STREAM, issue, _nothing, len(asked.inputs), settings)
    return checked(outcome, errors, answers, asked)


def offline(lanes: Sequence[Lane], asked: Asked, seconds: float, batch: int) -> Outcome:
    """All images at once, in batches of `batch` over the lanes in turn, as many as take about `seconds`: `rate` is in images a second.

    A sample of LoadGen's is a whole batch: in Python it takes a microsecond or two a sample, more than a GPU takes an image.
    """
    blocks, most = len(asked.inputs) // batch, min(lane.max_batch for lane in lanes)
    if not blocks or batch > most:
        raise ReportError(f"batches of {batch}: there are {len(asked.inputs)} images, and lanes take {most}")
    answers, errors = Answers(len(lanes), len(asked.inputs)), list[BaseException]()

    def issue(queries: list[Query]) -> None:
        running: deque[tuple[int, Query]] = deque()

        def finish() -> None:
            number, query = running.popleft()
            answers.put(number, slice(query.index * batch, (query.index + 1) * batch), lanes[number].result())
            loadgen.complete([query.id])

        told = 0
        try:
            for turn, query in enumerate(queries):
                if len(running) == len(lanes):
                    finish()
                    told += 1
                lanes[turn % len(lanes)].submit(asked.inputs[query.index * batch : (query.index + 1) * batch])
                running.append((turn % len(lanes), query))
            while running:
                finish()
                told += 1
        except BaseException as error:
            errors.append(as_report_error(error, OFFLINE))
            drain(lanes[number] for number, _ in running)
            loadgen.complete([query.id for query in queries[told:]])

    def once_each() -> None:
        for lane in lanes:
            lane.submit(asked.inputs[:batch])
        for lane in lanes:
            lane.result()

    with reported(OFFLINE):
        took_s = min(warmed_s(once_each))
    settings = {
        "offline_expected_qps": 1.3 * len(lanes) / took_s,
        "min_duration_ms": milliseconds(seconds),
        "min_query_count": 2 * len(lanes),
    }
    outcome = loadgen.run(OFFLINE, issue, _nothing, blocks, settings)
    done = checked(outcome, errors, answers, asked)
    return done._replace(rate=done.rate * batch, samples=done.samples * batch)


def checked(outcome: Outcome, errors: Sequence[BaseException], answers: Answers, asked: Asked) -> Outcome:
    """A test that is over: its outcome, unless something went wrong meanwhile or an answer is not what is expected; that is raised."""
    if errors:
        raise errors[0]
    answers.check(asked)
    return outcome


def milliseconds(seconds: float) -> int:
    """As LoadGen takes a duration."""
    return max(1, round(seconds * 1e3))


def _nothing() -> None:
    pass
