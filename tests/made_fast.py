"""What notebook 10 would record, made up: known ratios between ways, rivals, a pipeline, ceilings, scenarios, of one or two TensorRTs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.experiment.candidate import Candidate
from lib.pages.fast.exhibits import Layer, PlacedEngine, Roofline
from lib.store.records import Reason, Record

OLD, NEW = "8.5.3.1", "10.6.0"
IMAGES, ROUNDS = 10_000, 6
PLAIN_MS = {1: 0.113, 32: 0.125}  # of a plain call in FP16
WAYS = {
    "": 1.0,
    "+graph": 1.3,
    "+graph+lanes2": 2.1,
    "+graph+lanes8": 3.1,
    "+graph+uint8+classes": 1.35,
    "+graph+lanes8+uint8+classes": 3.4,
}
LARGE_RATE = {256: 1.2e6, 2048: 1.6e6, 8192: 1.75e6}  # images/s of three lanes in FP16
LARGE = {"+graph+lanes3": 1.0, "+graph+uint8+classes": 0.95, "+graph+lanes3+uint8+classes": 1.03}
RIVALS = {"onnxrt_bound/tf32": 0.42, "onnxrt_bound/fp32": 0.2, "onnxrt_bound/fp16": 0.5, "pytorch/fp16": 0.4}  # times a plain call of ours
RIVALS |= {"pytorch/fp16/compiled+graph": 1.2}
ON_PLAN = {"polygraphy/fp16": 0.14, "trtexec/fp16/+graph": 1.6, "trtexec/fp16/+graph+lanes8": 2.9}
FASTER = {"fp16": 1.0, "int8_qdq": 1.15}  # than FP16
REASONS = {"pace": "ms", "agreement": "share", "accuracy": "share"}


@dataclass
class Made:
    """What is made up. newer: how many times as fast the newer TensorRT is in a way; wrong: candidates whose outputs are others."""

    versions: Sequence[str] = (OLD, NEW)
    precisions: Sequence[str] = ("fp16", "int8_qdq")
    newer: Mapping[str, float] = field(default_factory=lambda: {"": 1.1, "+graph": 1.06, "+graph+lanes8": 0.95})
    ways: Mapping[str, float] = field(default_factory=lambda: WAYS)
    wrong: Sequence[str] = ()
    cpp: bool = True
    rivals: bool = True
    large: bool = True
    busy: Mapping[str, float] = field(default_factory=dict)  # block -> what other programs used of the processor
    memory: float = 1.08  # of the pipeline, over its ring
    p99: float = 13.2  # ms of the server
    wrong_answers: int = 0  # of an overloaded one
    noise: float = 0.004
    seed: int = 1

    def records(self) -> list[Record]:
        """All of them."""
        draw, made = np.random.default_rng(self.seed), list[Record]()
        for precision in self.precisions:
            for batch in PLAIN_MS:
                made += self._block(precision, batch, draw)
            for batch in LARGE_RATE if self.large else ():
                made += self._large(precision, batch, draw)
            for version in self.versions:
                made += self._pipeline(precision, version) + self._scenarios(precision, version)
                made += [share(precision, version, batch, why) for batch, why in ((1, "launches"), (32, "kernels"), (8192, "arithmetic"))]
        made += [one for version in self.versions for one in ceilings(version)]
        return made + self._judged(made)

    def _block(self, precision: str, batch: int, draw: np.random.Generator) -> list[Record]:
        common = draw.normal(0, 0.02, ROUNDS)
        made = []

        def timed(key: str, ms: float, where: dict[str, Any], gpu: bool = False) -> None:
            rounds = ms * np.exp(common + draw.normal(0, self.noise, ROUNDS))
            made.append(pace(key, rounds, batch, where))
            if gpu:
                made.append(pace(key, 0.8 * rounds, batch, where, "gpu_compute"))

        plain = PLAIN_MS[batch] / FASTER[precision]
        more = 1.8 if batch == 1 else 1.0
        for version in self.versions:
            for way, times in self.ways.items():
                gain = self.newer.get(way, 1.0) if version != self.versions[0] else 1.0
                lanes = more if "lanes8" in way else 1.0
                for runner, factor in (("tensorrt", 1.0), ("cpp", 1.02)) if self.cpp else (("tensorrt", 1.0),):
                    ms = plain / (times * gain * lanes * factor)
                    alone = runner == "tensorrt" and "lanes" not in way
                    timed(f"{runner}/{precision}/{way}".rstrip("/"), ms, {"tensorrt": version}, alone)
            made.append(Record("device_memory", "bytes", 42_000_000, f"tensorrt/{precision}", batch, case={"tensorrt": version}))
        if self.rivals and precision == "fp16":
            for key, times in RIVALS.items():
                timed(key, plain / times, {"block": f"{precision} {batch}"})
            for key, times in ON_PLAN.items():
                timed(key, plain / times, {"tensorrt": self.versions[-1]})
        return [*made, self._state(f"{precision} {batch}")]

    def _large(self, precision: str, batch: int, draw: np.random.Generator) -> list[Record]:
        common, made = draw.normal(0, 0.02, ROUNDS), []
        for version in self.versions:
            for way, times in LARGE.items():
                ms = 1e3 * batch / (LARGE_RATE[batch] * times * FASTER[precision])
                key, where = f"tensorrt/{precision}/{way}", {"tensorrt": version}
                rounds = ms * np.exp(common + draw.normal(0, self.noise, ROUNDS))
                made.append(pace(key, rounds, batch, where))
                if "lanes" not in way:
                    made.append(pace(key, 0.92 * rounds, batch, where, "gpu_compute"))
        return [*made, self._state(f"{precision} {batch}")]

    def _state(self, block: str) -> Record:
        return Record("other_cpu", "share", self.busy.get(block, 0.01), case={"block": block}, stats={"gpu": {}, "rounds": []})

    def _pipeline(self, precision: str, version: str) -> list[Record]:
        made, candidate = [], Candidate.parse(f"tensorrt/{precision}/+graph+lanes3+uint8+classes")
        for source, rate in (("memory", 1.76e6), ("files", 9.1e3)):
            stats = {"images": 200_000, "ring_bytes": 50_000_000, "peak_bytes": int(self.memory * 50_000_000)}
            seconds = 200_000 / (rate * FASTER[precision] * 0.998)  # of the slowest repeat
            least, most = 0.02 * seconds, 0.9 * seconds
            waits = {"starved_s": least, "waited_s": most} if source == "memory" else {"starved_s": most, "waited_s": least}
            stats |= {
                "busy_s": {"decode": 0.02, "copy": 0.08},
                "launched_s": 0.05 * seconds,
                "collected_s": least,
                "seconds": seconds,
            } | waits
            samples = [rate * FASTER[precision] * factor for factor in (1.0, 0.998, 1.003)]
            where = {"tensorrt": version, "source": source}
            made.append(Record("pipeline", "images/s", samples[0], candidate, 8192, case=where, stats=stats, samples=samples))
        return made

    def _scenarios(self, precision: str, version: str) -> list[Record]:
        common: dict[str, Any] = {"candidate": Candidate.parse(f"tensorrt/{precision}/+graph+lanes8"), "case": {"tensorrt": version}}
        rate = 3.0e5 * FASTER[precision]
        tried = [[rate * factor, ms] for factor, ms in ((0.5, 3.1), (1.0, self.p99), (1.2, 41.0), (2.0, 380.0))]
        stats = {"limit_ms": 15.0, "p99_ms": self.p99, "seconds": 60.2, "tried": tried}
        over = {"p99_ms": 900.0, "wrong": self.wrong_answers, "peak_bytes": 1_000_000, "seconds": 10.0}
        return [
            Record("single_stream", "ms", 0.09, batch_size=1, stats={"p90": 0.095, "n": 90_000, "seconds": 10.0}, **common),
            Record("offline", "images/s", 1.1e6, batch_size=32, stats={"seconds": 10.0}, **common),
            Record("server", "images/s", rate, batch_size=32, stats=stats, **common),
            Record("server_overload", "images/s", 2 * rate, batch_size=32, stats=over, **common),
        ]

    def _judged(self, made: Sequence[Record]) -> list[Record]:
        """Agreement and accuracy of everything that was timed, once a candidate and TensorRT."""
        timed = {(r.candidate, r.case.get("tensorrt")): r for r in made if r.metric == "pace" and r.candidate}
        found = []
        for (candidate, version), _ in timed.items():
            assert candidate is not None
            where = {"tensorrt": version} if version else {"block": f"{candidate.precision} 1"}
            total = 32 if candidate.runner == "trtexec" else IMAGES
            same = total * 7 // 10 if candidate.key in self.wrong else total - total // 2000
            right = {"correct": same * 9 // 10, "total": total}
            found.append(Record("agreement", "share", same / total, candidate, case=where, stats={"correct": same, "total": total}))
            found.append(Record("accuracy", "share", right["correct"] / total, candidate, case=where, stats=right))
        return found


def pace(key: str, rounds_ms: Any, batch: int, where: Mapping[str, Any], scope: Any = "end_to_end") -> Record:
    """A pace with these round means."""
    samples = [float(ms) for ms in rounds_ms]
    stats = {"n": 1000, "fill": False, "enqueue_ms": 0.02}
    return Record("pace", "ms", float(np.mean(samples)), Candidate.parse(key), batch, scope, dict(where), stats, samples)


SYSTEM_GPU = {"name": "NVIDIA H100 80GB HBM3", "driver_version": "580.159", "memory.total": "81559", "compute_cap": "9.0"}


def share(precision: str, version: str, batch: int, why: str) -> Record:
    """An engine's share of the ceiling."""
    stats = {"held_back_by": why, "flop": 3e8 * batch, "bytes": 1e6 * batch, "compute_ms": 0.08, "enqueue_ms": 0.07, "copies_ms": 0.02}
    value = {1: 0.04, 32: 0.21}.get(batch, 0.58)
    return Record("ceiling_share", "share", value, Candidate("tensorrt", precision), batch, case={"tensorrt": version}, stats=stats)


