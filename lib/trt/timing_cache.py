"""Which kernels were how fast, kept between builds: one file for each TensorRT version and GPU.

TensorRT refuses a cache of another version or GPU by itself; the file's name keeps them apart before it has to.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from lib import progress
from lib.experiment import system
from lib.session import Session
from lib.store import files
from lib.trt import versions

DIGEST = 32  # bytes of SHA-256 before TensorRT's own


def path(session: Session) -> Path | None:
    """Where the timing cache of this TensorRT and GPU lies: outputs/PROFILE/timing-cache/…, made by the first build.

    None for TensorRT for RTX, which measures no kernels when it builds.
    """
    if versions.flavour() != "tensorrt":
        return None
    gpu = system.gpus()[0]["name"] if system.gpus() else "no-gpu"
    return session.folder / "timing-cache" / f"{system.slug(f'{versions.flavour()}-{versions.version()}-{gpu}')}.cache"


def attach(config: Any, stored: Path | None) -> bool:
    """Give `config` the stored timing cache, or an empty one; whether a stored one is used."""
    if stored is None:
        return False
    if stored.is_file():
        content = stored.read_bytes()
        digest, data = content[:DIGEST], content[DIGEST:]
        whole = digest == hashlib.sha256(data).digest()  # TensorRT takes a damaged one for an empty one and does not say so
        cache = config.create_timing_cache(data) if whole else None
        if cache is not None and config.set_timing_cache(cache, False):
            return True
        progress.say(f"timing cache {stored.name} is not of this TensorRT and GPU or is damaged; starting an empty one")
    config.set_timing_cache(config.create_timing_cache(b""), False)
    return False


def keep(config: Any, stored: Path | None) -> None:
    """Write what `config` has learnt to `stored`, in one step."""
    if stored is not None and (cache := config.get_timing_cache()) is not None:
        data = bytes(cache.serialize())
        files.write_bytes(stored, hashlib.sha256(data).digest() + data)
