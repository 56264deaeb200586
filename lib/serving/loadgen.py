"""MLPerf's load generator, as the package mlcommons-loadgen has it: starts one test and reads what it logged. Optional.

Source: github.com/mlcommons/inference, loadgen (test_settings.h, results.cc). One test at a time in a process.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lib.errors import NotMeasured, ReportError
from lib.stats import PERCENTILES, needed
from lib.timer import uncollected

MARK = ":::MLLOG "  # begins every line of the log
SINGLE_STREAM, OFFLINE, SERVER = "SingleStream", "Offline", "Server"
PACKAGE = "mlcommons-loadgen"


class Query(NamedTuple):
    """One sample that is asked for: index, of the library; id, by which the answer is told."""

    id: int
    index: int


class Outcome(NamedTuple):
    """What a test said. valid: LoadGen's own word, by the settings of this test, not MLPerf's rules for submissions.

    latencies_ms: {"p50": …} from when a sample was due until its answer; None where there are too few to carry it; samples: answered;
    rate: answered a second; scheduled: due a second (Server, else None); short: why it is not valid, in LoadGen's words.
    """

    scenario: str
    valid: bool
    latencies_ms: dict[str, float | None]
    samples: int
    rate: float
    scheduled: float | None
    short: str


def installed() -> bool:
    """Whether there are scenarios here. Imports nothing."""
    return importlib.util.find_spec("mlperf_loadgen") is not None


def run(
    scenario: str,
    issue: Callable[[list[Query]], None],
    flush: Callable[[], None],
    samples: int,
    settings: dict[str, Any],
) -> Outcome:
    """One test over a library of `samples` samples. issue: is given the queries when they are due, and must see to it that each is told
    to `complete` sooner or later, in any thread; flush: no more will come. Neither may raise. settings: attributes of TestSettings.

    Raises NotMeasured where the package is missing, ReportError for a setting that it does not have and a log that cannot be read.
    """
    if not installed():
        raise NotMeasured(f"{PACKAGE} is not installed; install it beside NumPy with pip", scenario)
    import mlperf_loadgen as lg

    asked = lg.TestSettings()
    asked.scenario, asked.mode = getattr(lg.TestScenario, scenario), lg.TestMode.PerformanceOnly
    for name, value in settings.items():
        if not hasattr(asked, name):
            raise ReportError(f"LoadGen has no setting {name}; another version of mlcommons-loadgen has, take the one of requirements.lock")
        setattr(asked, name, value)
    with tempfile.TemporaryDirectory() as folder:
        log = lg.LogSettings()
        log.enable_trace = False
        log.log_output.outdir, log.log_output.copy_summary_to_stdout = folder, False
        sut = lg.ConstructSUT(lambda given: issue([Query(one.id, one.index) for one in given]), flush)
        library = lg.ConstructQSL(samples, samples, lambda _: None, lambda _: None)
        try:
            with uncollected():
                lg.StartTestWithLogSettings(sut, library, asked, log, "")
        finally:
            lg.DestroyQSL(library)
            lg.DestroySUT(sut)
        return read(scenario, (Path(folder) / "mlperf_log_detail.txt").read_text())


def complete(ids: Sequence[int]) -> None:
    """Tell LoadGen that these queries are answered, each once. The outputs stay here: in a test of speed it looks at none.

    The thread that tells it must live until `run` is over: LoadGen 6.0.17 reads the thread's own log after that, and crashes the process.
    """
    import mlperf_loadgen as lg

    lg.QuerySamplesComplete([lg.QuerySampleResponse(one, 0, 0) for one in ids])


def read(scenario: str, log: str) -> Outcome:
    """The outcome that stands in mlperf_log_detail.txt. Raises ReportError for a log without one."""
    told: dict[str, Any] = {}
    for line in log.splitlines():
        if line.startswith(MARK):
            entry = json.loads(line[len(MARK) :])
            told[entry["key"]] = entry["value"]
    try:
        queries = int(told["result_query_count"])
        count = queries if scenario != OFFLINE else int(told["generated_samples_per_query"]) * queries
        rates = {OFFLINE: "result_samples_per_second", SERVER: "result_completed_samples_per_sec"}
        rate = float(told[rates.get(scenario, "result_qps_with_loadgen_overhead")])
        found = {name: float(told[f"result_{float(name[1:]):.2f}_percentile_latency_ns"]) / 1e6 for name in PERCENTILES}
        valid = told["result_validity"] == "VALID"
    except (KeyError, ValueError, TypeError) as error:
        raise ReportError(f"LoadGen's log of {scenario} lacks {error}; take the mlcommons-loadgen of requirements.lock") from None
    latencies = {name: value if count >= needed(int(name[1:])) else None for name, value in found.items()}
    scheduled = told.get("result_scheduled_samples_per_sec")
    return Outcome(scenario, valid, latencies, count, rate, scheduled, str(told.get("result_invalid_reason", "")).strip())
