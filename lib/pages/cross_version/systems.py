"""Systems on machines of their own: what each recorded for itself, one of them as the baseline, and what that says by rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lib import stats
from lib.errors import ReportError
from lib.experiment.candidate import Candidate, ordered
from lib.experiment.system import version_order
from lib.pages import common
from lib.pages.cross_version.versions import Versions, W
from lib.stats import Interval
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text
from lib.words import Finding

RUNNER = "tensorrt"
NOT_COMPARED = Reason("not_on_both")


@dataclass(frozen=True)
class System:
    """One system that left records: its id (name of its folder) and what it recorded."""

    id: str
    run: Run

    @property
    def description(self) -> dict[str, Any]:
        """As lib/experiment/system.py tells it, of the page that was recorded last."""
        return self.run.newest().info.system

    @property
    def tensorrt(self) -> str:
        """TensorRT flavour and version, "" where none was installed: TensorRT where there is a GPU, else TensorRT for RTX."""
        libraries = self.description.get("libraries", {})
        if self.gpu and "tensorrt" in libraries:
            return f"TensorRT {libraries['tensorrt']}"
        rtx = libraries.get("tensorrt-rtx-cu13-libs")
        return f"TensorRT for RTX {rtx}" if rtx else ""

    @property
    def name(self) -> str:
        """What sentences call it."""
        return self.tensorrt or self.id

    @property
    def gpu(self) -> dict[str, str]:
        """The GPU that was used, {} where there is none."""
        return next(iter(self.description.get("gpus") or []), {})

    @property
    def card(self) -> Text:
        """The name of the GPU, or that there is none."""
        return Text(*[self.gpu.get("name", "–")] * 2) if self.gpu else W("labels.no_gpu")

    @property
    def order(self) -> tuple[int, list[int], str]:
        """Sorts systems: TensorRT by rising version, then TensorRT for RTX, then those with neither."""
        kind = 2 if not self.tensorrt else 1 if "RTX" in self.tensorrt else 0
        return kind, version_order(self.tensorrt), self.id

    def find(self, metric: str, candidate: Candidate) -> Record | None:
        """The record of one number, of whichever page has it; a latency is that at the batch size of notebook 07, end to end.

        One of a case (an engine calibrated in several ways) stands in where no page has it without.
        """
        if metric == "latency":
            size = self.run.newest().profile.precision.batch_size
            return common.latency(self.run, candidate, batch_size=size, scope="end_to_end")
        found = self.run.everywhere(metric, candidate=candidate)
        return next((record for record in found if not record.case), next(iter(found), None))


def systems(run: Run) -> tuple[list[System], list[str]]:
    """Every system beside the run's own, sorted by TensorRT version, and one line for each whose files cannot be read."""
    found, problems = [], []
    for folder in sorted(path for path in run.folder.parent.glob("*") if path.is_dir()):
        try:
            other = run if folder == run.folder else Run.open(folder)
        except ReportError as error:
            problems.append(str(error))
            continue
        if own := {stage: file for stage, file in other.files.items() if stage != run.stage}:
            found.append(System(folder.name, Run(folder, "", own)))
    return sorted(found, key=lambda system: system.order), problems


def compared(run: Run) -> tuple[list[System], list[System]]:
    """The systems that are compared, and those that are not: other machines' records of a version that this run measured itself, beside
    the others, from the same network on the same GPU. What such a machine says of that version is about the machine."""
    return _parted(run, systems(run)[0])


def _parted(run: Run, found: list[System]) -> tuple[list[System], list[System]]:
    versions = Versions(run)
    measured = set(map(versions.label, versions.names))
    left_out = [system for system in found if system.tensorrt in measured and system.id != run.folder.name]
    return [system for system in found if system not in left_out], left_out


def candidates(found: list[System]) -> list[Candidate]:
    """TensorRT's candidates that any system has a record of."""
    records = [record for system in found for record in system.run.everywhere()]
    return ordered(r.candidate.plain for r in records if r.candidate and r.candidate.runner == RUNNER)


def both(metric: str, base: System, other: System, candidate: Candidate) -> tuple[Record, Record] | None:
    """A number of the baseline and of another system, None unless both measured it on the same dataset."""
    to, of = base.find(metric, candidate), other.find(metric, candidate)
    datasets = {file.stage.dataset for system in (base, other) for file in system.run.files.values()}
    return (to, of) if to and of and to.value is not None and of.value is not None and len(datasets) == 1 else None


def ratio(base: System, other: System, metric: str, candidate: Candidate) -> Interval | float | Reason:
    """A number of a system over the baseline's; for a latency, throughput over throughput, with its interval where both have rounds."""
    to, of = both(metric, base, other, candidate) or (None, None)
    if to is None or of is None or not to.value or of.batch_size != to.batch_size:
        return NOT_COMPARED
    if metric != "latency":
        return of.value / to.value
    return to.value / of.value if common.one_block(of) or common.one_block(to) else stats.ratio(of.samples, to.samples)


def findings(run: Run, alone: bool = True) -> list[Finding]:
    """What the comparison says: unreadable files, one system only (where that is said), other hardware, accuracy and speed that moved."""
    every, problems = systems(run)
    found, _ = _parted(run, every)
    made = [W.finding("bad", "unreadable", problem=problem) for problem in problems]
    if len(found) < 2:
        said = W.finding("note", "alone", system=found[0].id) if found else W.finding("note", "nobody")
        return [*made, said] if alone else made
    base, *others = found
    for other in others:
        own, reference = other.card, base.card
        if own != reference:
            made.append(W.finding("note", "other_hardware", **_names(base, other), own=own, card=reference))
        told = [_speed(base, other, candidate) for candidate in candidates(found)]
        told += [_accuracy(base, other, candidate) for candidate in candidates(found)]
        told = [finding for finding in told if finding]
        made += told or [W.finding("note", "nothing_shared", **_names(base, other))]
    return made


def _speed(base: System, other: System, candidate: Candidate) -> Finding | None:
    apart = ratio(base, other, "latency", candidate)
    if not isinstance(apart, Interval) or not all(common.calm(system.run.of(common.SWEEP)) for system in (base, other)):
        return None
    least = other.run.newest().profile.measuring.least_ratio
    key = "faster" if apart.low > 1 + least else "slower" if apart.high < 1 / (1 + least) else "no_difference"
    return W.finding("note", key, precision=candidate.precision_label, ratio=apart, **_names(base, other))


def _accuracy(base: System, other: System, candidate: Candidate) -> Finding | None:
    counts = [one.stats[count] for one in both("accuracy", base, other, candidate) or () for count in ("correct", "total")]
    if not counts:
        return None
    points = common.percent(stats.difference(*counts))
    level = "bad" if points.high < -100 * common.LOSS_MARGIN else "good" if points.low >= -100 * common.LOSS_MARGIN else "note"
    trained = W("parts.trained") if other.run.newest().profile.train else Text("", "")
    return W.finding(level, "accuracy", precision=candidate.precision_label, points=points, which=trained, **_names(base, other))


def _names(base: System, other: System) -> dict[str, str]:
    """What sentences call two systems: with their ids where the versions are the same."""
    own, reference = (f"{system.name} ({system.id})" if other.name == base.name else system.name for system in (other, base))
    return {"name": own, "reference": reference}
