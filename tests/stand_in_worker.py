"""A TensorRT that is none: speaks a worker's protocol (lib/trt/worker.py) as any version on any GPU, and has what faults are asked for.

`command("8.5.3.1")` is what TENSORRT_PYTHONS would name. It knows what the real bindings of that version have (tests/tensorrt_api.py),
refuses plans and caches of others, and builds "engines": the ONNX itself, which ONNX Runtime computes, off by what the precision rounds.
Every build of a process takes another kernel, unless a timing cache says which; times are made up, newer versions are faster by 5 %.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import signal
import struct
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import tensorrt_api

from lib import cuda
from lib.errors import ReportError
from lib.experiment.precision import PRECISIONS
from lib.serving import loadgen
from lib.serving.lanes import Direct, Lane
from lib.trt import calibrators, execution, lane, members, timing_cache, versions, worker
from lib.trt.lane_commands import Images, LaneCommands
from lib.trt.versions import EngineError

GPU, BUS = "NVIDIA H100 80GB HBM3", "00000000:01:00.0"
ROUNDS = {"fp32": 1e-6, "tf32": 1e-4, "fp16": 1e-4}  # by how much of an output kernels differ; INT8 adds up whole numbers: not at all
BASE_MS = {"fp32": 0.4, "tf32": 0.3, "fp16": 0.2}  # of a batch of one; INT8 0.15
CALLS = 8  # that a slice tells
METHODS = {"entropy": "EntropyCalibration2", "minmax": "MinMaxCalibration"}


def command(version: str, gpu: str = GPU, fault: str = "", at: str = "start", bus: str = "") -> list[str]:
    """What starts one. fault: of FAULTS, at the start or where a method of the worker is asked for; gpu: "" for none; bus: id of its card,
    "" for the one that this process has."""
    own = [sys.executable, str(Path(__file__).resolve()), "--version", version, "--gpu", gpu]
    return [*own, "--fault", fault, "--at", at, "--bus", bus or next(iter(cuda.devices()), BUS)]


class Config:
    """IBuilderConfig as far as timing caches go: `data` is what the cache knows."""

    data = b""

    def create_timing_cache(self, data: bytes) -> bytes:
        return data

    def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
        self.data = cache
        return True

    def get_timing_cache(self) -> Config:
        return self

    def serialize(self) -> bytes:
        return self.data


class StandIn(LaneCommands):
    """The methods of lib.trt.worker.Worker."""

    def __init__(self, version: str, gpu: str, bus_id: str) -> None:
        super().__init__()
        self.version, self.gpu, self.bus_id = version, gpu, bus_id
        self._module = tensorrt_api.fake(_known(version))
        self._open: dict[int, dict[str, Any]] = {}
        self._kernels = count(1)

    def about(self) -> worker.Answer:
        context = self._module.IExecutionContext
        told = {
            "flavour": "tensorrt" if self.gpu else None,
            "tensorrt": self.version,
            "python": platform.python_version(),
            "gpu": {"name": self.gpu, "compute_cap": "9.0", "driver_version": "580.1", "memory.total": "81559"} if self.gpu else None,
            "bus_id": self.bus_id if self.gpu else "",
            "cuda": True,
            "loadgen": loadgen.installed(),
            "apis": [api for api in ("execute_async_v3", "execute_async_v2") if hasattr(context, api)],
            "shared_profiles": execution.shared_profiles(self._module),
            "typed": versions.typed(self._module),
            "strongly_typed": hasattr(self._module.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"),
            "lacking": {key: versions.lacking(key, self._module) for key in PRECISIONS},
        }
        return told, {}

    def members(self, paths: list[str]) -> worker.Answer:
        return {"members": members.here(self._module, paths)}, {}

    def build(self, onnx: np.ndarray, precision: str, settings: dict[str, int], **more: Any) -> worker.Answer:
        if not onnx.tobytes().startswith(b"\x08"):
            raise EngineError("TensorRT's parser refuses it: ModelImporter.cpp:1: no ModelProto")
        log = [f"[INFO] strongly typed: {more.get('strongly_typed', False)}"]
        if PRECISIONS[precision].calibrator:
            log.append(f"[INFO] scales {self._scales(more, more['method'])}")
        config = Config()
        warm = timing_cache.attach(config, more["timings"].tobytes() if "timings" in more else b"", self.version)
        config.data = config.data if warm else f"kernel_{next(self._kernels)}".encode()
        kernel = config.data.decode()
        plan = {"tensorrt": self.version, "gpu": self.gpu, "precision": precision, "kernel": kernel}
        plan |= {"profiles": more.get("profiles") or [[settings[f"{name}_batch"] for name in ("min", "opt", "max")]]}
        log.append(f"[INFO] Total Weights Memory: {len(onnx)}")
        told = {"build_s": [0.5 if warm else 2.0], "timing_cache": warm, "weights_bytes": len(onnx), "asked": {_type(precision): 2}}
        made = json.dumps(plan).encode() + b"\n" + onnx.tobytes()
        return told, {"plan": made, "timings": timing_cache.learnt(config, self.version), "log": "\n".join(log).encode()}

    def calibrate(self, onnx: np.ndarray, images: np.ndarray, method: str, settings: dict[str, int]) -> worker.Answer:
        batches = len(images) // settings["calibration_batch"]
        scale = float(np.abs(images).max()) / 127 * (1 + _number(self.version) / 1e7)
        lines = (f"{name}: {struct.pack('>f', scale * k).hex()}\n" for k, name in enumerate(("input", "conv", "output"), 1))
        return {"batches": batches, "seconds": 1.0}, {"cache": (self._header(method) + "\n" + "".join(lines)).encode()}

    def memory(self) -> worker.Answer:
        return {"free_bytes": (1 << 30) - (len(self._open) << 20), "host_bytes": 1 << 28}, {}

    def open(self, plan: np.ndarray, api: str = "execute_async_v3") -> worker.Answer:
        if not self.gpu:
            raise ReportError("starting CUDA: CUDA says: no CUDA-capable device is detected")
        head, _, onnx = plan.tobytes().partition(b"\n")
        try:
            held = json.loads(head)
        except ValueError:
            raise EngineError(f"TensorRT {self.version} does not load this plan: magicTag doesn't match") from None
        if held["tensorrt"] != self.version:
            expecting = f"expecting library version {self.version} got {held['tensorrt']}, please rebuild"
            raise EngineError(f"TensorRT {self.version} does not load this plan: not compatible with this version of TensorRT, {expecting}")
        number = next(self._numbers)
        self._open[number] = held | {"onnx": onnx}
        kind = _type(held["precision"])
        layers = [["conv", "CaskConvolution", kind, held["kernel"]], ["dense", "CaskGemmMatrixMultiply", kind, "gemm"]]
        layers.append(["softmax", "CudaSoftMax", "fp32", ""])
        if _number(self.version) >= 10000:
            layers = [[f"__myl_{number}", *rest, f"[ONNX Layer: {name}]"] for number, (name, *rest) in enumerate(layers)]
        least, _, most = held["profiles"][0]
        told = {"engine": number, "load_ms": 5.0, "device_bytes": 1 << 20, "outputs": [], "min_batch": least, "max_batch": most}
        return told | {"layers": layers}, {}

    def infer(self, engine: int, batch: np.ndarray, output: str) -> worker.Answer:
        held = self._open[engine]
        network = _network(held["onnx"])
        (found,) = network.run([output], {network.get_inputs()[0].name: batch})
        apart = np.sin(np.arange(found.shape[1]) + _seed(self.version, held["kernel"]))  # of each class, whatever the batch
        return {}, {"output": (found * (1 + ROUNDS.get(held["precision"], 0) * apart)).astype(found.dtype)}

    def time(self, engine: int, batch: np.ndarray, output: str, seconds: float) -> worker.Answer:
        held = self._open[engine]
        one = BASE_MS.get(held["precision"], 0.15) * (1 + 0.02 * len(batch)) * (1 if _number(self.version) >= 10000 else 1.05)
        one *= 1 + 0.02 * np.sin(_seed(held["kernel"]))
        times = one * np.random.default_rng().lognormal(0, 0.01, CALLS)
        return {}, {"latencies_ms": times, "gpu_ms": 0.7 * times, **self.infer(engine, batch, output)[1]}

    def lanes_open(
        self, plan: np.ndarray, lanes: int, batch: int, graph: bool = True, sizes: Sequence[int] = (), output: str = ""
    ) -> worker.Answer:
        told, _ = self.open(plan)
        held, number = self._open[told["engine"]], told["engine"]
        like = SimpleNamespace(profiles=[tuple(one) for one in held["profiles"]], fixed=False)
        like.shared_profiles = execution.shared_profiles(self._module)
        try:
            lane.chosen(like, lanes, sorted({*sizes, batch}))  # type: ignore[arg-type]
        except EngineError:
            del self._open[number]
            raise
        held |= {"lanes": lanes, "batch": batch, "graph": graph, "output": output or _network(held["onnx"]).get_outputs()[0].name}
        return {name: told[name] for name in ("load_ms", "device_bytes", "layers")} | {"number": number, "output": held["output"]}, {}

    def lanes_time(self, number: int, seconds: float, batch: np.ndarray | None = None, fill: bool = False) -> worker.Answer:
        held = self._open[number]
        given = self._batches[number] = self._batches[number] if batch is None else batch
        if not 1 <= len(given) <= held["batch"]:
            raise EngineError(f"a batch of {len(given)}: this engine takes 1 to {held['batch']}")
        found = self.time(number, given, held["output"], seconds)[1]
        outputs = np.stack([found["output"]] * held["lanes"])
        times = found["latencies_ms"] / (1 + 0.5 * (held["lanes"] - 1)) * (0.8 if held["graph"] else 1) * (1.1 if fill else 1)
        told = {"latencies_ms": times, "enqueue_ms": 0.01 * times, "outputs": outputs}
        return {}, told | ({"gpu_ms": 0.7 * times} if held["lanes"] == 1 else {})

    def lanes_answers(self, number: int, images: Images) -> worker.Answer:
        return self.infer(number, self._images(images), self._open[number]["output"])

    def lanes_close(self, number: int) -> worker.Answer:
        self._batches.pop(number, None)
        return self.close(number)

    def close(self, engine: int) -> worker.Answer:
        del self._open[engine]
        return {}, {}

    def layer_times(self, engine: int, batch: np.ndarray, repeats: int, warmup_s: float = 0.5) -> worker.Answer:
        layers = [f"__myl_{number}" for number in range(3)] if _number(self.version) >= 10000 else ["conv", "dense", "softmax"]
        return {"names": layers}, {"times_ms": np.tile([0.2, 0.1, 0.01], (repeats, 1)) * len(batch)}

    def copies(self, seconds: float, size: int) -> worker.Answer:
        rates = {"within": 1.5e9, "to_gpu": 5e7, "from_gpu": 5e7}  # bytes a millisecond
        return {}, {key: np.full(CALLS, size / rate) for key, rate in rates.items()}

    def end(self) -> None:
        self._open.clear()

    def _served(self, number: int) -> list[Lane]:
        held = self._open[number]
        return [Direct(lambda x: self.infer(number, x, held["output"])[1]["output"], held["batch"]) for _ in range(held["lanes"])]

    def _in_ring(self, number: int) -> list[Lane]:
        return self._served(number)

    def _pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        return np.empty(shape, dtype)

    def _header(self, method: str) -> str:
        return f"TRT-{_number(self.version)}-{METHODS[method]}"

    def _scales(self, more: dict[str, Any], method: str) -> str:
        """The scales of a cache, as TensorRT reads it: one of another version it takes for none, and then it has no images."""
        data = more["calibration"].tobytes() if "calibration" in more else b""
        if data.decode().partition("\n")[0] != self._header(method):
            raise EngineError("Calibration failure occurred with no scaling factors detected")
        return json.dumps(calibrators.scales(data))


class Faulty:
    """A worker with a fault where one of its methods is asked for."""

    def __init__(self, inner: StandIn, fault: Callable[[], None], at: str) -> None:
        self._inner, self._fault, self._at = inner, fault, at

    def __getattr__(self, name: str) -> Any:
        if name == self._at:
            self._fault()
        return getattr(self._inner, name)


def _said() -> None:
    print("ImportError: libnvinfer.so.8: cannot open shared object file", file=sys.stderr, flush=True)
    os._exit(1)


def _aborts() -> None:
    """As TensorRT 10.6 ends where there is no driver."""
    os.write(2, b"terminate called after throwing an instance of 'nvinfer1::CudaRuntimeError'\n  what():  CUDA error 35\n")
    os.abort()


def _prints() -> None:
    os.write(1, b"from C++\n")
    print("from Python", flush=True)
    os.system("echo from a program")


def _raises() -> None:
    raise RuntimeError("one line\nand another")


def _floods() -> None:
    while True:
        print("Loading modules", flush=True)


def _half() -> None:
    os.write(PROTOCOL, struct.pack("<I", 1000) + b'{"arrays": [')
    os._exit(7)


FAULTS: dict[str, Callable[[], None]] = {
    "says": _said,
    "silent": lambda: os._exit(3),
    "aborts": _aborts,
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hangs": lambda: time.sleep(3600),
    "prints": _prints,
    "reads": lambda: print(sys.stdin.read(), flush=True),
    "raises": _raises,
    "floods": _floods,
    "half": _half,
    "garbage": lambda: os.write(PROTOCOL, b"\xff" * 64) and None,
    "nonsense": lambda: os.write(PROTOCOL, struct.pack("<I", 4) + b"true") and None,
    "closes": lambda: os.closerange(PROTOCOL, 64) or time.sleep(3600),
}
PROTOCOL = 1  # where answers go, also when standard output no longer does


def _known(version: str) -> str:
    """The newest version in tests/tensorrt_api.py that is no newer."""
    return max((one for one in tensorrt_api.VERSIONS[:-1] if _pair(one) <= _pair(version)), key=_pair)


def _pair(version: str) -> list[int]:
    return [int(part) for part in version.split(".")[:2]]


def _number(version: str) -> int:
    """NV_TENSORRT_VERSION: 8503 of 8.5.3, 100600 of 10.6.0."""
    major, minor, patch = (int(part) for part in version.split(".")[:3])
    return major * 1000 + minor * 100 + patch if major < 10 else major * 10000 + minor * 100 + patch


def _seed(*of: str) -> int:
    return zlib.crc32(" ".join(of).encode()) % 1000


def _type(precision: str) -> str:
    return PRECISIONS[precision].layer_types[0]


def _network(onnx: bytes) -> Any:
    return _loaded(hashlib.sha256(onnx).hexdigest(), onnx)


@cache
def _loaded(_: str, onnx: bytes) -> Any:
    from lib import onnx_session  # most stand-ins compute nothing

    return onnx_session.start(onnx)


def main() -> None:
    global PROTOCOL
    parser = argparse.ArgumentParser()
    for option, usual in (("--version", "10.6.0"), ("--gpu", GPU), ("--fault", ""), ("--at", "start"), ("--bus", BUS), ("-c", "")):
        parser.add_argument(option, default=usual)
    parser.add_argument("mark", nargs="?")
    asked = parser.parse_args()
    PROTOCOL = os.dup(1)
    if asked.fault and asked.at == "start":
        FAULTS[asked.fault]()
    fault = FAULTS[asked.fault] if asked.fault else lambda: None
    worker.main(Faulty(StandIn(asked.version, asked.gpu, asked.bus), fault, asked.at))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
