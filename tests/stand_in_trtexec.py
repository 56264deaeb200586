#!/usr/bin/env python3
"""A trtexec that is none: help, options and log of 8.5, 10.6 or 11.0; answers the softmax of the first ten numbers of each image.

`write(path, version, fault)` makes the program. fault: "no_graph", "nan", "refused", "crash", "zero", "hangs".
"""

from __future__ import annotations

import sys
from pathlib import Path

NUMBERS = {"8.5": "8503", "10.6": "100600", "11.0": "110000"}
HELP = {  # of the options that are looked for
    "8.5": "--loadEngine --shapes --loadInputs --duration --warmUp --streams --noDataTransfers --useSpinWait --threads --useCudaGraph",
    "10.6": "--loadEngine --shapes --loadInputs --infStreams --noDataTransfers --useSpinWait --threads --useCudaGraph --useProfile",
    "11.0": "--loadEngine --shapes --infStreams --includeDataTransfers --noSpinWait --threads --noCudaGraph --useCudaGraph --useProfile",
}
KNOWN = ["--loadEngine", "--shapes", "--loadInputs", "--exportOutput", "--duration", "--warmUp", "--percentile", "--avgRuns"]
LOG = """[I] === Performance summary ===
[I] Throughput: 2000 qps
[I] Latency: min = 0.4 ms, max = 1.5 ms, mean = 0.6 ms, median = 0.5 ms, percentile(90%) = 0.7 ms, percentile(95%) = 0.8 ms, percentile(99%) = 1.2 ms
[W] * GPU compute time is unstable, with coefficient of variance = 2%.
"""  # noqa: E501
NO_GRAPH = (
    "[W] The built TensorRT engine contains operations that are not permitted under CUDA graph capture mode.\n"
    "[W] The specified --useCudaGraph flag has been ignored. The inference will be launched without using CUDA graph launch.\n"
)


def write(path: Path, version: str, fault: str = "") -> Path:
    """The program at `path`, which writes its arguments into `path`.asked. Returns `path`."""
    here = Path(__file__).resolve().parent
    call = f"import sys\nsys.path.insert(0, {str(here)!r})\nimport stand_in_trtexec\n"
    path.write_text(f"#!{sys.executable}\n{call}stand_in_trtexec.main({version!r}, {fault!r})\n")
    path.chmod(0o755)
    return path


def main(version: str, fault: str) -> None:
    """Run as it."""
    program, *words = sys.argv
    tail = f"TensorRT.trtexec [TensorRT v{NUMBERS[version]}] # trtexec {' '.join(words)}"
    print("&&&& RUNNING", tail)
    if words == ["--help"]:
        print(*HELP[version].split(), sep="\n")
        return
    with Path(f"{program}.asked").open("a") as asked:
        asked.write(" ".join(words) + "\n")
    asked_for = dict(word.partition("=")[::2] for word in words)
    unknown = [name for name in asked_for if name not in (*KNOWN, *HELP[version].split())]
    if unknown or fault == "refused":
        print(f"[E] Unknown option: {unknown[0]}" if unknown else "[E] Error[6]: The engine plan file is not compatible", file=sys.stderr)
        print("[E] Engine set up failed", file=sys.stderr)
        print("&&&& FAILED", tail)
        sys.exit(1)
    if fault == "hangs":
        import time

        time.sleep(60)
    if fault == "crash":
        sys.exit(134)
    if fault == "no_graph" and "--useCudaGraph" in words:
        print(NO_GRAPH, file=sys.stderr)
    _answer(asked_for, fault)
    print(LOG.replace("2000", "0") if fault == "zero" else LOG)
    print("&&&& PASSED", tail)


def _answer(asked_for: dict[str, str], fault: str) -> None:
    import numpy as np

    _, _, shape = asked_for["--shapes"].rpartition(":")
    _, _, file = asked_for["--loadInputs"].rpartition(":")
    images = np.fromfile(file, np.float32).reshape(*map(int, shape.split("x")))
    powers = np.exp(images.reshape(len(images), -1)[:, :10])
    values = (powers / powers.sum(1, keepdims=True)).ravel()
    text = ", ".join("nan" if fault == "nan" else f"{value:.6g}" for value in values)
    made = f'[\n  {{ "name" : "probabilities"\n  , "dimensions" : "{len(images)}x10"\n  , "values" : [ {text} ]\n  }}\n]\n'
    Path(asked_for["--exportOutput"]).write_text(made)
