"""The study of notebook 07: what each precision costs in accuracy and gains in size, loading and speed."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from lib import progress, stats
from lib.experiment import candidate as pairs
from lib.experiment.candidate import Pair
from lib.experiment.precision import PRECISIONS
from lib.measure import predictions, sweep
from lib.show import table as show
from lib.store.records import Record
from lib.text import Text

if TYPE_CHECKING:
    from lib.store.session import Session

REFERENCE = "/".join(pairs.REFERENCE)
LOADS = 5  # times each runner is opened
UNTIMED = (("accuracy", "1"), ("mcnemar_p", "1"), ("file_size", "bytes"), ("load_time", "s"))
TIMED = (("latency", "ms"), ("throughput", "images/s"), ("throughput_ratio", "1"))
BASELINE = "fp32"  # of the same runner, for the ratio of throughputs


@dataclass(frozen=True)
class Study:
    """pairs: all rows; records: what was measured, in the order of the rows; classes, images: of the test set."""

    pairs: list[Pair]
    records: list[Record]
    classes: int

    def get(self, pair: Pair, metric: str) -> Record | None:
        """The record of one pair and metric, None if there is none."""
        return next((r for r in self.records if (r.runner, r.precision, r.metric) == (pair.runner, pair.precision, metric)), None)

    def value(self, pair: Pair, metric: str) -> float | None:
        """Its value, None where it was not measured."""
        record = self.get(pair, metric)
        return None if record is None else record.value

    @property
    def measured(self) -> list[Pair]:
        """The pairs whose answers are there, the reference first; its answers may be another system's (lib/measure/predictions.py)."""
        return [pair for pair in self.pairs if pair.answered]


def study(session: Session) -> Study:
    """Measure everything of notebook 07 on this system: accuracy, McNemar test, size, load time, throughput and ratio.

    Of a reference that does not run here accuracy and size come from what is stored; the rest is left out with the reason.
    """
    every = predictions.with_reference(session, pairs.all_pairs())
    answered, measured = [p for p in every if p.answered], [p for p in every if p.reason is None]
    found = accuracies(session, answered) + sizes(session, answered) + load_times(session, measured)
    speed = speeds(session, measured)
    found += speed + ratios(speed)
    empty = [_empty(pair, session) for pair in every if pair.reason]
    return Study(every, found + [record for group in empty for record in group], len(session.images.class_names))


def _empty(pair: Pair, session: Session) -> list[Record]:
    """Every metric of a pair that cannot run here, with the reason; of stored answers only those that need a run."""
    common: dict[str, Any] = {"runner": pair.runner, "precision": pair.precision, "reason": pair.reason}
    timed = common | {"batch_size": session.profile.precision.batch_size, "scope": sweep.SCOPE}
    untimed = [(m, unit) for m, unit in UNTIMED if not pair.answered or m == "load_time"]
    ratio = {"throughput_ratio"} if pair.answered else set()
    return [Record(m, unit, None, **common) for m, unit in untimed] + [Record(m, u, None, **timed) for m, u in TIMED if m not in ratio]


def accuracies(session: Session, measured: list[Pair]) -> list[Record]:
    """Accuracy with its Wilson interval and the McNemar test against the SavedModel, on all test images.

    accuracy: stats correct, images, ci_low, ci_high. mcnemar_p: stats only_reference, only_this (images that one
    alone has right) and difference, difference_low, difference_high (this minus reference, fractions).
    """
    labels, made = session.images.y_test, []
    answers = {pair.key: predictions.artifact(session, pair.runner, pair.precision) for pair in measured}
    right = {key: predictions.read(stored).argmax(axis=1) == labels for key, stored in answers.items()}
    for pair in measured:
        common: dict[str, Any] = {"runner": pair.runner, "precision": pair.precision, "artifact_sha256": answers[pair.key].inputs["model"]}
        made.append(accuracy(right[pair.key], common))
        if pair.key != REFERENCE and REFERENCE in right:
            made.append(paired(right[REFERENCE], right[pair.key], common))
    return made


