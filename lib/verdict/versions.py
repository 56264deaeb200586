"""Several TensorRTs that ran beside each other (notebook 08): each build of each as a run of its own, so that the same checks judge it.

Which engine a build becomes is chance, so a version keeps a limit where every one of its builds does: the worst one stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lib import stats
from lib.experiment.candidate import Candidate
from lib.pages.cross_version import speed
from lib.pages.cross_version.versions import CPP, PYTHON, Calling, Engine, Key, Spot, Versions
from lib.store.records import Record
from lib.store.run import Run
from lib.verdict import about, unpaired
from lib.verdict.check import WORDS, Check, Judged
from lib.words import Finding

PAGE = "08_cross_version"
ENGINES = (PYTHON, CPP)  # runners whose records are of one version each
RANK = {"failed": 0, "undecided": 1, "passed": 2, "not_asked": 3}
MORE_IS_BETTER = ("agreement", "throughput", "same_in_cpp")


def beside(run: Run, own: str) -> dict[str, str]:
    """Version -> what it is called, of those that notebook 08 ran; without `own`, which the other pages judge."""
    found = Versions(run.of(PAGE))
    return {name: label for name in found.names if (label := found.label(name)) != own}


def candidates(run: Run, version: str) -> list[Candidate]:
    """Those that a version built, or failed to, in the order of the report; without what it cannot have."""
    found = Versions(run.of(PAGE))
    engines = [engine for engine in found.engines if not engine.variant]
    lacking = {engine: found.why(Key("file_size", version, engine)) for engine in engines}
    return [one.candidate for one in engines if (why := lacking[one]) is None or why.failed]


def builds(run: Run, version: str, precision: str) -> list[int]:
    """The numbers of its builds of which anything is recorded; 1 where nothing is, so that what is asked for is missing, not forgotten."""
    own = [record for record in run.of(PAGE).records() if record.candidate in [Candidate(runner, precision) for runner in ENGINES]]
    return sorted({int(r.case["build"]) for r in own if r.case.get("tensorrt") == version and "variant" not in r.case}) or [1]


def alone(run: Run, version: str, build: int) -> Run:
    """The run as if this build's engines were all that TensorRT had here: what other pages recorded of theirs is left out."""
    files = {stage: file._replace(records=[r for r in file.records if not _engine(r)]) for stage, file in run.files.items()}
    own = [_own(record) for record in run.of(PAGE).records() if _engine(record) and _of(record, version, build)]
    own += [replace(r, candidate=Candidate(CPP, r.candidate.precision)) for r in own if r.candidate and r.metric == "file_size"]  # one plan
    files[PAGE] = files[PAGE]._replace(records=[*files[PAGE].records, *own])
    return Run(run.folder, PAGE, files)


def about_others(red: Mapping[str, Sequence[Finding]], candidate: Candidate) -> dict[str, list[Finding]]:
    """Red findings without those in which another page speaks of its own engine of the candidate's name, from Python or C++."""
    engines = [candidate, *(Candidate(runner, candidate.precision) for runner in ENGINES)]
    return {
        stage: [one for one in found if stage == PAGE or not any(about.concerns(one, each, "") for each in engines)]
        for stage, found in red.items()
    }


def fastest(run: Run, version: str, accepted: Sequence[Candidate], batch: int) -> tuple[Candidate, ...]:
    """Of the accepted of a version the fastest and all that cannot be told from it, in calls of `batch` images; none where the page cannot
    rank them: one was not timed or built once, or the machine was disturbed.

    Precisions went through rounds of their own, some minutes apart. In that time the machine may change by as much as the rounds of a
    settled latency may (`measuring.tolerance`), so only what is slower by more is left out.
    """
    if len(accepted) < 2:
        return tuple(accepted)
    found = Versions(run.of(PAGE))
    spots = {one: Spot(Engine(one.precision), batch, Calling(one.runner)) for one in accepted}
    timed = {one: speed.samples(found.latencies(version, spot)) for one, spot in spots.items()}
    if not all(map(_ranks, timed.values())) or any(speed.disturbed(found, spot) for spot in spots.values()):
        return ()
    measuring = found.run.profile.measuring
    best = unpaired.best(timed, max(measuring.least_ratio, measuring.tolerance))
    return tuple(one for one in accepted if one in best)


def _ranks(builds: list[list[float]]) -> bool:
    """Whether the round means of builds can be held against those of other rounds."""
    rounds = {len(one) for one in builds}
    return len(builds) > 1 and len(rounds) == 1 and min(rounds) >= stats.LEAST_ROUNDS


def worst(each: Mapping[int, Judged]) -> Judged:
    """The candidate of one version by its builds: of every check the build that kept the limit least."""
    numbers, judged = list(each), list(each.values())
    checks = [_worst(numbers, one) for one in zip(*(one.checks for one in judged), strict=True)]
    return replace(judged[0], checks=tuple(checks))


def _worst(numbers: list[int], each: Sequence[Check]) -> Check:
    number, check = min(zip(numbers, each, strict=True), key=lambda pair: (RANK[pair[1].outcome], _kept(pair[1])))
    if check.value is None or len({one.value for one in each}) == 1:
        return check
    return replace(check, says=WORDS("checks.of_builds", says=check.says, build=number, builds=len(numbers)))


def _kept(check: Check) -> float:
    value = check.value or 0.0
    return value if check.name in MORE_IS_BETTER else -value


def _engine(record: Record) -> bool:
    return record.candidate is not None and record.candidate.runner in ENGINES


def _of(record: Record, version: str, build: int) -> bool:
    """Whether a record is of this build, made the usual way: of itself, or of C++ against Python."""
    named = {"tensorrt": version, "build": build}
    compared = [{}, {"against": "python"}] if record.metric == "changed" else [{}]
    return record.case in [named | more for more in compared]


def _own(record: Record) -> Record:
    """It as pages of one TensorRT record it."""
    if record.metric != "changed" or record.candidate is None:
        return replace(record, case={})
    case = {"other": Candidate(PYTHON, record.candidate.precision).key}
    if record.value is None:
        return replace(record, metric="pair_agreement", unit="share", case=case)
    total = int(record.stats["total"])  # type: ignore[arg-type]
    correct = total - int(record.value)
    return Record("pair_agreement", "share", correct / total, record.candidate, case=case, stats={"correct": correct, "total": total})
