"""The timing cache of this environment's TensorRT: one file for each version and GPU, so that engines of a profile build faster."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lib import progress
from lib.experiment import system
from lib.session import Session
from lib.store import files
from lib.trt import timing_cache, versions
from lib.trt.build import Built

DIGEST = 32  # bytes of SHA-256 before TensorRT's own


def path(session: Session) -> Path | None:
    """Where it lies: outputs/PROFILE/timing-cache/…, made by the first build.

    None for TensorRT for RTX, which measures no kernels when it builds.
    """
    if versions.flavour() != "tensorrt":
        return None
    gpu = system.gpus()[0]["name"] if system.gpus() else "no-gpu"
    return session.folder / "timing-cache" / f"{system.slug(f'{versions.flavour()}-{versions.version()}-{gpu}')}.cache"


def read(stored: Path | None) -> bytes | None:
    """What `build` is to be given: b"" where nothing whole is stored, None where no timings are kept."""
    if stored is None:
        return None
    if not stored.is_file():
        return b""
    content = stored.read_bytes()
    digest, data = content[:DIGEST], content[DIGEST:]
    # TensorRT takes a damaged one for an empty one and does not say so
    whole = digest == hashlib.sha256(data).digest() and data.startswith(timing_cache.MARK)
    return data if whole else _another(stored)


def keep(stored: Path | None, given: bytes | None, built: Built) -> None:
    """Write what a build has learnt, in one step; say so where it did not take what it was `given`."""
    if stored is None:
        return
    if given and not built.timing_cache:
        _another(stored)
    files.write_bytes(stored, hashlib.sha256(built.timings).digest() + built.timings)


def _another(stored: Path) -> bytes:
    progress.say(f"timing cache {stored.name} is not of this TensorRT and GPU or is damaged; starting an empty one")
    return b""
