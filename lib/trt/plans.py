"""Engines that can be trusted: stored with everything they depend on, refused where anything of it differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lib import artifacts, files, system
from lib.artifacts import Artifact
from lib.config import Engines
from lib.errors import ArtifactError, NotMeasured
from lib.trt import versions

if TYPE_CHECKING:
    from lib.session import Session

KIND, VERSION = "engine", 1  # of this builder; a change makes stored engines stale
PLAN, LOG = "model.plan", "build.log"
RTX_TARGETS = "default (8.0, 8.6, 8.9, 12.0 and later)"  # TensorRT for RTX documentation, "CPU-Only AOT and TensorRT-RTX Engines"
FIELDS = {  # in the order in which a plan is checked
    "flavour": "TensorRT flavour",
    "tensorrt": "TensorRT version",
    "gpu": "GPU",
    "compute_capability": "compute capability",
    "onnx_sha256": "ONNX",
    "precision": "precision",
    "profile": "optimization profile",
    "workspace_mib": "workspace (MiB)",
    "version": "builder version",
}


def engine(session: Session, precision: str) -> Artifact:
    """The engine of one precision of this session's model, built now unless it is stored.

    Payload: `model.plan`, `build.log`, `layers.json` (name, kind, type, shape of every layer of the parsed network).
    info: build_s (seconds of each build), product_types, weights_bytes (or None), onnx (variant), system_id.
    Raises NotMeasured with the reason where this TensorRT cannot build it, EngineError for what TensorRT refuses.
    """
    if reason := versions.not_buildable(precision):
        raise NotMeasured(f"tensorrt {precision}: {reason.en}")
    from lib import export

    onnx = export.onnx(session, versions.onnx_variant(precision)).file("model.onnx")
    settings = session.profile.engines
    return session.store.get_or_build(KIND, identity(onnx, precision, settings), lambda folder: _write(folder, onnx, precision, settings))


def identity(onnx: Path, precision: str, settings: Engines) -> dict[str, Any]:
    """Everything a plan depends on: the ONNX's hash, precision, profile shapes, workspace, TensorRT and GPU.

    `profile`: [min, opt, max] of the input's batch. `gpu` is "" and `compute_capability` the targets for TensorRT for
    RTX, whose plans are made for many GPUs and finished on the one that loads them.
    """
    rtx = versions.flavour() == "tensorrt_rtx"
    gpu = {} if rtx or not system.gpus() else system.gpus()[0]
    return {
        "version": VERSION,
        "onnx_sha256": files.sha256(onnx),
        "precision": precision,
        "profile": [settings.min_batch, settings.opt_batch, settings.max_batch],
        "workspace_mib": settings.workspace_mib,
        "flavour": versions.flavour(),
        "tensorrt": versions.version(),
        "gpu": gpu.get("name", ""),
        "compute_capability": RTX_TARGETS if rtx else gpu.get("compute_cap", ""),
    }


def load_plan(folder: Path, expected: dict[str, Any]) -> bytes:
    """The bytes of a stored plan, after its hash and every field of its manifest were checked against `expected`.

    `folder` is the artifact's (manifest.json and payload/), `expected` comes from `identity`. Deserializing runs code
    out of the file. The hash shows that it is unaltered since its manifest was written, not who wrote both: load plans from
    folders that you trust only. Raises ArtifactError, one line that names
    the field and the way to rebuild.
    """
    artifact = artifacts.load(folder)
    again = f"remove {folder} and run notebook 03_engines to build it again"
    if artifact.kind != KIND:
        raise ArtifactError(f"{folder}: kind is '{artifact.kind}', not '{KIND}'; {again}")
    for field, name in FIELDS.items():
        built, here = artifact.inputs.get(field), expected[field]
        if built != here:
            raise ArtifactError(f"{folder / 'payload' / PLAN}: its {name} is {_shown(built)}, here it is {_shown(here)}; {again}")
    if not artifact.file(PLAN).is_file():
        raise ArtifactError(f"{folder / 'payload' / PLAN}: missing; {again}")
    return artifact.file(PLAN).read_bytes()


def _write(folder: Path, onnx: Path, precision: str, settings: Engines) -> dict[str, Any]:
    from lib.trt import inspect
    from lib.trt.build import build

    built = build(onnx, precision, settings)
    (folder / PLAN).write_bytes(built.plan)
    (folder / LOG).write_text("\n".join(built.log) + "\n", encoding="utf-8")
    (folder / "layers.json").write_text(json.dumps([vars(layer) for layer in built.layers], indent=0), encoding="utf-8")
    return {
        "build_s": built.build_s,
        "product_types": inspect.product_types(built.layers),
        "weights_bytes": inspect.weights_bytes(built.log),
        "onnx": versions.onnx_variant(precision),
        "system_id": system.system_id(),
    }


def _shown(value: Any) -> str:
    text = "/".join(map(str, value)) if isinstance(value, list) else str(value)
    return "missing" if value is None else f"'{text[:16]}'" if len(text) == 64 else f"'{text}'"
