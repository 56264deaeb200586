"""What must be changed in code: the calls of TensorRT's API, read off each installed version, and what takes their place."""

from __future__ import annotations

from typing import Any

from lib.pages.cross_version.calls import NOTHING, Call, Shown, calls
from lib.pages.cross_version.exhibits import Members
from lib.pages.cross_version.versions import Versions, W
from lib.show.columns import columns
from lib.show.table import Column, Table
from lib.store.run import Run

EXHIBIT = "members"
States = dict[str, Shown]  # version -> how a call stands with it


def states(run: Run) -> dict[Call, States]:
    """Each call that the versions were asked for, in the order of calls.yaml."""
    told = members(run)
    every = {call: {v: call.shown(v, state) for v in told.versions if (state := told.state(call.path, v))} for call in calls()}
    return {call: of for call, of in every.items() if of}


def members(run: Run) -> Members:
    """What was read off the versions; of none where it was not recorded. The lowest first, as in every table of the page."""
    told = run.exhibit(EXHIBIT, Members) or Members(versions=[], members=[])
    return Members(versions=Versions(run).ordered(told.versions), members=told.members)


def changed(of: States) -> bool:
    """Whether a call does not stand the same with all versions, or is deprecated or gone in one."""
    return len(set(of.values())) > 1 or not {"deprecated", "gone"}.isdisjoint(of.values())


def lost(run: Run, base: str, other: str) -> dict[Call, Shown]:
    """Calls that `base` has, and that `other` has no longer or calls deprecated."""
    told = {call: of for call, of in states(run).items() if {base, other} <= of.keys() and of[base] in ("there", "deprecated")}
    return {call: of[other] for call, of in told.items() if of[other] == "gone" or (of[other] == "deprecated" != of[base])}


def changing(run: Run) -> Table:
    """One row a call that changes between the versions or is no longer to be made: how it stands with each, what replaces it."""
    return _table(run, {call: of for call, of in states(run).items() if changed(of)}, folded=False)


def kept(run: Run) -> Table:
    """The calls that every version takes as they are; folded."""
    return _table(run, {call: of for call, of in states(run).items() if not changed(of)}, folded=True)


def _table(run: Run, chosen: dict[Call, States], folded: bool) -> Table:
    versions = members(run).versions
    rows = []
    for call, of in chosen.items():
        row: dict[str, Any] = {"call": call.path, "who": W(f"who.{call.who}"), "purpose": call.purpose}
        row |= {version: W(f"states.{of[version]}") if version in of else "–" for version in versions}
        row |= {"gone_from": call.gone or "–", "replacement": "–" if call.replacement == NOTHING else call.replacement}
        rows.append(row)
    shown = columns(W, "call") + [Column(version, W("columns.in_version", version=version)) for version in versions]
    caption = W("captions.calls_same" if folded else "captions.calls", count=len(rows))
    return Table(rows, shown + columns(W, "replacement purpose gone_from who"), caption, folded)
