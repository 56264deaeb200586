"""What a comparison of versions on one machine would record, made up: known differences, builds that spread, answers that differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lib.experiment.candidate import Candidate
from lib.pages.cross_version import calls
from lib.pages.cross_version.exhibits import EngineLayers, Layer, Layers, Member, Members
from lib.store.records import Reason, Record

OLD, NEW, MIDDLE = "8.5.3.1", "10.6.0", "8.6.1"
IMAGES = 10_000
MS = {"fp32": 0.30, "fp16": 0.14, "int8": 0.12, "int8_qdq": 0.13}  # of a plain call, end to end, batch 1
CALLINGS = {"tensorrt": 1.0, "cpp": 0.85, "cpp+graph": 0.7}
SIZES = {"fp32": 13_000_000, "fp16": 6_700_000, "int8": 3_600_000, "int8_qdq": 3_700_000}
ROUNDS = 8


@dataclass
class Made:
    """What is made up. faster: how many times as fast a version is, 1 where not named; spread: of builds, on logarithms; changed:
    images that change class between versions; more: what further records are."""

    versions: Sequence[str] = (OLD, NEW)
    faster: Mapping[str, float] = field(default_factory=dict)
    spread: float = 0.004
    noise: float = 0.003
    builds: int = 3
    precisions: Sequence[str] = ("fp32", "fp16", "int8", "int8_qdq")
    batches: Sequence[int] = (1, 8, 32)
    cpp: bool = True
    labels: bool = True
    variants: bool = True
    rival: bool = True
    changed: Mapping[str, int] = field(default_factory=lambda: {"fp16": 4})
    share: float = 0.01
    seed: int = 1

    def records(self) -> list[Record]:
        """All of them."""
        draw = np.random.default_rng(self.seed)
        made = [worker(number, version) for number, version in enumerate(self.versions, 1)]
        for precision in self.precisions:
            for variant, version, build in self.every(precision):
                made += self._engine(precision, variant, version, build)
            made += self._timed(precision, draw)
        return made + [foreign(a, b) for a in self.versions for b in self.versions if a != b]

    def every(self, precision: str) -> list[tuple[str, str, int]]:
        """(variant, version, build) of a precision."""
        found = [("", version, build) for version in self.versions for build in range(1, self.builds + 1)]
        if self.variants:
            found += [("timing_cache", version, build) for version in self.versions for build in range(1, self.builds + 1)]
            own = {"int8": "shared_scales", "fp16": "strongly_typed"}.get(precision)
            found += [(own, version, build) for version in self.versions[1:] for build in range(1, self.builds + 1)] if own else []
        return found

    def _engine(self, precision: str, variant: str, version: str, build: int) -> list[Record]:
        candidate = Candidate("tensorrt", precision)
        where = case(version, build, variant)
        type_ = precision.split("_")[0]
        types = {type_: 9} if type_ == "fp32" else {type_: 8, "fp32": 1}
        seconds = 4.0 * (1 + 0.02 * build) * (0.2 if variant == "timing_cache" else 1.0)
        tactics = "same" if variant == "timing_cache" else f"choice {build % 2}"
        size = SIZES[precision] + 1000 * build
        made = [
            Record("build_time", "s", seconds, candidate, case=where, stats={"timing_cache": variant == "timing_cache"}),
            Record("file_size", "bytes", size, candidate, case=where, stats={"plan_sha256": f"{version} {precision} {variant} {build}"}),
            Record("load_time", "ms", 12.0 + build, candidate, case=where),
            Record("device_memory", "bytes", 2_000_000, candidate, case=where),
            Record("layer_types", "count", 9, candidate, case=where, stats={"types": types, "tactics_sha256": tactics}),
        ]
        for runner in ("tensorrt", "cpp") if self.cpp and not variant else ("tensorrt",):
            made += self._answers(Candidate(runner, precision), version, build, variant)
        return made

    def _answers(self, candidate: Candidate, version: str, build: int, variant: str) -> list[Record]:
        where, changed = case(version, build, variant), self.changed.get(candidate.precision, 0)
        counts = {"correct": 8990, "total": IMAGES, "only_reference": 3, "only_candidate": 2}
        known = {"value": 0.899, "stats": counts} if self.labels else {"value": None, "reason": Reason("no_labels")}
        made = [Record("accuracy", "share", candidate=candidate, case=where, **known)]
        made.append(Record("agreement", "share", 0.999, candidate, case=where, stats={"correct": 9990, "total": IMAGES}))
        sides = [("first_build", changed // 2)] if build > 1 else []
        sides += [("first_version", changed)] if version != self.versions[0] and variant != "strongly_typed" else []
        sides += [("by_flag", changed)] if variant == "strongly_typed" else []
        sides += [("python", 0)] if candidate.runner == "cpp" else []
        for against, count in sides:
            made += apart(candidate, where | {"against": against}, count, exact=not changed or against == "python", labels=self.labels)
        return made

    def _timed(self, precision: str, draw: np.random.Generator) -> list[Record]:
        made = []
        luck = {one: float(draw.normal(0, self.spread * (one[0] != "timing_cache"))) for one in self.every(precision)}
        for batch in self.batches:
            shared = draw.normal(0, 0.02, ROUNDS)
            block = {"block": f"{precision} {batch}"}
            made.append(Record("other_cpu", "share", self.share, case=block, stats={"gpu": {}, "rounds": []}))
            for (variant, version, build), chance in luck.items():
                for key, factor in CALLINGS.items():
                    if (key != "tensorrt" and (not self.cpp or variant)) or (variant == "timing_cache" and batch != max(self.batches)):
                        continue
                    runner, _, graph = key.partition("+")
                    candidate = Candidate.parse(f"{runner}/{precision}" + ("/enqueueV3+graph" if graph else ""))
                    ms = MS[precision] * factor * (0.8 + 0.2 * batch) / self.faster.get(version, 1.0)
                    for scope, part in (("end_to_end", 1.0), ("gpu_compute", 0.6)):
                        rounds = part * ms * np.exp(chance + shared + draw.normal(0, self.noise, ROUNDS))
                        made.append(latency(candidate, rounds, batch, scope, case(version, build, variant)))
            if self.rival:
                rival = Candidate("onnxrt_cuda", precision)
                if precision in ("fp32", "fp16"):
                    made.append(latency(rival, 2 * MS[precision] * (0.8 + 0.2 * batch) * np.exp(shared), batch, "end_to_end", block))
                else:
                    lost = Reason("cannot", {"message": "no quantized convolutions"})
                    made.append(Record("latency", "ms", None, rival, batch, "end_to_end", block, reason=lost))
        return made


def case(version: str, build: int, variant: str = "") -> dict[str, Any]:
    """What tells builds apart in records."""
    return {"tensorrt": version, "build": build} | ({"variant": variant} if variant else {})


def latency(candidate: Candidate, rounds_ms: Any, batch: int, scope: Any, where: Mapping[str, Any]) -> Record:
    """A latency with these round means."""
    samples = [float(ms) for ms in rounds_ms]
    return Record("latency", "ms", sorted(samples)[len(samples) // 2], candidate, batch, scope, dict(where), samples=samples)


def apart(candidate: Candidate, where: dict[str, Any], changed: int, exact: bool, labels: bool = True) -> list[Record]:
    """Answers against others: `changed` images change class, all outputs the same to the bit where `exact`."""
    equal = IMAGES if exact else IMAGES // 100
    made = [
        Record("same_bits", "share", equal / IMAGES, candidate, case=where, stats={"correct": equal, "total": IMAGES}),
        Record("max_abs", "difference", 0.0 if exact else 2.3e-3, candidate, case=where),
        Record("changed", "count", changed, candidate, case=where, stats={"total": IMAGES}),
    ]
    if labels:
        stats = {"only_base": changed // 2, "only_this": changed - changed // 2, "total": IMAGES}
        made.append(Record("paired", "count", changed, candidate, case=where, stats=stats))
    return made


def worker(number: int, version: str, flavour: str = "tensorrt") -> Record:
    """A worker that ran."""
    stats = {"tensorrt": version, "flavour": flavour, "python": "3.10.12", "gpu": "NVIDIA H100 80GB HBM3", "apis": ["enqueueV3"]}
    return Record("worker", "count", 1, case={"worker": number}, stats=stats)


def lost_worker(number: int, reason: Reason) -> Record:
    """A worker that did not."""
    return Record("worker", "count", None, case={"worker": number}, reason=reason)


def foreign(version: str, plan_of: str) -> Record:
    """A plan that was refused."""
    said = f"this plan was built by TensorRT {plan_of}, here is {version}; build it again"
    return Record("foreign_plan", "count", 1, case={"tensorrt": version, "plan_of": plan_of}, stats={"message": said})


def exhibits(versions: Sequence[str] = (OLD, NEW), precisions: Sequence[str] = ("fp32", "fp16")) -> dict[str, Any]:
    """Members: everything is there, but what is written down as gone before 10.6 is gone in 10.6; layers: the newest has fewer."""
    members = [Member(path=call.path, here={v: _state(call, v) for v in versions}) for call in calls.calls()]
    engines = [_layers(version, precision, version == versions[-1]) for version in versions for precision in precisions]
    return {"members": Members(versions=list(versions), members=members), "layers": Layers(engines=engines)}


def _state(call: calls.Call, version: str) -> Any:
    number = int(version.split(".")[0])
    if call.gone and number >= int(call.gone.split(".")[0]):
        return "gone"
    return "deprecated" if call.deprecated and number >= 10 and call.deprecated in ("10.0", "10.1") else "there"


def _layers(version: str, precision: str, newest: bool) -> EngineLayers:
    kernel = "sm80_xmma_fprop_implicit_gemm_f16f16_f16f16_f16_nhwckcrs_nhwc_tilesize128x64x64_stage3_warpsize2x2x1_g1_tensor16x8x16"
    convolutions = [
        Layer(name=f"vgg/conv{n}/Conv2D + vgg/relu{n}/Relu", kind="convolution", type=precision, tactic=kernel) for n in range(1, 6)
    ]
    copy = Layer(name="Reformatting CopyNode for Input Tensor 0 to vgg/conv1/Conv2D + vgg/relu1/Relu", kind="reformat", type="", tactic="")
    pools = [Layer(name=f"vgg/pool{n}/MaxPool", kind="pooling", type=precision, tactic="") for n in (1, 2)]
    layers = convolutions + pools[: 1 if newest else 2] + ([] if newest else [copy])
    return EngineLayers(tensorrt=version, precision=precision, variant="", build=1, layers=layers)
