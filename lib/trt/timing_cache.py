"""Which kernels were how fast, kept between builds. TensorRT refuses a cache of another version or GPU by itself.

Source: TensorRT developer guide, "Timing Cache".
"""

from __future__ import annotations

from typing import Any


def attach(config: Any, data: bytes) -> bool:
    """Give `config` a timing cache, an empty one for b"" and where TensorRT refuses `data`; whether `data` is used."""
    cache = config.create_timing_cache(data) if data else None
    if cache is not None and config.set_timing_cache(cache, False):
        return True
    config.set_timing_cache(config.create_timing_cache(b""), False)
    return False


def learnt(config: Any) -> bytes:
    """What `config` knows after a build, with all that it was given; b"" for nothing."""
    cache = config.get_timing_cache()
    return b"" if cache is None else bytes(cache.serialize())
