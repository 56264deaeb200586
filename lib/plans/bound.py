"""Stored files that are good for one model on one system only: checked field by field before they are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib.errors import ArtifactError
from lib.store import artifacts

WORDS = {  # what people call a field, where its name says less
    "flavour": "TensorRT flavour",
    "tensorrt": "TensorRT version",
    "gpu": "GPU",
    "method": "calibrator",
    "onnx_sha256": "ONNX",
    "flags": "builder flags",
    "calibration": "calibration cache",
    "profile": "optimization profile",
    "workspace_mib": "workspace (MiB)",
    "images": "number of calibration images",
    "seed": "seed of the calibration images",
    "held_out": "number of images held out for validation",
    "batch": "calibration batch",
    "version": "version of this project's builder",
}


def read(folder: Path, kind: str, file: str, expected: dict[str, Any]) -> bytes:
    """The bytes of a payload file of the artifact in `folder`, read once: their hash is the manifest's, and every field is as `expected`.

    expected: a value of each of the inputs that this kind depends on. Raises ArtifactError, one line that names the first that differs and
    how to make it again. The hash does not show who wrote a file, and deserializing a plan runs code out of it: read plans from
    folders that you trust only.
    """
    manifest = artifacts.read_manifest(folder)
    if manifest["kind"] != kind:
        raise refused(folder, f"kind is '{manifest['kind']}', not '{kind}'")
    for field, here in expected.items():
        if (stored := manifest["inputs"].get(field)) != here:
            name = WORDS.get(field, field.replace("_", " "))
            raise refused(folder / "payload" / file, f"its {name} is {_shown(stored)}, here it is {_shown(here)}")
    return artifacts.read(folder, file)


def refused(path: Path, what: str) -> ArtifactError:
    """The error of an artifact, or of one of its payload files, which says how to make it again."""
    folder = path.parent.parent if path.parent.name == "payload" else path
    return ArtifactError(f"{path}: {what}; remove {folder} and run the report again, which builds or calibrates anew")


def _shown(value: Any) -> str:
    text = "/".join(map(str, value)) if isinstance(value, list) else str(value)
    return "missing" if value is None else f"'{text[:16]}'" if len(text) == 64 else f"'{text}'"
