"""What trtexec prints. Source: samples/common/sampleReporting.cpp and sampleInference.cpp of NVIDIA/TensorRT, releases 8.5, 10.6, 11.0."""

from __future__ import annotations

import re
from typing import NamedTuple

RUNNING = re.compile(r"&&&& RUNNING TensorRT\.trtexec \[TensorRT v(\d+)\]")
QUERIES = re.compile(r"\[I\] Throughput: ([\d.e+]+) qps")
LATENCY = re.compile(r"\[I\] Latency: (.+)")  # of a request: its copies and computing, without what it waits
NUMBER = re.compile(r"(min|max|mean|median|percentile\((\d+)%\)) = ([\d.e+-]+) ms")
# What it says where it goes on without a graph: 8.5 to 10.x, and 11.
NO_GRAPH = re.compile(r"not permitted under CUDA graph capture mode|--useCudaGraph flag has been ignored|CUDA graph capture .*failed")
SAID = re.compile(r"\[([EW])\] (.*\S)")
FAILED = "&&&& FAILED"
WARNING = "* "  # at the front of what it says of its measurement: bound by launches or copies, unstable clocks


class Log(NamedTuple):
    """A run. queries_a_second: batches; latency_ms: min, max, mean, median, p90 …; no_graph: whether a graph was asked for and not
    captured; warnings: of its measurement; error: what went wrong, "" for nothing."""

    queries_a_second: float
    latency_ms: dict[str, float]
    no_graph: bool
    warnings: tuple[str, ...]
    error: str


def version(text: str) -> str:
    """The TensorRT that a trtexec was compiled for: v8503 is "8.5.3", v100600 "10.6.0". "" where the text is of none."""
    found = RUNNING.search(text)
    if not found:
        return ""
    number = int(found[1])
    major, rest = divmod(number, 1000 if number < 10_000 else 10_000)
    return f"{major}.{rest // 100}.{rest % 100}"


def read(text: str, code: int = 0) -> Log:
    """A log, whole or not, of a program that ended with this exit code. Where it has no throughput there is an `error`."""
    said = SAID.findall(text)
    errors = [words for level, words in said if level == "E"]
    queries, latency = QUERIES.search(text), LATENCY.search(text)
    found = {f"p{q}" if q else name: float(value) for name, q, value in NUMBER.findall(latency[1])} if latency else {}
    rate = float(queries[1]) if queries else 0.0
    failed = code or FAILED in text or not rate > 0
    warnings = tuple(dict.fromkeys(words[len(WARNING) :] for level, words in said if level == "W" and words.startswith(WARNING)))
    why = errors[0] if errors else f"ended with exit code {code}" if code else "it printed no throughput"
    return Log(rate, found, bool(NO_GRAPH.search(text)), warnings, why if failed else "")
