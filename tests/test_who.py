"""Whom a finding names in its first sentence, what it counts, and where the reason stands."""

from __future__ import annotations

import pytest

import lib.runners  # noqa: F401  its backends have labels
from lib.experiment.candidate import Candidate
from lib.pages import common, who
from lib.store.records import Reason, Record
from lib.text import Text

KEYS = ("tensorrt/fp16", "tensorrt/fp32", "cpp/fp16", "onnxrt/fp32")


def told(keys: tuple[str, ...], total: int = 0) -> tuple[str, str]:
    said = who.of([Candidate.parse(key) for key in keys], total=total)
    return said["who"].en, said["which"].en


@pytest.mark.parametrize(
    ("keys", "total", "names", "which"),
    [
        (KEYS[:1], 1, "TensorRT FP16", ""),
        (KEYS[:2], 3, "TensorRT FP32 and FP16", ""),
        (("tensorrt/fp16", "cpp/fp16"), 0, "FP16 in TensorRT and TensorRT (C++)", ""),
        (("tensorrt/fp16", "onnxrt/fp32"), 0, "ONNX Runtime (CPU) FP32 and TensorRT FP16", ""),
        (("tensorrt/fp16", "tensorrt/fp16/+graph"), 0, "TensorRT FP16 and TensorRT FP16 (as a CUDA graph)", ""),
        (KEYS, 0, "4 runners and precisions", " These are ONNX Runtime (CPU) FP32; TensorRT FP32, FP16; TensorRT (C++) FP16."),
        (KEYS, 4, "All 4 measured runners and precisions", " These are ONNX Runtime (CPU) FP32; TensorRT FP32, FP16; TensorRT (C++) FP16."),
        (KEYS[:3], 4, "3 of 4 measured runners and precisions", " These are TensorRT FP32, FP16; TensorRT (C++) FP16."),
    ],
)
def test_two_are_named_and_more_are_counted_with_their_names_behind(keys: tuple[str, ...], total: int, names: str, which: str) -> None:
    assert told(keys, total) == (names, which)
    japanese = who.of([Candidate.parse(key) for key in keys], total=total)
    assert bool(japanese["which"].ja) == bool(which)


def test_what_has_only_a_label_is_told_the_same_way() -> None:
    labels = [Text(name, name) for name in ("a", "b", "c")]
    assert who.of(labels[:2], "models") == {"who": Text("a and b", "aとb"), "which": Text("", "")}
    assert who.of(labels, "models") == {
        "who": Text("3 models", "3個のモデル"),
        "which": Text(" These are a, b, c.", "該当するのはa、b、cである。"),
    }


def test_a_long_reason_has_a_sentence_of_its_own() -> None:
    assert who.because(Text("no GPU", "GPUがない")) == Text(" (no GPU).", "（GPUがない）。")
    long = who.because(Text("word " * 12 + "end", "GPUがない"))
    assert (long.en[:7], long.ja) == (". Why: ", "。理由：GPUがない。")
    assert who.because(Text("no GPU", "長" * 46)).en.startswith(". Why: ")


def test_what_failed_is_named_first_however_long_its_message() -> None:
    why = Reason("failed", {"message": "Error Code 4. " * 12})
    (failed,) = common.failures([Record("latency", "ms", None, Candidate("tensorrt", "fp16"), 32, reason=why)])
    assert failed.text.first("en")[0] == "TensorRT FP16 could not be measured."
    assert failed.text.first("ja")[0] == "TensorRT FP16は測定できなかった。"
    assert failed.values["candidate"] == Candidate("tensorrt", "fp16")
