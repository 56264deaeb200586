"""What a version costs, and what its builds came out as: times and sizes over builds, engines that fell back to another type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lib.experiment.precision import PRECISIONS
from lib.pages.cross_version.answers import middle
from lib.pages.cross_version.versions import PYTHON, VARIANTS, Builds, Engine, Key, Versions
from lib.pages.engines.layers import lacks_its_type, not_allowed
from lib.stats import Interval
from lib.store.records import Reason, Record

MUCH_LARGER = 1.5  # times the smallest plan of the same engine: weights of a larger type (NVIDIA/TensorRT#3160 saw twice)
FEW = 0.5  # of the products in the type that was asked for, of the build that has most of them
SMALL = 1 << 16  # bytes of a plan, which may be filled up to whole blocks: of so few their ratio says nothing


class Fallen(NamedTuple):
    """Builds that did not come out as they were asked for. by: what tells, "type" or "size"; types: of the products, of the first of them;
    ratio: of the largest plan to the smallest."""

    by: str
    version: str
    engine: Engine
    builds: list[int]
    types: dict[str, int]
    ratio: float


def cost(found: Versions, metric: str, version: str, engine: Engine, factor: float = 1.0) -> Interval | Reason | None:
    """Median over builds with the smallest and the largest in the place of an interval's ends; why there is none, None where nothing was
    recorded."""
    return middle(found.builds(metric, version, engine), factor) or found.why(Key(metric, version, engine))


def ratio(found: Versions, metric: str, other: str, engine: Engine) -> float | None:
    """Median of another version over that of the lowest; None unless both have one."""
    own, base = (middle(found.builds(metric, version, engine)) for version in (other, found.base))
    return own.value / base.value if own and base and base.value else None


def tactics(found: Versions, version: str, engine: Engine) -> tuple[int, int] | None:
    """(how many different choices of tactics there are, in how many builds); None where no build tells them."""
    told = [r.stats["tactics_sha256"] for r in found.builds("layer_types", version, engine).values() if r.stats.get("tactics_sha256")]
    return (len(set(map(str, told))), len(told)) if told else None


def types(record: Record) -> dict[str, int]:
    """How many products of an engine run in each type, "" where the engine does not tell."""
    return {str(name): int(number) for name, number in (record.stats.get("types") or {}).items()}  # type: ignore[union-attr, arg-type]


def fallen(found: Versions) -> list[Fallen]:
    """Every engine with builds that did not come out as asked: by the types of their products, by the size of their plans."""
    every = [(version, engine) for version in found.names for engine in found.engines if engine.variant in VARIANTS]
    return [one for version, engine in every for rule in (_by_type, _by_size) for one in rule(found, version, engine)]


def _by_type(found: Versions, version: str, engine: Engine) -> Iterator[Fallen]:
    """Builds without a product in the type asked for, in a type that was not allowed, or with far fewer than others of this version."""
    row = PRECISIONS.get(engine.precision)
    if row is None:
        return
    siblings = [types(record) for one in _siblings(found, engine) for record in _told(found, version, one).values()]
    most = max((_asked(counts, row.asked_types) for counts in siblings), default=0)
    wrong: dict[int, dict[str, int]] = {}
    for number, record in _told(found, version, engine).items():
        counts = types(record)
        few = counts and "" not in counts and _asked(counts, row.asked_types) < FEW * most
        if few or not_allowed(engine.precision, counts) or lacks_its_type(engine.precision, counts):
            wrong[number] = counts
    if wrong:
        yield Fallen("type", version, engine, list(wrong), next(iter(wrong.values())), 0.0)


def _by_size(found: Versions, version: str, engine: Engine) -> Iterator[Fallen]:
    """Builds whose plan is much larger than the smallest of the same version and precision."""
    smallest = min((r.value for one in _siblings(found, engine) for r in _sizes(found, version, one).values()), default=0)  # type: ignore[type-var]
    large = {n: r.value / smallest for n, r in _sizes(found, version, engine).items() if smallest and r.value > SMALL}  # type: ignore[operator]
    if wrong := {number: apart for number, apart in large.items() if apart > MUCH_LARGER}:
        yield Fallen("size", version, engine, list(wrong), {}, max(wrong.values()))


def _siblings(found: Versions, engine: Engine) -> list[Engine]:
    return [one for one in found.engines if one.precision == engine.precision]


def _told(found: Versions, version: str, engine: Engine) -> Builds:
    return found.builds("layer_types", version, engine, PYTHON)


def _sizes(found: Versions, version: str, engine: Engine) -> Builds:
    return found.builds("file_size", version, engine, PYTHON)


def _asked(counts: dict[str, int], asked: tuple[str, ...]) -> int:
    return sum(counts.get(name, 0) for name in asked)


def shown(counts: dict[str, int]) -> str:
    """Numbers of products by type in one line, `8 × FP16, 1 × FP32`."""
    return ", ".join(f"{number} × {name.upper() or '?'}" for name, number in sorted(counts.items()))
