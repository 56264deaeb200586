"""Hand-made runs, for tests of what pages say of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lib.experiment import profile as profiles
from lib.experiment.candidate import Candidate
from lib.store.records import Exhibit, Reason, Record
from lib.store.run import Run
from lib.store.stage_file import Stage, StageFile

SYSTEM = {"cpu": "Test CPU", "cores": 2, "memory_gib": 8, "cpu_features": ["avx2"], "gpus": [], "os": "Linux", "python": "3.11"}
SYSTEM["libraries"] = {"tensorflow": "2.21.0"}


def made_run(
    stage: str,
    records: Iterable[Record] = (),
    exhibits: Mapping[str, Exhibit] | None = None,
    others: Mapping[str, Iterable[Record]] | None = None,
    profile: Mapping[str, Mapping[str, Any]] | None = None,
    folder: Path = Path("results/test"),
    own: str = "",
    **fields: Any,
) -> Run:
    """A run of the quickstart profile whose page `stage` has these records; others: records of other pages.

    profile: values of sections that differ; own: file of a model of the user's own, with images in a folder, in place of a training;
    fields: of Stage. Nothing is written.
    """
    values = profiles.load("quickstart").model_dump()
    if own:
        values |= {"train": None, "model": {"file": own}, "dataset": {"folder": "images"}}
    for section, changed in (profile or {}).items():
        values[section] = values[section] | changed
    common = {
        "run_id": "run",
        "system_id": "test",
        "system": SYSTEM,
        "profile": values,
        "dataset": "digits",
        "class_names": list("0123456789"),
        "started_at": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
    } | fields
    files = {}
    for name, found in {**(others or {}), stage: records}.items():
        data = {key: exhibit.model_dump(mode="json") for key, exhibit in (exhibits or {}).items()} if name == stage else {}
        files[name] = StageFile(Stage(stage=name, **common), list(found), data, folder / f"{name}.jsonl")
    return Run(folder, stage, dict(sorted(files.items())))


def latency(candidate: str, rounds_ms: Iterable[float], batch_size: int = 32, scope: Any = "end_to_end", **more: Any) -> Record:
    """A latency of `runner/precision` with these round means, ms."""
    samples = [float(ms) for ms in rounds_ms]
    median = sorted(samples)[len(samples) // 2]
    stats = {"p50": median, "p90": None, "p95": None, "p99": None, "n": 10 * len(samples), "threads": 2}
    return Record("latency", "ms", median, Candidate.parse(candidate), batch_size, scope, stats=stats, samples=samples, **more)


def accuracy(candidate: str, correct: int, total: int = 500, only: tuple[int, int] | None = None, **more: Any) -> Record:
    """An accuracy; only: images that the reference alone and the candidate alone has right."""
    stats = {"correct": correct, "total": total, "largest_class": total // 10}
    if only is not None:
        stats |= {"only_reference": only[0], "only_candidate": only[1]}
    return Record("accuracy", "share", correct / total, Candidate.parse(candidate), stats=stats, **more)


def missing(metric: str, unit: str, candidate: str, reason: str = "no_gpu", **more: Any) -> Record:
    """A record without a number."""
    return Record(metric, unit, None, Candidate.parse(candidate), reason=Reason(reason, more.pop("values", {})), **more)


def unlabelled(*candidates: str) -> list[Record]:
    """Accuracies that nobody can tell."""
    return [missing("accuracy", "share", candidate, "no_labels") for candidate in candidates]


def agreement(candidate: str, differ: int, total: int = 500, **more: Any) -> Record:
    """How many images have the reference's class: all but `differ`."""
    stats = {"correct": total - differ, "total": total}
    return Record("agreement", "share", (total - differ) / total, Candidate.parse(candidate), stats=stats, **more)


def other_cpu(share: float) -> Record:
    """What other programs used of the processor."""
    return Record("other_cpu", "share", share, stats={"gpu": {}})


def keys(findings: Iterable[Any]) -> list[tuple[str, str]]:
    """(level, key) of findings."""
    return [(finding.level, finding.key) for finding in findings]
