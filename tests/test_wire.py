"""Messages between this program and a worker: what comes out is what went in, and what is no message does no harm."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from lib.trt import wire
from lib.trt.wire import Garbled

KINDS = ["?", "i1", "u1", "<i2", "<i4", "<i8", "<u8", "<f2", "<f4", "<f8", ">f4", ">i8", "<c8", "S3", "<U2"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    max_leaves=8,
)
MESSAGES = st.dictionaries(st.text().filter(lambda key: key != wire.ARRAYS), JSON, max_size=4)
ARRAY = st.sampled_from(KINDS).flatmap(lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0)))
GIVEN = st.dictionaries(st.text(max_size=5), ARRAY | st.binary(), max_size=3)


class NoMore(Exception):
    """What a reader of pipes raises where nothing comes."""


class Cut(io.RawIOBase):
    """A pipe, as lib/plans/remote.py writes into it: byte after byte of whatever it is given."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: Any) -> None:
        self.data += memoryview(data).cast("B")


def reader(data: bytes) -> tuple[wire.Read, list[int]]:
    """Reads exactly so many bytes or raises NoMore; and how many were asked for at once."""
    stream, asked = io.BytesIO(data), list[int]()

    def read(size: int) -> bytes:
        asked.append(size)
        found = stream.read(size)
        if len(found) < size:
            raise NoMore
        return found

    return read, asked


def sent(message: dict[str, Any], arrays: wire.Given | None = None) -> bytes:
    stream = Cut()
    wire.send(stream, message, arrays)  # type: ignore[arg-type]
    return bytes(stream.data)


def received(data: bytes) -> tuple[dict[str, Any], wire.Arrays]:
    return wire.receive(reader(data)[0])


def framed(text: str | bytes) -> bytes:
    text = text.encode() if isinstance(text, str) else text
    return struct.pack("<I", len(text)) + text


def listed(*arrays: Any) -> bytes:
    """A message that says it holds these arrays, without their bytes."""
    return framed(json.dumps({wire.ARRAYS: arrays}))


def same(one: Any, other: np.ndarray) -> bool:
    one = np.frombuffer(one, np.uint8) if isinstance(one, bytes) else one
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


# What comes out


@given(MESSAGES, GIVEN)
def test_a_message_comes_out_as_it_went_in(message, arrays):
    told, made = received(sent(message, arrays))
    assert told == message
    assert list(made) == list(arrays)
    assert all(same(arrays[name], made[name]) for name in arrays)
    assert not any(one.flags.writeable for one in made.values())


@given(st.lists(st.tuples(MESSAGES, GIVEN), min_size=2, max_size=4))
def test_messages_one_after_the_other_do_not_mix(messages):
    read, _ = reader(b"".join(sent(*one) for one in messages))
    for message, arrays in messages:
        told, made = wire.receive(read)
        assert told == message
        assert all(same(arrays[name], made[name]) for name in arrays)
    with pytest.raises(NoMore):
        wire.receive(read)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(4, 6)[::2, ::3],
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(5, dtype=np.float16)[::-1],
        np.float32(1.5),
        np.broadcast_to(np.int8(3), (2, 2)),
        np.array([np.nan, -0.0, np.inf], np.float16),
    ],
    ids=["slices", "Fortran", "backwards", "scalar", "broadcast", "no numbers"],
)
def test_arrays_that_do_not_lie_in_one_piece(array):
    assert same(np.asarray(array), received(sent({}, {"a": array}))[1]["a"])


def test_a_large_array_comes_in_parts():
    large = np.random.default_rng(0).normal(size=(5, 300_000)).astype(np.float32)
    read, asked = reader(sent({}, {"large": large, "after": b"x"}))
    _, made = wire.receive(read)
    assert same(large, made["large"])
    assert made["after"].tobytes() == b"x"
    assert max(asked) == wire.PART < large.nbytes


def test_objects_are_not_sent():
    with pytest.raises((TypeError, ValueError)):
        sent({}, {"objects": np.array([object()])})


# What is no message


@given(MESSAGES, GIVEN, st.data())
def test_what_is_cut_short_is_the_readers_error(message, arrays, data):
    whole = sent(message, arrays)
    with pytest.raises(NoMore):
        received(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(noise):
    with pytest.raises((Garbled, NoMore)):
        received(noise)


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
def test_any_bytes_in_a_frame_are_refused(noise):
    with pytest.raises(Garbled):
        received(framed(noise))


@given(st.lists(st.tuples(st.text(max_size=2), st.sampled_from([*KINDS, "", "O", "|V4", "f4", "<M8[s]"]) | JSON, JSON), max_size=2) | JSON)
def test_any_list_of_arrays_is_read_or_refused(arrays):
    read, asked = reader(framed(json.dumps({wire.ARRAYS: arrays})) + bytes(100))
    try:
        _, made = wire.receive(read)
    except (Garbled, NoMore):
        made = {}
    assert all(array.size <= 100 for array in made.values())
    assert max(asked) <= wire.PART


@given(MESSAGES, GIVEN, st.data())
def test_a_wrong_byte_never_does_more_than_another_message(message, arrays, data):
    changed = bytearray(sent(message, arrays))
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))
    read, asked = reader(bytes(changed))
    with suppress(Garbled, NoMore):
        wire.receive(read)
    assert max(asked) <= wire.PART


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "[1]",
        '"text"',
        "{}",
        '{"arrays": 1}',
        '{"arrays": [[]]}',
        '{"arrays": [["a", "<f4"]]}',
        "[" * 100_000,
        "1" * 5_000,
        b"\xff\xfe",
        "",
    ],
    ids=["truth", "list", "text", "nothing", "number", "empty", "shapeless", "deep", "digits", "no UTF-8", "no JSON"],
)
def test_json_that_is_no_message(text):
    with pytest.raises(Garbled):
        received(framed(text))


@pytest.mark.parametrize(
    "kind", ["O", "|O", "|O8", "|V8", "f4", "=f4", "<f3", "<M8[s]", "i4,i4", "(2,3)f4", "<f4,", "|S0", "", None, 4, ["<f4"]]
)
def test_types_that_are_no_numbers_or_text(kind):
    with pytest.raises(Garbled):
        received(listed(["a", kind, [1]]) + bytes(64))


@pytest.mark.parametrize(
    "shape", [[-1], [2, -3], [1.0], ["1"], "12", [None], [1] * 100, [0, 10**30], 3, None, {"0": 1}], ids=lambda shape: str(shape)[:12]
)
def test_shapes_that_are_none(shape):
    with pytest.raises(Garbled):
        received(listed(["a", "<f4", shape]) + bytes(64))


@pytest.mark.parametrize("shape", [[10**12], [10**6, 10**6], [10**400]])
def test_a_claim_takes_no_memory(shape):
    read, asked = reader(listed(["a", "|u1", shape]) + bytes(3 * wire.PART))
    tracemalloc.start()
    try:
        with pytest.raises(NoMore):
            wire.receive(read)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 12 * wire.PART  # what came, and room for it to grow
    assert max(asked) == wire.PART


def test_a_message_that_claims_to_be_long_is_refused_unread():
    read, asked = reader(struct.pack("<I", wire.LONGEST_JSON + 1))
    with pytest.raises(Garbled, match="67108865 bytes"):
        wire.receive(read)
    assert asked == [4]


def test_numbers_that_json_does_not_know_come_through():
    assert np.isnan(received(sent({"ms": float("nan")}))[0]["ms"])
