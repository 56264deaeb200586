"""Layers and fusions: what each version made of the same network, side by side, as its engine inspector tells it."""

from __future__ import annotations

from collections import Counter
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from lib.pages.cross_version import costs
from lib.pages.cross_version.exhibits import EngineLayers, Layer, Layers
from lib.pages.cross_version.versions import SAVED, Engine, Versions, W
from lib.pages.engines.layers import operation
from lib.show.columns import columns
from lib.show.table import Column, Table
from lib.store.run import Run
from lib.text import Text

EXHIBIT = "layers"
LONGEST = 64  # characters of a name or a kernel that are shown
COPY = "reformat"  # in the names and kinds of layers that only copy into another type or memory layout


def told(run: Run) -> dict[tuple[str, Engine], EngineLayers]:
    """The layers of each version's first build of each kind of engine."""
    every = (run.exhibit(EXHIBIT, Layers) or Layers(engines=[])).engines
    by: dict[tuple[str, Engine], EngineLayers] = {}
    for one in sorted(every, key=lambda each: each.build):
        if one.layers:
            by.setdefault((one.tensorrt, Engine(one.precision, one.variant)), one)
    return by


def layers(run: Run) -> Table:
    """One row a kind of engine and version: its layers, how many of them fuse operations or only copy, the types of its products."""
    found, by, rows = Versions(run), told(run), list[dict[str, Any]]()
    for engine in [engine for engine in found.engines if engine.variant != SAVED]:
        for version in [version for version in found.names if (version, engine) in by]:
            own = by[version, engine].layers
            row: dict[str, Any] = {"precision": engine.label, "version": version, "layers": len(own), "copies": sum(map(copies, own))}
            row |= {"fused": sum(fuses(layer) for layer in own), "products": _products(found, version, engine)}
            kinds = Counter(layer.kind for layer in own).most_common()
            rows.append(row | {"kinds": ", ".join(f"{number} × {kind}" for kind, number in kinds)})
    numbers = [Column(key, W(f"columns.{key}"), "", 0) for key in ("layers", "fused", "copies")]
    return Table(rows, columns(W, "precision version products kinds") + numbers, W("captions.layers"))


def side_by_side(run: Run) -> list[Table]:
    """A folded table for each precision and version but the lowest whose layers are not the lowest version's: one row a layer of either."""
    found, by, made = Versions(run), told(run), list[Table]()
    for engine in [engine for engine in found.engines if not engine.variant]:
        for other in found.others:
            base, own = by.get((found.base, engine)), by.get((other, engine))
            if base and own and base.layers != own.layers:
                made.append(_pair(engine, base, own))
    return made


def _pair(engine: Engine, base: EngineLayers, own: EngineLayers) -> Table:
    rows = []
    for first, second in aligned(base.layers, own.layers):
        row = {}
        for side, layer in (("base", first), ("other", second)):
            shown = {"layer": cut(layer.name), "type": layer.type.upper(), "tactic": cut(layer.tactic)} if layer else {}
            row |= {f"{key}_{side}": shown.get(key) or "–" for key in ("layer", "type", "tactic")}
        rows.append(row)
    versions = {"base": base.tensorrt, "other": own.tensorrt}
    both = [(key, side) for key in ("layer", "type", "tactic") for side in versions]
    shown = [Column(f"{key}_{side}", W(f"columns.{key}_of", version=versions[side])) for key, side in both]
    counts = {"base_layers": len(base.layers), "other_layers": len(own.layers)}
    return Table(rows, shown, W("captions.side_by_side", engine=engine.label, **versions, **counts), folded=True)


def aligned(base: list[Layer], own: list[Layer]) -> list[tuple[Layer | None, Layer | None]]:
    """Layers of two engines in their order, those side by side that begin with the same operation; None where one side has none."""
    names = [[operation(layer.name) for layer in layers] for layers in (base, own)]
    pairs: list[tuple[Layer | None, Layer | None]] = []
    for _, a, b, c, d in SequenceMatcher(None, *names, autojunk=False).get_opcodes():
        pairs += zip_longest(base[a:b], own[c:d])
    return pairs


def copies(layer: Layer) -> bool:
    """Whether a layer only copies values into another type or memory layout."""
    return COPY in f"{layer.kind} {layer.name}".lower()


def fuses(layer: Layer) -> bool:
    """Whether a layer computes several operations of the network in one."""
    return not copies(layer) and any(mark in layer.name for mark in (" + ", "...", "||"))


def cut(name: str) -> str:
    """A name that a cell has room for."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _products(found: Versions, version: str, engine: Engine) -> Text | str:
    """Types of the convolutions and matrix products of the first build, e.g. `8 × FP16, 1 × FP32`."""
    records = list(found.builds("layer_types", version, engine).values())
    counts = costs.types(records[0]) if records else {}
    return costs.shown(counts) if counts else "–"
