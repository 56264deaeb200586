"""Notebook 03: which engines this TensorRT builds from the exported ONNX, how large and how fast they are, what it cannot do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from lib import progress, trt
from lib.experiment import system
from lib.experiment.candidate import PRECISION
from lib.experiment.precision import PRECISIONS
from lib.measure import sweep
from lib.show.table import Column
from lib.store import files
from lib.store.records import Record
from lib.text import Finding, Text
from lib.trt import inspect, same_plan

if TYPE_CHECKING:
    from lib.store.artifacts import Artifact
    from lib.store.session import Session

PLAN = "model.plan"
ELSEWHERE = Text("the stored engine was built on another system", "保存済みのエンジンは別のシステムで構築された")
NEEDS_GPU = Text("needs a GPU to read", "読み出しにGPUが必要")
NOT_TOLD = Text("not told by the engine inspector", "エンジンインスペクターからは不明")
UNSTATED = Text("not in the build log", "構築ログに記載なし")
YES, NO = Text("yes", "あり"), Text("no", "なし")

FEATURE_COLUMNS = [
    Column("feature", Text("Feature", "機能")),
    Column("path", Text("Found by", "判定に使うAPI")),
    Column("since", Text("TensorRT versions that have it", "備えているバージョン")),
    Column("here", Text("Here", "この環境")),
]
ENGINE_COLUMNS = [
    PRECISION,
    Column("onnx", Text("From ONNX", "元のONNX")),
    Column("size_mb", Text("Plan", "プラン"), "MB", digits=2, best="min"),
    Column("ratio", Text("Size against FP32", "FP32に対するサイズ比"), digits=3),
    Column("weights_mb", Text("of it weights", "うち重み"), "MB", digits=2),
    Column("build_s", Text("Build time", "構築時間"), "s", digits=2, interval=("fastest_s", "slowest_s")),
    Column("calibration_s", Text("Calibration", "キャリブレーション"), "s", digits=2),
    Column("cache", Text("Timing cache at hand", "既存のタイミングキャッシュ")),
    Column("products", Text("Convolutions and matrix products in the network", "ネットワーク内の畳み込みと行列積")),
    Column("inside", Text("The same in the finished engine", "完成したエンジン内の畳み込みと行列積")),
]
RUN_COLUMNS = [
    PRECISION,
    Column("batch", Text("Batch", "バッチサイズ"), digits=0),
    Column("latency", Text("Latency, median", "レイテンシ中央値"), "ms", digits=3, best="min"),
    Column("gpu", sweep.GPU_TIME, "ms", digits=3),
    Column("throughput", Text("Throughput", "スループット"), "images/s", digits=0, best="max", interval=("ci_low", "ci_high")),
    Column("ratio", Text("Throughput against FP32", "FP32に対するスループット比"), "×", digits=2, interval=("ratio_low", "ratio_high")),
]

ENGINE_CAPTION = Text(
    "Engines by precision; build time is the median, with the fastest and the slowest build where there was more than one",
    "数値精度別のエンジン。構築時間は中央値であり、複数回構築した場合は[最短, 最長]を添える",
)
SIZE_CAPTION = Text("Size of each plan", "各プランのサイズ")
RUN_CAPTION = Text(
    "Running the engines, end to end, with 95 % intervals. An interval covers the noise within one measurement only, "
    f"not that between measurements. {sweep.GPU_TIME_IS.en}",
    "エンジンの実行（エンドツーエンド）。[ ]内は95%信頼区間。区間が表すのは1回の測定内のばらつきだけであり、測定ごとのばらつきは含まない。"
    + sweep.GPU_TIME_IS.ja,
)


@dataclass(frozen=True)
class Engine:
    """One precision: its artifact, or the reason why there is none. failed: TensorRT should have built it and did not."""

    precision: str
    artifact: Artifact | None = None
    reason: Text | None = None
    failed: bool = False

    @property
    def label(self) -> Text:
        """The precision as reports show it."""
        return PRECISIONS[self.precision].label

    @property
    def size_bytes(self) -> int | None:
        """Bytes of the plan."""
        return self.artifact.size(PLAN) if self.artifact else None

    @property
    def build_s(self) -> list[float]:
        """Seconds of each build, [] where it was built on another system."""
        info = self.artifact.info if self.artifact else {}
        return list(info["build_s"]) if info.get("system_id") == system.system_id() else []

    @property
    def calibration_s(self) -> float | Text | None:
        """Seconds that TensorRT calibrated for, None where it did not, a reason where that was on another system."""
        seconds = self.artifact.info.get("calibration_s") if self.artifact else None
        return seconds if seconds is None or self.build_s else ELSEWHERE


def build_all(session: Session) -> list[Engine]:
    """One Engine for every row of PRECISIONS, built now unless stored. A build that fails is a row that says so."""
    return [_engine(session, precision) for precision in PRECISIONS]


def feature_rows() -> list[dict[str, Any]]:
    """Every feature that this project branches by, and whether the TensorRT of this system has it."""
    here = trt.module() if trt.flavour() else None
    return [
        {"feature": f.label, "path": f.path, "since": f.since, "here": trt.NOT_INSTALLED if here is None else YES if f.here(here) else NO}
        for f in trt.FEATURES
    ]


def feature_caption() -> Text:
    """Which TensorRT the feature table is about."""
    if trt.flavour() is None:
        return trt.NOT_INSTALLED
    name = f"{trt.name()} {trt.version()}"
    return Text(f"What {name} can do, found by looking for each call", f"{name}が備える機能（各APIの有無で判定）")


def rows(engines: Iterable[Engine]) -> list[dict[str, Any]]:
    """The engines as table rows: sizes in MB (10^6 bytes), ratio to the FP32 plan, median build time in seconds."""
    engines = list(engines)
    reference = _reference(engines)
    return [
        {
            "precision": e.label,
            "onnx": e.artifact.info["onnx"] if e.artifact else "",
            "size_mb": e.size_bytes / 1e6 if e.size_bytes else e.reason,
            "ratio": e.size_bytes / reference if e.size_bytes and reference else None,
            "weights_mb": UNSTATED if e.artifact and _weights_mb(e) is None else _weights_mb(e),
            "build_s": median(e.build_s) if e.build_s else ELSEWHERE if e.artifact else None,
            "fastest_s": min(e.build_s) if len(e.build_s) > 1 else None,
            "slowest_s": max(e.build_s) if len(e.build_s) > 1 else None,
            "calibration_s": e.calibration_s,
            "cache": {True: YES, False: NO}.get(e.artifact.info.get("timing_cache"), "") if e.artifact else "",
            "products": _types(e.artifact.info["product_types"]) if e.artifact else "",
            "inside": _inside(e),
        }
        for e in engines
    ]


def run_rows(measured: Iterable[Record]) -> list[dict[str, Any]]:
    """One row a precision: latency and time on the GPU (ms), throughput (images/s), its ratio to FP32, or the reason in place of all."""
    found = {(r.metric, r.precision): r for r in measured}
    return [_run_row(found, precision) for metric, precision in found if metric == "throughput"]


def records(session: Session, engines: Iterable[Engine]) -> list[Record]:
    """plan_size (bytes) and build_time (s, median; every build in `samples`) of each precision, then latency and throughput.

    Stats: plan_sha256 of plan_size; of build_time timing_cache (was one there) and calibration_s (None where not calibrated).
    Engines that are there run at opt_batch images a call, end to end (lib.measure.sweep); the others carry their own reason.
    """
    engines = list(engines)
    return [record for engine in engines for record in _records(engine)] + _run(session, engines)


def findings(engines: Iterable[Engine], measured: Iterable[Record] = ()) -> list[Finding]:
    """What the builds say: engines that failed, sizes that do not shrink, what cannot be built or run here.

    measured: what `records` gave of them, for plans that were measured under two names.
    """
    engines = list(engines)
    built = [e for e in engines if e.artifact]
    found = [Finding("bad", Text(f"{e.label.en}: {e.reason.en}", f"{e.label.ja}：{e.reason.ja}")) for e in engines if e.failed and e.reason]
    if built:
        name = f"{trt.name()} {trt.version()}"
        en = f"{name} built engines in {len(built)} of {len(engines)} precisions."
        found.append(Finding("good", Text(en, f"{name}は{len(engines)}種の数値精度のうち{len(built)}種でエンジンを構築した。")))
    found += _type_findings(built) + _untold(built) + _size_findings(built, _reference(engines)) + same_plan.twins(built)
    measured = list(measured)
    found += same_plan.findings(measured, "plan_size", lambda record: PRECISIONS[record.precision].label) + sweep.failures(measured)
    found += [
        Finding("note", Text(f"{e.label.en}: {e.reason.en}.", f"{e.label.ja}：{e.reason.ja}。"))
        for e in engines
        if e.reason and not e.failed
    ]
    if reason := trt.unavailable():
        found.append(
            Finding("note", Text(f"Running the engines: not measured: {reason.en}.", f"エンジンの実行：未測定（理由：{reason.ja}）。"))
        )
    return found


def _engine(session: Session, precision: str) -> Engine:
    if reason := trt.not_buildable(precision):
        return Engine(precision, reason=reason)
    progress.say(f"engine {precision}")
    try:
        return Engine(precision, trt.engine(session, precision))
    except trt.EngineError as error:
        return Engine(precision, reason=Text(f"the build failed: {error}", f"構築に失敗した：{error}"), failed=True)


def _reference(engines: list[Engine]) -> int | None:
    return next((e.size_bytes for e in engines if e.precision == "fp32"), None)


def _types(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} × {name.upper() or '?'}" for name, number in sorted(counts.items()))


def _inside(engine: Engine) -> str | Text:
    """The types that products run in inside the finished engine, or why they are not known."""
    if engine.artifact is None:
        return ""
    found = engine.artifact.info.get("engine_types")
    return _types(found) if found else NOT_TOLD if found is not None else NEEDS_GPU


def _weights_mb(engine: Engine) -> float | None:
    stated = engine.artifact.info["weights_bytes"] if engine.artifact else None
    return None if stated is None else stated / 1e6


def _records(engine: Engine) -> list[Record]:
    common = {"runner": "tensorrt", "precision": engine.precision, "artifact_sha256": engine.artifact.sha256 if engine.artifact else ""}
    seconds = engine.build_s
    built: dict[str, Any] = {"samples": seconds, "reason": None if seconds else engine.reason or ELSEWHERE}
    if seconds and engine.artifact:
        built["stats"] = {key: engine.artifact.info.get(key) for key in ("timing_cache", "calibration_s")}
    own = {same_plan.HASH: files.sha256(engine.artifact.file(PLAN))} if engine.artifact else {}
    return [
        Record("plan_size", "bytes", engine.size_bytes, reason=engine.reason, stats=own, **common),
        Record("build_time", "s", median(seconds) if seconds else None, **built, **common),
    ]


def _run(session: Session, engines: list[Engine]) -> list[Record]:
    """latency and throughput of every engine: measured, or with the reason why this system cannot run it or it is not there."""
    batch = session.profile.engines.opt_batch
    hashes = {e.precision: e.artifact.sha256 for e in engines if e.artifact}
    common = {"runner": "tensorrt", "batch_size": batch, "scope": sweep.SCOPE}
    made = [
        replace(r, artifact_sha256=hashes[r.precision])
        for r in sweep.run(session, [sweep.Configuration("tensorrt", p, batch) for p in hashes])
    ]
    for e in engines:
        if e.artifact is None:
            empty = common | {"precision": e.precision, "reason": e.reason}
            made += [Record("latency", "ms", None, **empty), Record("throughput", "images/s", None, **empty)]
    return sorted(made, key=lambda r: list(PRECISIONS).index(r.precision))


def _run_row(found: dict[tuple[str, str], Record], precision: str) -> dict[str, Any]:
    rate, latency, base = found["throughput", precision], found["latency", precision], found.get(("throughput", "fp32"))
    row = {"precision": PRECISIONS[precision].label, "batch": rate.batch_size, "gpu": sweep.on_gpu(rate)}
    if rate.value is None:
        return row | dict.fromkeys(("latency", "throughput", "ratio"), rate.reason)
    row |= {"latency": latency.value, "throughput": rate.value, "ci_low": rate.stats["ci_low"], "ci_high": rate.stats["ci_high"]}
    if base is None or base.value is None or precision == "fp32":
        return row
    return row | dict(zip(("ratio", "ratio_low", "ratio_high"), sweep.ratio(rate, base), strict=True))


def _type_findings(built: list[Engine]) -> list[Finding]:
    """Engines whose products do not run in what was asked, as far as the engine inspector told."""
    found = []
    for e in built:
        types = (e.artifact.info.get("engine_types") if e.artifact else None) or {}
        if inspect.other_than_asked(e.precision, types):
            en = f"The convolutions and matrix products of the {e.label.en} engine run in another type: {_types(types)}."
            found.append(Finding("bad", Text(en, f"{e.label.ja}のエンジンの畳み込みと行列積が別の型で動く：{_types(types)}。")))
    return found


def _untold(built: list[Engine]) -> list[Finding]:
    """Engines that were opened and whose types the inspector did not tell; info has None for those that were not opened."""
    types = [(e.label, e.artifact.info.get("engine_types")) for e in built if e.artifact]
    names = [label for label, found in types if found is not None and not any(found)]
    if not names:
        return []
    en, ja = ", ".join(name.en for name in names), "、".join(name.ja for name in names)
    text = Text(
        f"The precision of {en} could not be read back from the finished engine.",
        f"完成したエンジンから数値精度を読み出せなかった：{ja}。",
    )
    return [Finding("note", text)]


def _size_findings(built: list[Engine], reference: int | None) -> list[Finding]:
    """Plans of lower precision: smaller is good; weights that do not shrink mean that the precision did not take."""
    found, full = [], next((_weights_mb(e) for e in built if e.precision == "fp32"), None)
    for e in built:
        if inspect.wanted_type(e.precision) == "fp32" or not reference or not e.size_bytes:
            continue  # the same weights in the same type
        ratio, weights = e.size_bytes / reference, _weights_mb(e)
        en = f"The {e.label.en} plan has {ratio:.2f} times the size of the FP32 plan."
        ja = f"{e.label.ja}のプランのサイズはFP32の{ratio:.2f}倍である。"
        found.append(Finding("good" if ratio < 1 else "note", Text(en, ja)))
        if full and weights and weights >= full:
            en, ja = f"The weights of the {e.label.en} plan did not shrink.", f"{e.label.ja}のプランの重みが小さくなっていない。"
            found.append(Finding("bad", Text(en, ja)))
    return found
