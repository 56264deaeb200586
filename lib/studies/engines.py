"""Notebook 03: which engines this TensorRT builds from the exported ONNX, how large they are, and what it cannot do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from lib import files, progress, system, trt
from lib.precision import PRECISIONS
from lib.records import Record
from lib.runners.tensorrt import TensorRT
from lib.show import Column
from lib.text import Finding, Text

if TYPE_CHECKING:
    from lib.artifacts import Artifact
    from lib.session import Session

PLAN = "model.plan"
ELSEWHERE = Text("the stored engine was built on another system", "保存済みのエンジンは別のシステムで構築された")
YES, NO = Text("yes", "あり"), Text("no", "なし")

FEATURE_COLUMNS = [
    Column("feature", Text("Feature", "機能")),
    Column("path", Text("Found by", "判定に使うAPI")),
    Column("since", Text("TensorRT versions that have it", "備えているバージョン")),
    Column("here", Text("Here", "この環境")),
]
ENGINE_COLUMNS = [
    Column("precision", Text("Precision", "数値精度")),
    Column("onnx", Text("From ONNX", "元のONNX")),
    Column("size_mb", Text("Plan", "プラン"), "MB", digits=2, best="min"),
    Column("ratio", Text("Size against FP32", "FP32に対するサイズ比"), digits=3),
    Column("weights_mb", Text("of it weights", "うち重み"), "MB", digits=2),
    Column("build_s", Text("Build time", "構築時間"), "s", digits=2, interval=("fastest_s", "slowest_s")),
    Column("products", Text("Convolutions and matrix products", "畳み込みと行列積")),
]
RUN_COLUMNS = [
    Column("precision", Text("Precision", "数値精度")),
    Column("batch", Text("Batch", "バッチサイズ"), digits=0),
    Column("latency", Text("Latency", "レイテンシ"), "ms", digits=3),
]

ENGINE_CAPTION = Text(
    "Engines by precision; build time is the median, with the fastest and the slowest build",
    "数値精度別のエンジン。構築時間は中央値と[最短, 最長]",
)
SIZE_CAPTION = Text("Size of each plan", "各プランのサイズ")
RUN_CAPTION = Text("Running the engines", "エンジンの実行")


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
            "weights_mb": _weights_mb(e),
            "build_s": median(e.build_s) if e.build_s else ELSEWHERE if e.artifact else None,
            "fastest_s": min(e.build_s, default=None),
            "slowest_s": max(e.build_s, default=None),
            "products": _products(e),
        }
        for e in engines
    ]


def run_rows(measured: Iterable[Record]) -> list[dict[str, Any]]:
    """The latency records as table rows; where nothing was measured the reason stands in its place."""
    return [
        {"precision": PRECISIONS[r.precision].label, "batch": r.batch_size, "latency": r.reason if r.value is None else r.value}
        for r in measured
        if r.metric == "latency"
    ]


def records(session: Session, engines: Iterable[Engine]) -> list[Record]:
    """plan_size (bytes), build_time (s, median; every build in `samples`) and latency (ms) of each precision."""
    batch = session.profile.engines.opt_batch
    return [record for engine in engines for record in _records(engine, batch)]


def findings(engines: Iterable[Engine]) -> list[Finding]:
    """What the builds say: engines that failed, sizes that do not shrink, what cannot be built or run here."""
    engines = list(engines)
    built = [e for e in engines if e.artifact]
    found = [Finding("bad", Text(f"{e.label.en}: {e.reason.en}", f"{e.label.ja}:{e.reason.ja}")) for e in engines if e.failed and e.reason]
    if built:
        name = f"{trt.name()} {trt.version()}"
        en = f"{name} built engines in {len(built)} of {len(engines)} precisions."
        found.append(Finding("good", Text(en, f"{name}は{len(engines)}種の数値精度のうち{len(built)}種でエンジンを構築した。")))
    found += _size_findings(built, _reference(engines)) + _twins(built)
    found += [
        Finding("note", Text(f"{e.label.en}: {e.reason.en}.", f"{e.label.ja}:{e.reason.ja}。"))
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


def _products(engine: Engine) -> str:
    counts = engine.artifact.info["product_types"] if engine.artifact else {}
    return ", ".join(f"{number} × {name.upper()}" for name, number in sorted(counts.items()))


def _weights_mb(engine: Engine) -> float | None:
    stated = engine.artifact.info["weights_bytes"] if engine.artifact else None
    return None if stated is None else stated / 1e6


def _records(engine: Engine, batch: int) -> list[Record]:
    common = {"runner": "tensorrt", "precision": engine.precision, "artifact_sha256": engine.artifact.sha256 if engine.artifact else ""}
    seconds = engine.build_s
    made = [
        Record("plan_size", "bytes", engine.size_bytes, reason=engine.reason, **common),
        Record(
            "build_time",
            "s",
            median(seconds) if seconds else None,
            samples=seconds,
            reason=None if seconds else engine.reason or ELSEWHERE,
            **common,
        ),
    ]
    if reason := engine.reason or TensorRT.unavailable(engine.precision):
        made.append(Record("latency", "ms", None, batch_size=batch, scope="end_to_end", reason=reason, **common))
    return made


def _size_findings(built: list[Engine], reference: int | None) -> list[Finding]:
    """Plans of lower precision: smaller is good; weights that do not shrink mean that the precision did not take."""
    found, full = [], next((_weights_mb(e) for e in built if e.precision == "fp32"), None)
    for e in built:
        if PRECISIONS[e.precision].onnx == "fp32" or not reference or not e.size_bytes:
            continue  # the same weights in the same type
        ratio, weights = e.size_bytes / reference, _weights_mb(e)
        en = f"The {e.label.en} plan has {ratio:.2f} times the size of the FP32 plan."
        ja = f"{e.label.ja}のプランのサイズはFP32の{ratio:.2f}倍である。"
        found.append(Finding("good" if ratio < 1 else "note", Text(en, ja)))
        if full and weights and weights >= full:
            en, ja = f"The weights of the {e.label.en} plan did not shrink.", f"{e.label.ja}のプランの重みが小さくなっていない。"
            found.append(Finding("bad", Text(en, ja)))
    return found


def _twins(built: list[Engine]) -> list[Finding]:
    """Two precisions with one and the same plan: one of them carries a wrong name."""
    seen: dict[str, Engine] = {}
    found = []
    for e in built:
        if e.artifact is None:
            continue
        first = seen.setdefault(files.sha256(e.artifact.file(PLAN)), e)
        if first is not e:
            en, ja = (
                f"{e.label.en} and {first.label.en} are one and the same plan.",
                f"{e.label.ja}と{first.label.ja}のプランが同一である。",
            )
            found.append(Finding("bad", Text(en, ja)))
    return found
