"""Which kernels were how fast, kept between builds: TensorRT's own bytes behind a line that says of which version they are.

The line is needed: TensorRT 8.5.3.1 takes a cache of 10.6.0 without a word (seen on an H200), and finds nothing in it.
Source: TensorRT developer guide, "Timing Cache".
"""

from __future__ import annotations

from typing import Any

from lib.trt.versions import EngineError

MARK = b"timing cache of TensorRT "


def attach(config: Any, data: bytes, version: str) -> bool:
    """Give `config` a timing cache, an empty one for b"" and where TensorRT refuses `data` (another GPU); whether `data` is used.

    Raises EngineError, one line, for a cache of another version than `version`, and for what is no timing cache.
    """
    if data:
        own, head = MARK + version.encode(), data.partition(b"\n")[0]
        if not data.startswith(MARK):
            raise EngineError("no timing cache that this project kept; remove it to have kernels timed again")
        if head != own:
            raise EngineError(f"a {head.decode(errors='replace')[:80]}, here it is {version}; remove it to have kernels timed again")
        cache = config.create_timing_cache(data[len(own) + 1 :])
        if cache is not None and config.set_timing_cache(cache, False):
            return True
    config.set_timing_cache(config.create_timing_cache(b""), False)
    return False


def learnt(config: Any, version: str) -> bytes:
    """What `config` knows after a build by `version`, with all that it was given; b"" for nothing."""
    cache = config.get_timing_cache()
    return b"" if cache is None else MARK + version.encode() + b"\n" + bytes(cache.serialize())
