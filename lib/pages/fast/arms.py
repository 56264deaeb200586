"""What notebook 10 timed: its arms, typed views of the page's records, and whether what each answered may be believed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from lib import stats
from lib.experiment import system
from lib.experiment.candidate import Candidate, Way
from lib.measure.state import disturbances
from lib.pages import tolerance
from lib.pages.against import reference
from lib.stats import Interval
from lib.store.records import Record
from lib.store.run import Run
from lib.text import LANGUAGES, Text
from lib.words import LIST_MARK, Words

W = Words(__file__)
PYTHON, CPP, CPU = "tensorrt", "cpp", "onnxrt"
OURS = (PYTHON, CPP, CPU)  # runners of this project; all others are rivals
TRTEXEC = "trtexec"
# As lib/rivals/trtexec.py has them: requests that one of its streams keeps in flight where it is not one, seconds that it measures at least
IN_FLIGHT, LEAST_S = {TRTEXEC: 2}, 1.0
PLAINLY = {"pytorch": "eager", "onnxrt_bound": "bound", "polygraphy": "runner"}  # rivals -> how they are called plainly
Answers = Literal["right", "wrong", "unchecked"]


@dataclass(frozen=True, eq=False)
class Arm:
    """One candidate at one batch size that was timed. record: its `pace`, end to end: ms between completed batches."""

    record: Record

    @property
    def candidate(self) -> Candidate:
        """Runner, precision and way."""
        assert self.record.candidate is not None
        return self.record.candidate

    @property
    def way(self) -> Way:
        """How it is called."""
        return self.candidate.way

    @property
    def batch(self) -> int:
        """Images a batch."""
        return self.record.batch_size or 1

    @property
    def version(self) -> str:
        """The TensorRT that it runs on, "" for none."""
        return str(self.record.case.get("tensorrt", ""))

    @property
    def block(self) -> str:
        """Whose rounds it shares: those of a precision and batch size."""
        return str(self.record.case.get("block", f"{self.candidate.precision} {self.batch}"))

    @property
    def ours(self) -> bool:
        """Whether this project runs it, else it is a rival."""
        return self.candidate.runner in OURS

    @property
    def in_flight(self) -> int:
        """Batches that are under way at a time."""
        return self.way.lanes * IN_FLIGHT.get(self.candidate.runner, 1)

    @cached_property
    def rate(self) -> Interval:
        """Images a second, over its rounds."""
        return stats.rate(self.record.samples, self.batch)

    @property
    def latency(self) -> Interval:
        """Milliseconds from the launch of a batch to its end: its pace, times the batches under way.

        Source: Little (1961), A Proof for the Queuing Formula L = λW.
        """
        return Interval(*(self.in_flight * end for end in stats.time(self.record.samples)))

    @property
    def whole(self) -> bool:
        """Whether it takes floats and gives all outputs, as every rival does."""
        return not (self.way.byte_input or self.way.classes)

    @property
    def kind(self) -> str:
        """The kind of its way: plain, graph, lanes, or compact (bytes in, classes out)."""
        if not self.whole:
            return "compact"
        return "lanes" if self.way.lanes > 1 else "graph" if self.way.graph else "plain"

    @property
    def place(self) -> tuple[Any, ...]:
        """Sorts arms: by batch size, then in the order of the report, the older TensorRT first."""
        order, (_, precision, way) = [*W.groups["runners"], self.candidate.runner], self.candidate.place
        return self.batch, order.index(self.candidate.runner), precision, way, system.version_order(self.version)


class Limited(NamedTuple):
    """How a limit held the clocks of the GPU down in the rounds of a block: share of the samples, the lowest and the highest clock seen."""

    share: float
    least_mhz: float
    most_mhz: float


class Fast:
    """What the page recorded of its arms."""

    def __init__(self, run: Run) -> None:
        self.run = run

    @cached_property
    def arms(self) -> list[Arm]:
        """Everything that was timed end to end, in the order of the report."""
        found = [Arm(r) for r in self.run.records("pace", scope="end_to_end") if r.value is not None and r.candidate and r.samples]
        return sorted(found, key=lambda arm: arm.place)

    @property
    def ours(self) -> list[Arm]:
        """This project's."""
        return [arm for arm in self.arms if arm.ours]

    @property
    def rivals(self) -> list[Arm]:
        """What people would use instead."""
        return [arm for arm in self.arms if not arm.ours]

    @cached_property
    def versions(self) -> list[str]:
        """The TensorRTs that something was timed on, the oldest first."""
        return sorted({arm.version for arm in self.arms if arm.version}, key=system.version_order)

    def find(self, like: Arm, candidate: Candidate, version: str | None = None) -> Arm | None:
        """The arm of a candidate in the rounds of another; version: of its TensorRT, the other's where none is named."""
        wanted = like.version if version is None else version
        same = (arm for arm in self.arms if arm.block == like.block and arm.candidate == candidate)
        return next((arm for arm in same if arm.version == wanted), None)

    def at(self, candidate: Candidate | None, batch: int, version: str) -> Arm | None:
        """The arm of a candidate at a batch size on a TensorRT."""
        return next((arm for arm in self.arms if (arm.candidate, arm.batch, arm.version) == (candidate, batch, version)), None)

    def on_gpu(self, arm: Arm) -> Record | None:
        """Its pace on the GPU alone, which one lane has."""
        case = arm.record.case
        found = self.run.records("pace", candidate=arm.candidate, batch_size=arm.batch, scope="gpu_compute", case=case)
        return next((record for record in found if record.value is not None and record.samples), None)

    def judged(self, arm: Arm, metric: str) -> Record | None:
        """The agreement or accuracy of the answers of all its lanes to all test images."""
        found = [r for r in self.run.records(metric, candidate=arm.candidate) if r.case.get("tensorrt", "") == arm.version]
        return next(iter(found), None)

    def answers(self, arm: Arm) -> Answers:
        """Whether it gives the reference's classes as often as its precision is expected to; the reference's own are right."""
        record = self.judged(arm, "agreement")
        if record is None or record.value is None:
            own = arm.candidate.plain == reference(self.run) and arm.candidate.runner == CPU
            return "right" if own else "unchecked"
        limits = tolerance.limits(self.run, arm.candidate)
        return "right" if limits.hold(0.0, record.stats["correct"], record.stats["total"]) else "wrong"

    @cached_property
    def blocks(self) -> dict[str, Record]:
        """What was seen of the machine in the rounds of each block, by its name."""
        return {str(record.case.get("block", "")): record for record in self.run.records("other_cpu")}

    def disturbed(self, block: str) -> list[tuple[str, dict[str, Any]]]:
        """What made the rounds of a block doubtful, as lib.measure.state tells it."""
        seen = self.blocks.get(block)
        return disturbances(seen.value, seen.stats.get("gpu") or {}) if seen else []  # type: ignore[arg-type]

    def limited(self, why: str) -> dict[str, Limited]:
        """By block: how far a limit of lib.measure.state.LIMITS held the GPU back, where it did and that was seen."""
        found = {}
        for block, record in self.blocks.items():
            gpu: dict[str, Any] = record.stats.get("gpu") or {}  # type: ignore[assignment]
            if (share := gpu.get("limits", {}).get(why)) and gpu.get("sm_mhz"):
                found[block] = Limited(share, min(gpu["sm_mhz"]), max(gpu["sm_mhz"]))
        return found

    def sure(self, arm: Arm) -> bool:
        """Whether something may be claimed of it: checked, right, and measured on a machine that did nothing else."""
        return self.answers(arm) == "right" and not self.disturbed(arm.block)

    @property
    def least_ratio(self) -> float:
        """What a ratio must be beyond for two speeds to differ (0.02 is 2 %), as the profile says."""
        return self.run.profile.measuring.least_ratio

    def label(self, arm: Arm) -> Text:
        """What sentences call an arm."""
        return self.named(arm.candidate, arm.version)

    def sized(self, arm: Arm) -> Text:
        """The same, with its batch size."""
        return W("labels.engine_way", engine=self.label(arm), batch=arm.batch)

    def named(self, candidate: Candidate, version: str) -> Text:
        """What sentences call a candidate: precision, runner, way, and its TensorRT ("" for none) where there are several."""
        values = {"precision": candidate.precision_label, "runner": runner_label(candidate), "way": way_label(candidate)}
        return W("labels.arm_version" if self.tells(version) else "labels.arm", version=version, **values)

    def tells(self, version: str) -> bool:
        """Whether sentences name this TensorRT ("" for none): where there are several."""
        return bool(version) and len(self.versions) > 1


def runner_label(candidate: Candidate) -> Text:
    """Its short name: every runner of TensorRT that is ours by its language."""
    return W(f"runners.{candidate.runner}") if candidate.runner in W.groups["runners"] else candidate.runner_label


def way_label(candidate: Candidate) -> Text:
    """How it is called, in short; trtexec's lanes are its streams. A rival's plain call is called what its tool calls it."""
    way, runner = candidate.way, candidate.runner
    if runner == TRTEXEC:
        how = f"_{way.api}" if way.api else "" if way.graph else "_plain"
        return W(f"ways.{'stream' if way.lanes == 1 else 'streams'}{how}", count=way.lanes)
    if way.api:
        return W(f"ways.{way.api}") if way.api in W.groups["ways"] else way.label
    lanes = "lanes_graph" if way.graph else "lanes"
    key = lanes if way.lanes > 1 else "graph" if way.graph else PLAINLY.get(runner, "plain")
    parts = [W(f"ways.{key}", count=way.lanes)]
    parts += [W(f"ways.{name}") for name, there in (("byte_input", way.byte_input), ("classes", way.classes)) if there]
    return Text(*(LIST_MARK[language].join(part.in_(language) for part in parts) for language in LANGUAGES))
