"""Messages between this program and a worker in the environment of another TensorRT: JSON and arrays, over a pair of pipes.

A message is 4 bytes that say how long its JSON is (little-endian), the JSON, and the raw bytes of the arrays in it, in its order. Plain
on purpose: no pickle, which would run code of the other side and differs between versions of NumPy.
"""

from __future__ import annotations

import json
import math
import operator
import re
import struct
from collections.abc import Callable
from typing import IO, Any

import numpy as np

HELLO = b"\nlib.trt.worker 1\n"  # what a worker says first: anything before it is what a start script printed
LONGEST_JSON = 1 << 26
PART = 1 << 20  # bytes that are waited for at once: what a message claims to hold takes no memory before it comes
KINDS = re.compile(r"[<>|][biufcSU]\d{1,6}")  # of arrays: numbers, truth values and text, as NumPy's dtype.str says them
ARRAYS = "arrays"  # key of the JSON that lists [name, dtype, shape] of every array

Message = dict[str, Any]
Arrays = dict[str, np.ndarray]
Given = dict[str, np.ndarray | bytes]  # bytes come as an array of uint8
Read = Callable[[int], bytes]  # exactly so many bytes


class Garbled(Exception):
    """What came is no message."""


def send(stream: IO[bytes], message: Message, arrays: Given | None = None) -> None:
    """Write one message. arrays: of any size; `message` is JSON. Raises OSError where nobody reads any more."""
    given = {name: _bytes(one) if isinstance(one, bytes) else np.asarray(one, order="C") for name, one in (arrays or {}).items()}
    text = json.dumps(message | {ARRAYS: [[name, one.dtype.str, one.shape] for name, one in given.items()]}).encode()
    stream.write(struct.pack("<I", len(text)) + text)
    for one in given.values():
        if one.size:
            stream.write(one.reshape(-1).view(np.uint8).data)  # as bytes: not every type has a memoryview that can be cut
    stream.flush()


def receive(read: Read) -> tuple[Message, Arrays]:
    """The next message and its arrays, which are read-only. Raises Garbled for anything else, and what `read` raises."""
    (length,) = struct.unpack("<I", read(4))
    if length > LONGEST_JSON:
        raise Garbled(f"a message of {length} bytes")
    try:
        message = json.loads(_parts(read, length))
        listed = [(str(name), _kind(kind), tuple(map(operator.index, shape))) for name, kind, shape in message.pop(ARRAYS)]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Garbled(f"no message ({error})") from None
    return message, {name: _array(read, kind, shape) for name, kind, shape in listed}


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


def _kind(text: str) -> np.dtype:
    if not KINDS.fullmatch(text):
        raise ValueError(f"no array of {text[:20]!r}")
    return np.dtype(text)


def _array(read: Read, kind: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    if min(shape, default=0) < 0:
        raise Garbled(f"an array of shape {shape}")
    try:
        array = np.frombuffer(_parts(read, math.prod(shape) * kind.itemsize), kind).reshape(shape)
    except (ValueError, OverflowError) as error:  # nothing in it, and yet too large or of too many dimensions
        raise Garbled(f"no array ({error})") from None
    array.flags.writeable = False
    return array


def _parts(read: Read, size: int) -> bytearray:
    """Exactly so many bytes, as they come."""
    found = bytearray()
    while len(found) < size:
        found += read(min(size - len(found), PART))
    return found
