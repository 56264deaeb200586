"""Stored files that are good for one model on one system only: checked field by field before they are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib.errors import ArtifactError
from lib.store import artifacts


def read(folder: Path, kind: str, file: str, fields: dict[str, str], expected: dict[str, Any], again: str) -> bytes:
    """The bytes of a payload file, read once: their hash is the manifest's, and every one of its `fields` is as `expected`.

    fields: key in the manifest -> its name in words, in the order of checking; again: the way to make it again. Raises ArtifactError, one
    line that names the first field that differs.
    """
    manifest = artifacts.read_manifest(folder)
    if manifest["kind"] != kind:
        raise ArtifactError(f"{folder}: kind is '{manifest['kind']}', not '{kind}'; {again}")
    for field, name in fields.items():
        stored, here = manifest["inputs"].get(field), expected[field]
        if stored != here:
            raise ArtifactError(f"{folder / 'payload' / file}: its {name} is {_shown(stored)}, here it is {_shown(here)}; {again}")
    return artifacts.read(folder, file)


def _shown(value: Any) -> str:
    text = "/".join(map(str, value)) if isinstance(value, list) else str(value)
    return "missing" if value is None else f"'{text[:16]}'" if len(text) == 64 else f"'{text}'"
