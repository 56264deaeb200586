"""The versions of TensorRT that ran beside each other on this machine, their engines and builds: typed views of the page's records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from lib.experiment import system
from lib.experiment.candidate import Candidate, Way
from lib.experiment.precision import PRECISIONS
from lib.store.records import Reason, Record
from lib.store.run import Run
from lib.text import Text
from lib.words import Words

W = Words(__file__)
PYTHON, CPP = "tensorrt", "cpp"  # the runners that call an engine
RTX = "tensorrt_rtx"  # flavour of TensorRT that counts its versions anew
SAVED = "timing_cache"  # built again from the timing cache of build 1
VARIANTS = ("", "shared_scales", "strongly_typed", SAVED)  # how an engine is built, "" the usual way
FOREIGN = "foreign_plan"
ABOUT_ALL = ("worker", FOREIGN)  # metrics that name a version but are of no build
Builds = dict[int, Record]  # number of the build -> its record


class Engine(NamedTuple):
    """A kind of engine that every version may build, several times. precision: key of PRECISIONS; variant: of VARIANTS."""

    precision: str
    variant: str = ""

    @property
    def label(self) -> Text:
        """What tables call it."""
        label = PRECISIONS[self.precision].label if self.precision in PRECISIONS else Text(self.precision, self.precision)
        return W("labels.variant", engine=label, variant=W(f"variants.{self.variant}")) if self.variant else label

    @property
    def candidate(self) -> Candidate:
        """As records about the engine itself name it."""
        return Candidate(PYTHON, self.precision)

    @property
    def place(self) -> tuple[int, int]:
        """Sorts engines in the order of the report."""
        order = [*PRECISIONS, self.precision].index(self.precision)
        return order, [*VARIANTS, self.variant].index(self.variant)


class Calling(NamedTuple):
    """How an engine is called: the language of the caller (PYTHON or CPP), and whether as a CUDA graph."""

    runner: str
    graph: bool = False

    @property
    def label(self) -> Text:
        """What tables and panels call it."""
        key = f"{self.runner}_graph" if self.graph else self.runner
        return W(f"callings.{key}") if key in W.groups["callings"] else Candidate(self.runner, "", Way(graph=self.graph)).label


class Spot(NamedTuple):
    """What versions are compared at: an engine, the images a call, and how it is called. scope: as in records."""

    engine: Engine
    batch_size: int
    calling: Calling
    scope: str = "end_to_end"

    @property
    def label(self) -> Text:
        """What sentences call it."""
        return W("labels.spot", engine=self.engine.label, batch=self.batch_size, calling=self.calling.label)

    @property
    def place(self) -> tuple[object, ...]:
        """Sorts spots: by engine, then batch size, then calling, Python first."""
        return *self.engine.place, self.batch_size, self.calling.runner != PYTHON, self.calling, self.scope


class Key(NamedTuple):
    """What the records of one number of all builds share. against: what answers are compared with."""

    metric: str
    version: str
    engine: Engine
    runner: str = PYTHON
    against: str = ""


class Versions:
    """What one page recorded of several TensorRTs."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._numbers: dict[Key, Builds] = defaultdict(dict)
        self._latencies: dict[tuple[str, Spot], Builds] = defaultdict(dict)
        for record in run.records():
            if record.candidate is not None and "tensorrt" in record.case and record.metric not in ABOUT_ALL:
                self._keep(record, record.candidate)

    def _keep(self, record: Record, candidate: Candidate) -> None:
        case = record.case
        version, number = str(case["tensorrt"]), int(case.get("build", 1))
        engine = Engine(candidate.precision, str(case.get("variant", "")))
        if record.metric == "latency":
            spot = Spot(engine, record.batch_size or 1, Calling(candidate.runner, candidate.way.graph), record.scope)
            self._latencies[version, spot][number] = record
        else:
            key = Key(record.metric, version, engine, candidate.runner, str(case.get("against", "")))
            self._numbers[key][number] = record

    @property
    def workers(self) -> list[Record]:
        """What became of each command that was named, in their order."""
        return sorted(self.run.records("worker"), key=lambda record: int(record.case.get("worker", 0)))

    @cached_property
    def names(self) -> list[str]:
        """The versions that ran, the lowest first; those of TensorRT for RTX, which counts anew, behind all others."""
        return self.ordered(str(record.stats["tensorrt"]) for record in self.workers if record.value is not None)

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Versions, each once, in the order of `names`."""
        return sorted(set(names), key=lambda name: (self._rtx(name), system.version_order(name)))

    def label(self, name: str) -> str:
        """A version with the name of what it is a version of."""
        return f"TensorRT for RTX {name}" if self._rtx(name) else f"TensorRT {name}"

    def _rtx(self, name: str) -> bool:
        return any(record.stats.get("tensorrt") == name and record.stats.get("flavour") == RTX for record in self.workers)

    @property
    def base(self) -> str:
        """The lowest version, which the others are compared with, "" where none ran."""
        return self.names[0] if self.names else ""

    @property
    def others(self) -> list[str]:
        """All versions but the lowest."""
        return self.names[1:]

    @cached_property
    def engines(self) -> list[Engine]:
        """Every kind of engine that any version was to build, in the order of the report."""
        return sorted({key.engine for key in self._numbers}, key=lambda engine: engine.place)

    @cached_property
    def spots(self) -> list[Spot]:
        """Wherever any version was timed, or was to be, in the order of the report."""
        return sorted({spot for _, spot in self._latencies}, key=lambda spot: spot.place)  # type: ignore[arg-type, return-value]

    def asked(self, key: Key) -> Builds:
        """One number of every build, those without a value (and their reasons) included."""
        return dict(sorted(self._numbers.get(key, {}).items()))

    def builds(self, metric: str, version: str, engine: Engine, runner: str = PYTHON, against: str = "") -> Builds:
        """One number of every build that has it, by the number of the build."""
        return valued(self.asked(Key(metric, version, engine, runner, against)))

    def latencies(self, version: str, spot: Spot) -> Builds:
        """The latencies of every build that has one."""
        return valued(dict(sorted(self._latencies.get((version, spot), {}).items())))

    def why(self, key: Key) -> Reason | None:
        """Why no build has a number, None where one has or where nothing was recorded."""
        return reason(self.asked(key))

    def why_not_timed(self, version: str, spot: Spot) -> Reason | None:
        """Why no build of a version was timed: what its latencies say, else why there is no engine."""
        return reason(self._latencies.get((version, spot), {})) or self.why(Key("build_time", version, spot.engine))

    def missing(self) -> list[tuple[Key, Record]]:
        """Every number and latency that was not measured."""
        found = [(key, record) for key, builds in self._numbers.items() for record in builds.values() if record.value is None]
        for (version, spot), builds in self._latencies.items():
            key = Key("latency", version, spot.engine, spot.calling.runner)
            found += [(key, record) for record in builds.values() if record.value is None]
        return found

    def rivals(self, spot: Spot, runner: str = "onnxrt_cuda") -> Record | None:
        """The latency of another backend that went through the same rounds."""
        found = self.run.records("latency", batch_size=spot.batch_size, scope=spot.scope)
        named = [r for r in found if r.candidate and (r.candidate.runner, r.candidate.precision) == (runner, spot.engine.precision)]
        return next((record for record in named if "tensorrt" not in record.case), None)

    def block(self, spot: Spot) -> Record | None:
        """What was seen of the machine in the rounds of a spot."""
        return next(iter(self.run.records("other_cpu", case={"block": f"{spot.engine.precision} {spot.batch_size}"})), None)


def valued(builds: Builds) -> Builds:
    """Those that have a number."""
    return {number: record for number, record in builds.items() if record.value is not None}


def reason(builds: Builds) -> Reason | None:
    """Why none has a number; None where one has."""
    return None if valued(builds) else next((record.reason for record in builds.values() if record.reason), None)


def joined(labels: Iterable[Text]) -> list[Text]:
    """Labels for a sentence, each once, in their order."""
    return list(dict.fromkeys(labels))
