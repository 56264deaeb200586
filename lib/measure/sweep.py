"""Measures configurations (runner, precision, batch size) in random order, with every runner open at once."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lib import progress
from lib.data import dataset as datasets
from lib.errors import NotMeasured, ReportError
from lib.experiment.precision import PRECISIONS
from lib.measure import state
from lib.measure import timing as measure
from lib.runners import RUNNERS, host
from lib.runners.base import Runner
from lib.stats import Interval
from lib.store.records import Record
from lib.text import Finding, Text

if TYPE_CHECKING:
    from lib.experiment.profile import Measuring
    from lib.store.session import Session

SCOPE, ON_GPU = "end_to_end", "gpu_compute"
GPU_TIME = Text("GPU compute time, median", "GPU計算時間の中央値")
GPU_TIME_IS = Text(
    "GPU compute time: between CUDA events around the enqueue, the input already on the GPU, without copies; gaps in which the GPU waits "
    "for the host count.",
    "GPU計算時間は、入力がGPU上にある状態で、推論の投入（enqueue）の前後に置いたCUDAイベント間の時間である。コピーは含まず、GPUがホストを待つ間は含む。",
)
UNSETTLED = Text("the GPU compute time did not become stable", "GPU計算時間が安定しなかった")
WRONG_OUTPUT = "the output is wrong"  # what a runner that measures itself says where lib.measure.timing.wrong_output would


class Failed(NamedTuple):
    """In the place of a runner that should have started and did not."""

    reason: Text


class Configuration(NamedTuple):
    """One thing to time: keys of RUNNERS and PRECISIONS, images a call."""

    runner: str
    precision: str
    batch_size: int


def everything(batch_sizes: Iterable[int]) -> list[Configuration]:
    """Every runner at each of its precisions and each batch size."""
    sizes = list(batch_sizes)
    return [Configuration(name, precision, size) for name, runner in RUNNERS.items() for precision in runner.precisions for size in sizes]


def run(session: Session, configurations: Iterable[Configuration]) -> list[Record]:
    """Latency (ms a call) and throughput (images/s) of each configuration, in the order given.

    What this system cannot run and what is over a runner's largest batch becomes records with a reason; so does what
    failed (stats `failed`) or gave wrong output (stats `wrong_output`), and the others go on. The order of measuring is
    drawn from run id and stage, so that drift of the machine (heat, other work) falls on all alike.
    """
    configurations = list(configurations)
    with ExitStack() as stack:
        opened = {pair: _open(session, *pair, stack) for pair in dict.fromkeys(c[:2] for c in configurations)}
        found = run_opened(session, [(configuration, opened[configuration[:2]]) for configuration in configurations])
    return [record for records in found for record in records]


def run_opened(session: Session, opened: Sequence[tuple[Configuration, Runner | Text | Failed]]) -> list[list[Record]]:
    """`run` for runners that are already entered (or the reasons why they are not): the records of each, in the order given."""
    order = random.Random(f"{session.run_id}/{session.stage}").sample(range(len(opened)), len(opened))
    records: dict[int, list[Record]] = {}
    gc.collect()  # once: among all that TensorFlow holds it takes longer than many a measurement
    with progress.bar(len(order), "measuring") as bar:
        for place in order:
            records[place] = _measured(session, *opened[place])
            bar.update()
    return [records[place] for place in range(len(opened))]


def failures(records: Iterable[Record]) -> list[Finding]:
    """A red finding for every configuration whose timing failed or gave wrong output."""
    lost = [(PRECISIONS[r.precision].label, r.reason) for r in records if r.metric == "latency" and r.reason and invalid(r)]
    return [Finding("bad", Text(f"{name.en}, timing: {why.en}.", f"{name.ja}の測定：{why.ja}。")) for name, why in lost]


def invalid(record: Record) -> bool:
    """Whether it should have been measured here and was not: what was timed failed, or its output was wrong."""
    return record.value is None and bool(record.stats.get("failed") or record.stats.get("wrong_output"))


def _open(session: Session, name: str, precision: str, stack: ExitStack) -> Runner | Text | Failed:
    """The entered runner, or why there is none."""
    if reason := RUNNERS[name].unavailable(precision):
        return reason
    try:
        return stack.enter_context(RUNNERS[name](session, precision))
    except NotMeasured as error:
        return _cannot(error)
    except ReportError as error:
        return Failed(_failure(error))


def _measured(session: Session, configuration: Configuration, runner: Runner | Text | Failed) -> list[Record]:
    if isinstance(runner, Failed):
        return _empty(configuration, runner.reason, stats={"failed": True})
    if isinstance(runner, Text):
        return _empty(configuration, runner)
    if runner.max_batch is not None and configuration.batch_size > runner.max_batch:
        return _empty(configuration, _too_large(runner.max_batch))
    try:
        return _timed(session, configuration, runner)
    except NotMeasured as error:
        return _empty(configuration, _cannot(error))
    except ReportError as error:
        wrong = WRONG_OUTPUT in str(error)
        reason, stats = (_wrong(error), {"wrong_output": True}) if wrong else (_failure(error), {"failed": True})
        return _empty(configuration, reason, artifact_sha256=runner.artifact_sha256, stats=stats)


def _timed(session: Session, configuration: Configuration, runner: Runner) -> list[Record]:
    size = configuration.batch_size
    batch = inputs(session.images.x_test, size)
    before = state.now()
    own = runner.own_records(batch, session.profile.measuring)
    if own is not None:
        return _taken_up(configuration, own, runner.artifact_sha256, {"before": before, "after": state.now()})
    timing = measure.time_call(lambda: runner.infer(batch), session.profile.measuring)
    compute = _gpu_compute(runner, session.profile.measuring)
    stats = {"threads": host.threads(), "before": before, "after": state.now()} | compute
    outputs = [timing.output, runner.infer(batch)] if compute else [timing.output]  # what fails is fast: looked at after either timing
    for output in outputs:
        if reason := measure.wrong_output(output, size, len(session.images.class_names)):
            return _empty(configuration, reason, artifact_sha256=runner.artifact_sha256, stats={"wrong_output": True})
    return _records(configuration, timing, stats, runner.artifact_sha256)


def _gpu_compute(runner: Runner, settings: Measuring) -> dict[str, Any]:
    """The statistics `gpu_compute` (ms) of a runner that was just timed, nothing where it does not tell the GPU's time."""
    if runner.gpu_ms() is None:
        return {}
    timing = measure.time_on_gpu(runner.gpu_ms, settings)
    return {ON_GPU: measure.percentiles(timing.samples_ms) | _windows(timing)}


