"""One engine, several ways to call it: Python and C++, tensors by name and bindings, CUDA graph, small and large batches."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lib import progress
from lib.data import dataset as datasets
from lib.errors import ReportError
from lib.experiment import candidate as pairs
from lib.experiment.precision import PRECISIONS, named
from lib.measure import compare, predictions
from lib.runners import cpp, tensorrt
from lib.show import table as show
from lib.store.records import Record
from lib.text import Finding, Text

if TYPE_CHECKING:
    from lib.measure.compare import Difference
    from lib.store.artifacts import Artifact
    from lib.store.session import Session

BATCHES = (1, 16, 32)
EQUAL = 5e-7  # the largest difference of two probabilities that are equal to six decimals
METRICS = ("max_abs_difference", "agreement")
RUNNERS = {"tensorrt": tensorrt.TensorRT, "cpp": cpp.Cpp}


class Way(NamedTuple):
    """How an engine is called: key of RUNNERS, TensorRT's function, whether as a CUDA graph."""

    runner: str
    api: str
    graph: bool = False

    @property
    def label(self) -> Text:
        """The call in words."""
        return Text(f"{self.api} with CUDA graph", f"{self.api}（CUDAグラフ）") if self.graph else Text(self.api, self.api)


REFERENCE = Way("tensorrt", "execute_async_v3")
WAYS = (
    REFERENCE,
    Way("tensorrt", "execute_async_v2"),
    Way("cpp", "enqueueV3"),
    Way("cpp", "executeV2"),
    Way("cpp", "enqueueV3", graph=True),
)


@dataclass(frozen=True)
class Result:
    """What one way to call the engine of one precision gave. batch: images a call, 0 where nothing ran.

    Either found (the difference from the reference, over all test images) or reason is there. failed: it was called and
    did not answer. artifact_sha256: of the engine.
    """

    precision: str
    way: Way
    batch: int = 0
    found: Difference | None = None
    reason: Text | None = None
    failed: bool = False
    artifact_sha256: str = ""

    @property
    def equal(self) -> bool:
        """Whether all classes are the reference's and all probabilities equal it to six decimals."""
        return self.found is not None and not len(self.found.disagree) and self.found.max_abs <= EQUAL


@dataclass(frozen=True)
class Study:
    """results: of every precision, way and batch size; images: in the test set; reference_batch: of the reference."""

    results: list[Result]
    images: int
    reference_batch: int

    @property
    def measured(self) -> list[Result]:
        """Those that answered."""
        return [result for result in self.results if result.found is not None]


def study(session: Session) -> Study:
    """Call every engine that runs here in every way, over all test images, and compare with Python's execute_async_v3.

    The reference takes the largest batch of the engine. A call that fails is a result with its reason.
    """
    engines, count = session.profile.engines, len(session.images.x_test)
    missing = {precision: tensorrt.TensorRT.unavailable(precision) for precision in tensorrt.TensorRT.precisions}
    here = [precision for precision, reason in missing.items() if reason is None]
    absent = _absent() if here else {}
    results = [Result(p, way, reason=reason) for p, reason in missing.items() if reason for way in WAYS]
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "test_images.npy"
        if here and any(way.runner == "cpp" and way not in absent for way in WAYS):
            cpp.write_samples(samples, datasets.to_input(session.images.x_test))
        for precision in here:
            results += _engine(session, precision, absent, samples)
    return Study(results, count, engines.max_batch)


def batch_sizes(smallest: int, largest: int) -> list[int]:
    """1, 16 and 32 as far as an engine takes them, and its largest batch."""
    return sorted({size for size in BATCHES if smallest <= size <= largest} | {largest})


def _absent() -> dict[Way, Text]:
    """The ways that the TensorRT and the program of this system do not have, with the reason."""
    python, reason = tensorrt.TensorRT.apis(), cpp.not_built()
    compiled = cpp.apis() if reason is None else []
    made = {}
    for way in WAYS:
        if way.runner == "tensorrt" and way.api not in python:
            made[way] = Text(f"this TensorRT has no {way.api}", f"このTensorRTには{way.api}がない")
        elif way.runner == "cpp" and way.api not in compiled:
            made[way] = reason or Text(f"this build of the C++ runner has no {way.api}", f"ビルドしたC++実行系には{way.api}がない")
    return made