def ceilings(version: str) -> list[Record]:
    """Those of an H100, about."""
    rates = {"fp16": 7.0e14, "int8": 1.4e15, "within": 2.9e12, "to_gpu": 5.4e10, "from_gpu": 5.5e10}
    made = []
    for what, rate in rates.items():
        unit = "FLOP/s" if what in ("fp16", "int8") else "bytes/s"
        where = {"what": what, "tensorrt": version}
        made.append(Record("ceiling", unit, rate, case=where, samples=[rate * factor for factor in (1.0, 0.99, 1.01, 1.0)]))
    return made


def exhibits(versions: Sequence[str] = (OLD, NEW), precisions: Sequence[str] = ("fp16", "int8_qdq")) -> dict[str, Any]:
    """Layers of each engine at three batch sizes, the larger nearer to the ceiling."""
    engines = []
    for version in versions:
        for precision in precisions:
            for batch, near in ((1, 0.03), (32, 0.25), (8192, 0.7)):
                engines.append(
                    PlacedEngine(tensorrt=version, precision=precision, batch_size=batch, layers=_layers(precision, batch, near))
                )
    return {"roofline": Roofline(engines=engines)}


def _layers(precision: str, batch: int, near: float) -> list[Layer]:
    made, most = [], 1.4e15 if "int8" in precision else 7e14
    for number, (flop, size) in enumerate(((6e6, 3e5), (4e7, 2.6e5), (4e7, 1.4e5), (8e7, 1.6e5), (7.5e7, 3.2e5), (3e6, 6e6 / batch)), 1):
        least_s = max(flop * batch / most, size * batch / 2.9e12)
        ms = 1e3 * least_s / (near * (0.6 + 0.15 * number))
        made.append(Layer(name=f"vgg/conv{number}/Conv2D + vgg/relu{number}/Relu", flop=flop * batch, bytes=size * batch, ms=ms))
    return made


