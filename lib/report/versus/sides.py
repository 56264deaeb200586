"""The two runs that are compared: where they lie, and in what they differ besides their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib import session
from lib.errors import ConfigError, shown
from lib.experiment import profile as profiles
from lib.experiment.candidate import ONNX_REFERENCE, SAVED_MODEL_REFERENCE
from lib.store.run import Run
from lib.text import Text
from lib.words import Words

W = Words(__file__)
RESULTS = "[0-9][0-9]_*.jsonl"
HASH = 12  # hex digits of a file's SHA-256 that are shown
UNKNOWN = "–"
NAMED = 3  # parameters or versions that are named where it is said that they differ
NOT_MEASURED = "accept."  # parameters that judge numbers and change none


@dataclass(frozen=True)
class Differs:
    """One thing in which two runs differ. kind: of `kinds` in the words; what: its name; a, b: what each has, both UNKNOWN for models
    that the records do not name in a common format."""

    kind: str
    what: Text
    a: Any
    b: Any


def find(given: str) -> Run:
    """The run that is meant, as its newest page sees it.

    given: as to `there`. Raises ConfigError, one line, where that is nothing, ReportError where it was altered.
    """
    if run := there(given):
        return run
    said = f"'{given}': nothing recorded there; name two runs, each a folder results/SYSTEM or a profile that was measured"
    raise ConfigError(f"{said} (make: A=… B=…)")


def there(given: str) -> Run | None:
    """The run that a folder results/SYSTEM holds, or one that holds such folders, or PROFILE or PROFILE/SYSTEM of the outputs; of several
    the last one. None where nothing is recorded. Raises ReportError, one line, for what was altered."""
    profile = Path(given).stem if given.endswith(profiles.FILES) else given
    outputs = session.outputs(profile)
    places = [Path(given), Path(given) / "results", outputs / "results", outputs.parent / "results" / outputs.name]
    for place in places if given else []:
        if any(place.glob(RESULTS)):
            return Run.open(place).newest()
        if below := [folder for folder in sorted(place.glob("*")) if any(folder.glob(RESULTS))]:
            return max((Run.open(folder).newest() for folder in below), key=lambda run: run.info.started_at)
    return None


def different(a: Run, b: Run) -> None:
    """Raise ConfigError where both are the same records."""
    if a.folder.resolve() == b.folder.resolve():
        raise ConfigError(f"{shown(a.folder)}: A and B are the same records; copy those of before to a folder of their own")


def differences(a: Run, b: Run) -> list[Differs]:
    """In what two runs differ besides their numbers, as their newest pages tell: dataset, model, system, versions, and the parameters
    that numbers depend on."""
    one, other = a.info, b.info
    found = [*_rows("dataset", [("dataset", one.dataset, other.dataset), ("classes", one.class_names, other.class_names)])]
    models = model(a, b)
    if models is None or models[0] != models[1]:
        found.append(Differs("model", W("names.model"), *(models or (UNKNOWN, UNKNOWN))))
    found += _rows("system", [("system", one.system_id, other.system_id), *_machines(one.system, other.system)])
    libraries = [run.info.system.get("libraries") or {} for run in (a, b)]
    names = dict.fromkeys([*libraries[0], *libraries[1]])
    versions = [(Text(name, name), *(each.get(name, UNKNOWN) for each in libraries)) for name in names]
    python = (Text("Python", "Python"), one.system.get("python", UNKNOWN), other.system.get("python", UNKNOWN))
    found += [Differs("versions", *row) for row in (python, *versions) if row[1] != row[2]]
    parameters = [dict(profiles.as_rows(run.profile)) for run in (a, b)]
    keys = [key for key in dict.fromkeys([*parameters[0], *parameters[1]]) if not key.startswith(NOT_MEASURED)]
    rows = [(Text(key, key), *(each.get(key, UNKNOWN) for each in parameters)) for key in keys]
    return found + [Differs("parameters", *row) for row in rows if row[1] != row[2]]


def lead(differs: Iterable[Differs]) -> Text:
    """In one sentence what else differs, and whether it is not known that both have the same model."""
    differs = list(differs)
    known = [one for one in differs if not one.a == one.b == UNKNOWN]
    unknown = "_unknown" if len(known) < len(differs) else ""
    kinds = [_kind(kind, [one.what for one in known if one.kind == kind]) for kind in dict.fromkeys(one.kind for one in known)]
    if not kinds:
        return W(f"said.alike{unknown}")
    *most, last = kinds
    return W(f"said.lead{unknown}", kinds=W("said.both", most=most, last=last) if most else last)


def _kind(kind: str, names: list[Text]) -> Text:
    """What differs; of parameters and versions the first ones by name."""
    if kind not in ("parameters", "versions"):
        return W(f"kinds.{kind}")
    return W("said.named", kind=W(f"kinds.{kind}"), names=[*names[:NAMED], *(["…"] if len(names) > NAMED else [])])


def model(a: Run, b: Run) -> tuple[str, str] | None:
    """The first digits of the SHA-256 of both runs' models, of the same format; None where no format was measured in both."""
    for candidate in (a.profile.reference, SAVED_MODEL_REFERENCE, ONNX_REFERENCE):
        every = [run.everywhere(candidate=candidate, case={}) for run in (a, b)]
        hashes = [next((record.artifact_sha256 for record in found if record.artifact_sha256), "") for found in every]
        if all(hashes):
            return hashes[0][:HASH], hashes[1][:HASH]
    return None


def same_model(a: Run, b: Run) -> bool:
    """Whether both runs are known to have measured the same file of a model."""
    found = model(a, b)
    return found is not None and found[0] == found[1]


def same_dataset(a: Run, b: Run) -> bool:
    """Whether both runs have the same test set and classes."""
    return (a.info.dataset, a.info.class_names) == (b.info.dataset, b.info.class_names)


def _machines(*systems: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(key of `names`, of A, of B) of what machines differ in."""
    cards = [next(iter(system.get("gpus") or []), {}) for system in systems]
    rows: list[tuple[str, Any, Any]] = []
    for key in ("cpu", "cores", "memory_gib", "os"):
        rows.append((key, *(system.get(key, UNKNOWN) for system in systems)))
    for key, field in (("gpu", "name"), ("driver", "driver_version")):
        rows.append((key, *(card.get(field, UNKNOWN) for card in cards)))
    return rows


def _rows(kind: str, rows: Iterable[tuple[str, Any, Any]]) -> Iterable[Differs]:
    return (Differs(kind, W(f"names.{key}"), _said(a), _said(b)) for key, a, b in rows if a != b)


def _said(value: Any) -> str:
    """A value in a table, as short as it can be: of many classes how many."""
    return ", ".join(value[:3]) + (f", … ({len(value)})" if len(value) > 3 else "") if isinstance(value, list) else str(value)