def _engine(session: Session, precision: str, absent: dict[Way, Text], samples: Path) -> Iterator[Result]:
    """The results of one engine."""
    sizes = batch_sizes(session.profile.engines.min_batch, session.profile.engines.max_batch)
    try:
        engine = tensorrt.TensorRT(session, precision).artifact
        base = _answers(session, precision, engine, REFERENCE, sizes[-1], samples)
    except ReportError as error:
        yield Result(precision, REFERENCE, sizes[-1], reason=_said(error), failed=True)
        return
    todo = [(way, size) for way in WAYS for size in sizes if way not in absent and (way, size) != (REFERENCE, sizes[-1])]
    yield from (Result(precision, way, reason=reason, artifact_sha256=engine.sha256) for way, reason in absent.items())
    with progress.bar(len(todo), f"ways to call the {precision} engine") as bar:
        for way, size in todo:
            yield _compared(session, precision, engine, way, size, samples, base)
            bar.update()


def _compared(session: Session, precision: str, engine: Artifact, way: Way, size: int, samples: Path, base: np.ndarray) -> Result:
    try:
        answers = _answers(session, precision, engine, way, size, samples)
        found = compare.difference(base, answers, (REFERENCE.api, f"{way.runner} {way.api}"))
    except ReportError as error:
        return Result(precision, way, size, reason=_said(error), failed=True, artifact_sha256=engine.sha256)
    return Result(precision, way, size, found, artifact_sha256=engine.sha256)


def _answers(session: Session, precision: str, engine: Artifact, way: Way, size: int, samples: Path) -> np.ndarray:
    """Probabilities of all test images, float32 (N, classes), called in one way with `size` images a call."""
    if way.runner == "cpp":
        plan, sha256 = cpp.trusted(session, precision, engine)
        return cpp.predict(plan, sha256, samples, len(session.images.x_test), size, way.api, way.graph)
    with tensorrt.TensorRT(session, precision, engine=engine, api=way.api) as run:
        return predictions.run(run, session.images.x_test, size)


def _said(error: ReportError) -> Text:
    return Text(str(error), f"呼び出しに失敗した：{error}")


def rows(done: Study) -> list[dict[str, Any]]:
    """One row a precision and way, over its batch sizes (the largest difference counts), then what did not run with its reason."""
    table: list[dict[str, Any]] = []
    for precision, way in dict.fromkeys((r.precision, r.way) for r in done.measured):
        group = [r for r in done.measured if (r.precision, r.way) == (precision, way)]
        table.append(
            {
                "precision": PRECISIONS[precision].label,
                "runner": RUNNERS[way.runner].label,
                "call": way.label,
                "batches": ", ".join(_batch(r.batch, done.images) for r in group),
                "disagree": max(len(r.found.disagree) for r in group if r.found),
                "max_abs": max(r.found.max_abs for r in group if r.found),
                "verdict": Text("equal", "一致") if all(r.equal for r in group) else Text("DIFFERENT", "不一致"),
            }
        )
    return table + _missing_rows(done)


def _batch(size: int, images: int) -> str:
    """A batch size, with that of the last call where it is short."""
    return f"{size} ({images % size})" if images % size else str(size)


def _missing_rows(done: Study) -> list[dict[str, Any]]:
    groups: dict[tuple[str, Text], list[Result]] = {}
    for result in done.results:
        if result.reason is not None:
            groups.setdefault((result.way.runner, result.reason), []).append(result)
    return [
        {
            "precision": _listed(PRECISIONS[r.precision].label for r in group),
            "runner": RUNNERS[runner].label,
            "call": _listed(r.way.label for r in group),
            "batches": ", ".join(str(size) for size in dict.fromkeys(r.batch for r in group if r.batch)),
            "disagree": reason,
            "max_abs": reason,
        }
        for (runner, reason), group in groups.items()
    ]


def _listed(texts: Iterable[Text]) -> Text:
    """Each of the texts once, separated by commas."""
    once = list(dict.fromkeys(texts))
    return Text(", ".join(t.en for t in once), "、".join(t.ja for t in once))


def columns() -> list[show.Column]:
    """The columns of `rows`."""
    return [
        pairs.PRECISION,
        pairs.RUNNER,
        show.Column("call", Text("Call", "呼び出し")),
        show.Column("batches", Text("Batch sizes (last batch)", "バッチサイズ（最後のバッチ）")),
        show.Column("disagree", Text("Images that differ", "不一致の画像"), digits=0),
        show.Column("max_abs", Text("Max. abs. difference", "絶対差の最大値"), digits=1, scientific=True),
        show.Column("verdict", Text("To six decimals", "小数点以下6桁")),
    ]


