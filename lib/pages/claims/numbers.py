"""What our records hold of the numbers that claims are about: a ratio and how far it can be trusted, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lib import stats
from lib.experiment.candidate import Candidate
from lib.pages import common
from lib.pages.claims.claims import Times, W
from lib.pages.cross_version import costs
from lib.pages.cross_version.systems import System, systems
from lib.pages.cross_version.versions import PYTHON, Engine, Versions
from lib.stats import Interval
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text

VERSIONS = "08_cross_version"  # the page that ran several versions on one machine
BLOCKS = 2.2  # by which a ratio may be off where each side was timed in one block: so far two blocks of one configuration were apart
USUAL = {"method": "entropy", "images": 320}  # how the original calibrated; of several engines that one is compared
Doubt = Literal["", "blocks", "disturbed"]


@dataclass(frozen=True)
class Ratio:
    """How many times as fast or as small. value: with its interval where one is known; doubt: why less can be said than that."""

    value: Interval
    doubt: Doubt = ""

    @property
    def judged(self) -> Interval:
        """What a verdict rests on: wider where no rounds were shared."""
        value, low, high = self.value
        return Interval(value, low / BLOCKS, high * BLOCKS) if self.doubt == "blocks" else self.value


def sources(run: Run) -> list[System]:
    """Systems that may answer a claim: the page's own first, then those beside it; none of them sees what this page recorded."""
    own = System(run.folder.name, Run(run.folder, "", {stage: file for stage, file in run.files.items() if stage != run.stage}))
    beside = [system for system in systems(run)[0] if system.run.folder != run.folder]
    return [system for system in (own, *beside) if system.run.files]


def machine(system: System) -> Text:
    """What a table calls a system: its GPU and TensorRT, else its processor."""
    gpu = system.gpu.get("name")
    if gpu and system.tensorrt:
        return Text(f"{gpu} ({system.tensorrt})", f"{gpu}（{system.tensorrt}）")
    said = gpu or str(system.description.get("cpu", system.id))
    return Text(said, said)


def tensorrt(run: Run, version: str) -> bool:
    """Whether a system's own TensorRT is of a version that begins so."""
    libraries = [file.stage.system.get("libraries") for file in run.files.values()]
    return any(str(known.get("tensorrt", "")).startswith(version) for known in libraries if isinstance(known, dict))


def times(run: Run, rule: Times) -> Ratio | Reason:
    """The ratio that a claim is about, or why this system has none."""
    of, over = Candidate.parse(rule.of), Candidate.parse(rule.over)
    if rule.metric == "latency":
        return _speed(run, of, over, rule.batch or 1, rule.over_batch or rule.batch or 1)
    if rule.tensorrt and not tensorrt(run, rule.tensorrt):
        return _of_version(run, rule, of, over) or Reason.verbatim(W("why.no_version", version=rule.tensorrt))
    a, b = picked(run, rule.metric, of), picked(run, rule.metric, over)
    if a is None or b is None or not a.value or not b.value:
        return _of_version(run, rule, of, over) or why(run, rule.metric, of if a is None else over)
    ends = [(float(r.stats.get("min", r.value)), float(r.stats.get("max", r.value))) for r in (a, b)]  # type: ignore[arg-type]
    return Ratio(Interval(b.value / a.value, ends[1][0] / ends[0][1], ends[1][1] / ends[0][0]))


def picked(run: Run, metric: str, candidate: Candidate) -> Record | None:
    """The record of a number: of no case, else of the engine that was calibrated as the original's; None where no page has one."""
    found = [r for r in run.everywhere(metric, candidate=candidate) if r.value is not None and "tensorrt" not in r.case]
    return min(found, key=_unusual, default=None)


def why(run: Run, metric: str, candidate: Candidate) -> Reason:
    """Why a system has no such number: what it recorded of it, else that nothing is recorded."""
    return next((r.reason for r in run.everywhere(metric, candidate=candidate) if r.reason), common.NOT_RECORDED)


def _unusual(record: Record) -> tuple[bool, int, int]:
    case = record.case
    return bool(case), sum(case.get(key, value) != value for key, value in USUAL.items()), len(case)