def no_gpu() -> list[Record]:
    """What a machine without a GPU records: ONNX Runtime on the processor, and why the rest is missing."""
    draw, made = np.random.default_rng(3), list[Record]()
    for precision, ms in (("fp32", 0.5), ("int8_qdq", 0.4)):
        for batch in (1, 32):
            where, shared = {"block": f"{precision} {batch}"}, draw.normal(0, 0.02, ROUNDS)
            for way, times in (("", 1.0), ("/+lanes2", 1.3)):
                rounds = ms * batch**0.8 / times * np.exp(shared + draw.normal(0, 0.004, ROUNDS))
                made.append(pace(f"onnxrt/{precision}{way}", rounds, batch, where))
            made.append(Record("other_cpu", "share", 0.01, case=where, stats={"gpu": {}, "rounds": []}))
        for way in ("", "/+lanes2"):
            candidate, where = Candidate.parse(f"onnxrt/{precision}{way}"), {"block": f"{precision} 1"}
            made.append(Record("agreement", "share", 1.0, candidate, case=where, stats={"correct": IMAGES, "total": IMAGES}))
        piped = {
            "images": 2000,
            "ring_bytes": 4_000_000,
            "peak_bytes": 4_100_000,
            "busy_s": {"decode": 0.1, "copy": 0.2},
            "starved_s": 0.1,
            "waited_s": 0.1,
        }
        common: dict[str, Any] = {"candidate": Candidate.parse(f"onnxrt/{precision}/+lanes2"), "batch_size": 32}
        made.append(
            Record("pipeline", "images/s", 4100.0, case={"source": "memory"}, stats=piped, samples=[4100.0, 4090.0, 4120.0], **common)
        )
    lost, missing = Reason("no_gpu"), ["tensorrt/fp16", "tensorrt/fp16/+graph", "tensorrt/int8_qdq", "cpp/fp16", "pytorch/fp16"]
    for key in missing:
        for metric, unit in REASONS.items():
            scope: Any = "end_to_end" if metric == "pace" else ""
            made.append(Record(metric, unit, None, Candidate.parse(key), 32, scope, reason=lost))
    made.append(Record("ceiling", "FLOP/s", None, case={"what": "fp16"}, reason=lost))
    made.append(Record("ceiling_share", "share", None, Candidate("tensorrt", "fp16"), 32, reason=lost))
    made.append(Record("pace", "ms", None, Candidate("polygraphy", "fp16"), 32, "end_to_end", reason=lost))
    for metric, unit in (("single_stream", "ms"), ("offline", "images/s"), ("server", "images/s")):
        made.append(
            Record(metric, unit, None, Candidate("onnxrt", "fp32"), 1, reason=Reason("not_installed", {"package": "mlcommons-loadgen"}))
        )
    return made