def accuracy(right: np.ndarray, common: dict[str, Any]) -> Record:
    """The accuracy record of bool (N,): which images are right. common: runner, precision, artifact."""
    correct, total = int(right.sum()), len(right)
    low, high = stats.wilson(correct, total)
    return Record("accuracy", "1", correct / total, stats={"correct": correct, "images": total, "ci_low": low, "ci_high": high}, **common)


def paired(reference: np.ndarray, right: np.ndarray, common: dict[str, Any]) -> Record:
    """The mcnemar_p record of two bool (N,): which images the reference and this pair have right."""
    test, apart = stats.mcnemar(reference, right), stats.paired_difference(reference, right)
    found = {"only_reference": test.only_a, "only_this": test.only_b}
    found |= {"difference": apart.value, "difference_low": apart.low, "difference_high": apart.high}
    return Record("mcnemar_p", "1", test.p_value, case={"reference": REFERENCE}, stats=found, **common)


def sizes(session: Session, measured: list[Pair]) -> list[Record]:
    """Bytes of each model file."""
    from lib.runners import RUNNERS

    made = [(pair, RUNNERS[pair.runner](session, pair.precision)) for pair in measured]
    return [Record("file_size", "bytes", float(r.size_bytes), p.runner, p.precision, artifact_sha256=r.artifact_sha256) for p, r in made]


def load_times(session: Session, measured: list[Pair], loads: int = LOADS) -> list[Record]:
    """Seconds from opening the model file to its first answer to one image: median of `loads`, stats min and max.

    A first round that does not count imports the libraries and brings the files into the page cache. Each round opens
    all pairs in another order.
    """
    from lib.runners import RUNNERS

    one = sweep.inputs(session.images.x_test, 1)
    took: dict[str, list[float]] = {pair.key: [] for pair in measured}
    draw, hashes = random.Random(f"{session.run_id}/load"), {}
    with progress.bar((1 + loads) * len(measured), "loading") as bar:
        for _ in range(1 + loads):
            for pair in draw.sample(measured, len(measured)):
                runner = RUNNERS[pair.runner](session, pair.precision)
                hashes[pair.key] = runner.artifact_sha256  # also finds the file, which is no part of loading it
                started = time.perf_counter()
                with runner:
                    runner.infer(one)
                    took[pair.key].append(time.perf_counter() - started)
                bar.update()
    return [_load_time(pair, took[pair.key][1:], hashes[pair.key]) for pair in measured]


def _load_time(pair: Pair, took: list[float], sha256: str) -> Record:
    found = {"min": min(took), "max": max(took), "n": len(took)}
    return Record("load_time", "s", median(took), pair.runner, pair.precision, stats=found, samples=took, artifact_sha256=sha256)


def speeds(session: Session, measured: list[Pair]) -> list[Record]:
    """Latency and throughput at the profile's batch size (lib/measure/sweep.py), end to end, all in one random order."""
    size = session.profile.precision.batch_size
    return sweep.run(session, [sweep.Configuration(pair.runner, pair.precision, size) for pair in measured])


def ratios(measured: list[Record]) -> list[Record]:
    """throughput_ratio: throughput over that of the same runner's FP32 measured in the same run; stats ci_low, ci_high.

    The interval carries the noise of both measurements, not what another run would give (lib/measure/timing.py).
    """
    rates = {(r.runner, r.precision): r for r in measured if r.metric == "throughput" and r.value is not None}
    made = []
    for (runner, precision), rate in rates.items():
        base = rates.get((runner, BASELINE))
        if base is None or precision == BASELINE:
            continue
        between = sweep.ratio(rate, base)
        common = {"batch_size": rate.batch_size, "scope": rate.scope, "artifact_sha256": rate.artifact_sha256}
        interval = {"ci_low": between.low, "ci_high": between.high} if between.low < between.high else {}
        case = {"reference": f"{runner}/{BASELINE}"}
        made.append(Record("throughput_ratio", "1", between.value, runner, precision, case=case, stats=interval, **common))
    return made