def _speed(run: Run, of: Candidate, over: Candidate, batch: int, over_batch: int) -> Ratio | Reason:
    """Throughput of one over that of the other, of the first page that timed both; a page's rounds before anything else."""
    blocks: Ratio | None = None
    for page in _pages(run):
        a, b = _latency(page, of, batch), _latency(page, over, over_batch)
        if a is None or b is None or not a.value or not b.value:
            continue
        if common.paired(a, b) and (told := common.speedup(a, b)):
            return Ratio(told, "" if common.calm(page) else "disturbed")
        apart = (batch / a.value) / (over_batch / b.value)
        blocks = blocks or Ratio(Interval(apart, apart, apart), "blocks")
    lacking = next((one for one in (of, over) if not any(_timed(page, one) for page in _pages(run))), of)
    return blocks or why(run, "latency", lacking)


def _pages(run: Run) -> Iterator[Run]:
    stages = sorted(run.files, key=lambda stage: (stage != common.SWEEP, stage != common.COMPARED, stage))
    return (run.of(stage) for stage in stages if stage != VERSIONS)


def _timed(page: Run, candidate: Candidate) -> list[Record]:
    return [r for r in page.records("latency", candidate=candidate, scope="end_to_end") if r.value is not None]


def _latency(page: Run, candidate: Candidate, batch: int) -> Record | None:
    return min((r for r in _timed(page, candidate) if r.batch_size == batch), key=_unusual, default=None)


def full(run: Run, candidate: Candidate, batch: int) -> Record | None:
    """Its latency at `batch`, of the first page whose engines took no more images than that; None where none was timed so."""
    found = (_latency(page, candidate, batch) for page in _pages(run) if page.profile.engines.max_batch == batch)
    return next((record for record in found if record), None)


def _of_version(run: Run, rule: Times, of: Candidate, over: Candidate) -> Ratio | None:
    """The ratio of two engines of one version, the lowest that fits, as the page of versions built them; the ends are of its builds."""
    found = Versions(run.of(VERSIONS))
    if of.runner != PYTHON or over.runner != PYTHON:
        return None
    for name in found.names:
        a, b = (costs.cost(found, rule.metric, name, Engine(candidate.precision)) for candidate in (of, over))
        if name.startswith(rule.tensorrt) and isinstance(a, Interval) and isinstance(b, Interval):
            return Ratio(Interval(b.value / a.value, b.low / a.high, b.high / a.low))
    return None


# Images --------------------------------------------------------------------------------------------------------------------------


def alone(run: Run, candidate: Candidate, than: str) -> tuple[int, int, int] | Reason:
    """Images that only the other side has right, that only the candidate has, and all; than: the other side, "" the reference.

    Where every image has the reference's class there are none of either, whether that was counted or not.
    """
    apart = [
        r for r in run.everywhere("accuracy_difference", candidate=candidate) if r.value is not None and r.case.get("reference") == than
    ]
    counted = min(apart, key=lambda r: _unusual(r)[1:], default=None)
    counts = common.only(counted) or common.only(picked(run, "accuracy", candidate))
    if counts:
        return counts
    same = picked(run, "agreement", candidate)
    if same is not None and same.stats["correct"] == same.stats["total"]:
        return 0, 0, int(same.stats["total"])  # type: ignore[arg-type]
    return why(run, "accuracy", candidate) if same is None else common.NOT_RECORDED


def right(run: Run, candidate: Candidate) -> Record | Reason:
    """The accuracy of a candidate; of a C++ program that answers all images as Python does, Python's."""
    if (own := picked(run, "accuracy", candidate)) is not None:
        return own
    python = Candidate("tensorrt", candidate.precision)
    alike = run.find("pair_agreement", candidate, case={"other": python.key}) if candidate.runner == "cpp" else None
    other = picked(run, "accuracy", python) if alike is not None and alike.value == 1 else None
    return other or why(run, "accuracy", candidate)


@dataclass(frozen=True)
class Differing:
    """Images that change class, of how many, and the largest difference of an output, None where nobody recorded it."""

    differ: int
    total: int
    max_abs: float | None

    @property
    def share(self) -> Interval:
        """Share of the images, with its Wilson interval."""
        return stats.wilson(self.differ, self.total)


def differing(run: Run, candidate: Candidate, to: str) -> Differing | Reason:
    """How a candidate's answers differ from those of `to`, "" the reference's; or why nobody knows."""
    if to:
        found = run.find("pair_agreement", candidate, case={"other": to})
        largest = found.stats.get("max_abs") if found else None
    else:
        found, apart = picked(run, "agreement", candidate), picked(run, "max_abs", candidate)
        largest = apart.value if apart else None
    if found is None or found.value is None:
        return why(run, "pair_agreement" if to else "agreement", candidate)
    total = int(found.stats["total"])  # type: ignore[arg-type]
    return Differing(total - int(found.stats["correct"]), total, None if largest is None else float(largest))  # type: ignore[arg-type]