def inputs(x: np.ndarray, size: int) -> np.ndarray:
    """`size` model inputs, float32 (size, 32, 32, 3), from the front of uint8 images, which repeat if there are fewer."""
    return datasets.to_input(x[np.arange(size) % len(x)])


def on_gpu(record: Record) -> float | Text | None:
    """The median GPU compute time (ms) of a timing, the reason why it has none, None where the runner does not tell it."""
    told = record.stats.get(ON_GPU)
    if record.reason is not None or told is None:
        return record.reason
    return told["p50"] if told["stable"] else UNSETTLED


def ratio(rate: Record, base: Record) -> Interval:
    """One recorded throughput over another; the plain ratio as both ends where the samples gave either no interval."""
    ends = [record.stats.get(key) for record in (rate, base) for key in ("ci_low", "ci_high")]
    if any(end is None for end in ends):
        plain = rate.value / base.value
        return Interval(plain, plain, plain)
    return measure.ratio(Interval(rate.value, *ends[:2]), Interval(base.value, *ends[2:]))


def _records(configuration: Configuration, timing: measure.Timing, stats: dict[str, Any], sha256: str) -> list[Record]:
    samples, stats = timing.samples_ms, _windows(timing) | stats
    common = {**configuration._asdict(), "scope": SCOPE, "artifact_sha256": sha256}
    latency = measure.percentiles(samples)
    rate, low, high = measure.throughput(samples, configuration.batch_size)
    return [
        Record("latency", "ms", latency["p50"], **common, stats=latency | stats, samples=samples.tolist()),
        Record("throughput", "images/s", rate, **common, stats={"ci_low": low, "ci_high": high} | stats),
    ]


def _windows(timing: measure.Timing) -> dict[str, Any]:
    """Whether the windows agreed, how many calls count and the mean of each window, ms."""
    means = [float(window.mean()) for window in timing.windows_ms]
    return {"stable": timing.stable, "n": len(timing.samples_ms), "window_means_ms": means}


def _taken_up(configuration: Configuration, own: list[Record], sha256: str, around: dict[str, Any]) -> list[Record]:
    """The two records of a runner that measured itself, with what those of the others have.

    What tells its calls apart (`case`) goes into the statistics, and so does the time on the GPU (`gpu_compute`, ms):
    a sweep compares whole calls.
    """
    by = {(record.metric, record.scope): record for record in own}
    latency, rate, compute = by["latency", SCOPE], by["throughput", SCOPE], by.get(("latency", ON_GPU))
    common = {**configuration._asdict(), "scope": SCOPE, "artifact_sha256": sha256}
    stats = {"threads": host.threads(), "plan_sha256": latency.artifact_sha256} | latency.case | around
    _, low, high = measure.throughput(np.array(latency.samples), configuration.batch_size)
    if compute is not None and compute.value is not None:
        stats[ON_GPU] = compute.stats
    return [
        Record("latency", "ms", latency.value, **common, stats=latency.stats | stats, samples=latency.samples),
        Record("throughput", "images/s", rate.value, **common, stats={"ci_low": low, "ci_high": high} | rate.stats | stats),
    ]


def _cannot(error: NotMeasured) -> Text:
    return Text(str(error), f"測定できなかった：{error}")


def _failure(error: ReportError) -> Text:
    return Text(f"failed: {error}", f"失敗した：{error}")


def _wrong(error: ReportError) -> Text:
    return Text(str(error), f"出力が誤っている：{error}")


def _empty(configuration: Configuration, reason: Text, **more: Any) -> list[Record]:
    common = {**configuration._asdict(), "scope": SCOPE, "reason": reason, **more}
    return [Record("latency", "ms", None, **common), Record("throughput", "images/s", None, **common)]


def _too_large(largest: int) -> Text:
    return Text(f"the largest batch of this engine is {largest}", f"このエンジンの最大バッチサイズは{largest}である")