def accuracy_rows(done: Study) -> list[dict[str, Any]]:
    """Rows of the accuracy table (accuracies in %, differences in percentage points), then what could not run here."""
    rows = []
    for pair in done.measured:
        one, test = done.get(pair, "accuracy"), done.get(pair, "mcnemar_p")
        row = {"runner": pair.label, "precision": PRECISIONS[pair.precision].label, "accuracy": 100 * one.value}
        row |= {key: 100 * one.stats[key] for key in ("ci_low", "ci_high")} | {"correct": one.stats["correct"]}
        if test is not None:
            row |= {key: 100 * test.stats[key] for key in ("difference", "difference_low", "difference_high")}
            row |= {"p": test.value, "only_reference": test.stats["only_reference"], "only_this": test.stats["only_this"]}
        rows.append(row)
    return rows + pairs.missing_rows(done.pairs, "accuracy")


def cost_rows(done: Study) -> list[dict[str, Any]]:
    """Rows of the cost table (MB, ms, images/s), then what could not run here."""
    rows = []
    for pair in done.measured:
        row: dict[str, Any] = {"runner": pair.label, "precision": PRECISIONS[pair.precision].label}
        load = done.get(pair, "load_time")
        row |= {"size": done.value(pair, "file_size") / 1e6, "load": load.reason}
        if load.value is not None:
            row |= {"load": 1e3 * load.value, "load_min": 1e3 * load.stats["min"], "load_max": 1e3 * load.stats["max"]}
        for key, metric in (("latency", "latency"), ("throughput", "throughput"), ("ratio", "throughput_ratio")):
            if (record := done.get(pair, metric)) is not None:
                row[key] = record.value if record.reason is None else record.reason
                row |= {f"{key}_{end}": record.stats.get(end) for end in ("ci_low", "ci_high")}
        rows.append(row)
    return rows + pairs.missing_rows(done.pairs, "size")


def accuracy_table() -> tuple[list[show.Column], Text]:
    """Columns and caption of `accuracy_rows`."""
    columns = [
        pairs.RUNNER,
        pairs.PRECISION,
        show.Column("accuracy", Text("Accuracy", "正解率"), "%", 2, interval=("ci_low", "ci_high")),
        show.Column("correct", Text("Correct", "正解数"), digits=0),
        show.Column("difference", Text("Difference, points", "差、ポイント"), digits=2, interval=("difference_low", "difference_high")),
        show.Column("p", Text("McNemar p", "McNemar p値"), digits=3),
        show.Column("only_reference", Text("Only SavedModel right", "SavedModelだけ正解"), digits=0),
        show.Column("only_this", Text("Only this right", "こちらだけ正解"), digits=0),
    ]
    caption = "Accuracy with its 95 % interval and the paired comparison with the SavedModel."
    return columns, Text(caption, "正解率と95%信頼区間、およびSavedModelとの対応のある比較。")


def cost_table(session: Session) -> tuple[list[show.Column], Text]:
    """Columns and caption of `cost_rows`."""
    size = session.profile.precision.batch_size
    columns = [
        pairs.RUNNER,
        pairs.PRECISION,
        show.Column("size", Text("Model file", "モデルファイル"), "MB", 2, best="min"),
        show.Column("load", Text("Load time", "読み込み時間"), "ms", 1, best="min", interval=("load_min", "load_max")),
        show.Column("latency", Text("Latency, median", "レイテンシ、中央値"), "ms", 2, best="min"),
        show.Column("throughput", Text("Throughput", "スループット"), "images/s", 0, "max", ("throughput_ci_low", "throughput_ci_high")),
        show.Column("ratio", Text("To its FP32", "FP32比"), "×", 2, interval=("ratio_ci_low", "ratio_ci_high")),
    ]
    en = f"Latency and throughput at batch size {size}, end to end, with 95 % intervals; load time with its smallest and largest value."
    ja = f"バッチサイズ{size}、エンドツーエンドのレイテンシとスループット、95%信頼区間。読み込み時間には最小値と最大値を添える。"
    return columns, Text(en, ja)