def caption(done: Study) -> Text:
    """Says what each row is compared with."""
    return Text(
        f"Each engine over all {done.images:,} test images, compared with Python's {REFERENCE.api} at batch size {done.reference_batch}; "
        "the largest over the batch sizes. In parentheses: images in a last call that is shorter.",
        f"各エンジンについて、テスト画像{done.images:,}枚での答えをPythonの{REFERENCE.api}（バッチサイズ{done.reference_batch}）と比較した。"
        "値は各バッチサイズでの最大値、括弧内は端数となった最後の呼び出しの画像数である。",
    )


def records(done: Study) -> list[Record]:
    """max_abs_difference and agreement of every precision, way and batch size; what did not run with its reason."""
    reference = f"{REFERENCE.runner} {REFERENCE.api} batch {done.reference_batch}"
    made = []
    for r in done.results:
        case = {"reference": reference, "api": r.way.api, "batch": r.batch or None, "graph": r.way.graph}
        common: dict[str, Any] = {"runner": r.way.runner, "precision": r.precision, "case": case, "artifact_sha256": r.artifact_sha256}
        if r.found is None:
            made += [Record(metric, "1", None, reason=r.reason, stats={"failed": r.failed}, **common) for metric in METRICS]
            continue
        counts = {"images": r.found.images, "disagree": len(r.found.disagree), "last_batch": done.images % r.batch or r.batch}
        made.append(Record("max_abs_difference", "1", r.found.max_abs, stats={"tolerance": EQUAL}, **common))
        made.append(Record("agreement", "1", r.found.agreement, stats=counts, **common))
    return made


def findings(done: Study) -> list[Finding]:
    """Red for every way that differs or failed, good for the engines where all agree, a note for what could not run."""
    bad = [r for r in done.results if r.failed or (r.found is not None and not r.equal)]
    made = [_bad(r) for r in bad]
    if fine := [r for r in done.measured if r.equal]:
        made.append(_fine(fine, done.images, complete=not bad))
    for reason in dict.fromkeys(r.reason for r in done.results if r.reason and not r.failed):
        lost = [r for r in done.results if r.reason == reason]
        calls, of = _listed(r.way.label for r in lost), _listed(PRECISIONS[r.precision].label for r in lost)
        en, ja = f"Ways to call an engine that were not compared in {of.en}", f"{of.ja}で比較しなかったエンジンの呼び出し方"
        made.append(Finding("note", Text(f"{en}: {calls.en} ({reason.en}).", f"{ja}：{calls.ja}（{reason.ja}）。")))
    return made


def _bad(r: Result) -> Finding:
    name, way = named(RUNNERS[r.way.runner].label, r.precision), r.way.label
    en, ja = f"{name.en}, {way.en}, batch {r.batch}", f"{name.ja}、{way.ja}、バッチサイズ{r.batch}"
    if r.found is None or r.reason is not None:
        reason = r.reason or Text("", "")
        return Finding("bad", Text(f"{en} failed: {reason.en}.", f"{ja}：{reason.ja}。"))
    apart, differ = f"{r.found.max_abs:.2g}", len(r.found.disagree)
    return Finding(
        "bad",
        Text(
            f"{en}: not the answers of {REFERENCE.api} on the same engine. Another class on {differ:,} images, "
            f"largest difference of a probability {apart} (equal to six decimals: {EQUAL:.0e}).",
            f"{ja}：同じエンジンに対する{REFERENCE.api}の答えと異なる。クラスが異なる画像は{differ:,}枚、"
            f"確率の最大差は{apart}である（小数点以下6桁の一致とみなす上限は{EQUAL:.0e}）。",
        ),
    )


def _fine(fine: list[Result], images: int, complete: bool) -> Finding:
    engines, ways, runs = len({r.precision for r in fine}), len({r.way for r in fine}), len(fine)
    apart = f"{max(r.found.max_abs for r in fine if r.found):.2g}"
    en = "Equal answers however an engine is called" if complete else "Equal answers in all other comparisons"
    ja = "エンジンの呼び出し方によらず答えは一致した" if complete else "その他の比較では、いずれも答えが一致した"
    return Finding(
        "good",
        Text(
            f"{en}: engines {engines}, ways to call them {ways}, with batch sizes {runs} comparisons over {images:,} images each. "
            f"The same class on every image, largest difference of a probability {apart}.",
            f"{ja}。エンジン{engines}個、呼び出し方{ways}通り、バッチサイズを含め{runs}件を、それぞれ画像{images:,}枚で比較した。"
            f"クラスはすべて一致し、確率の最大差は{apart}である。",
        ),
    )
