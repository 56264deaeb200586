"""Build a TensorRT engine from an ONNX file: network, precision, optimization profile, workspace, log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.experiment.precision import PRECISIONS
from lib.trt import calibrators, inspect, timing_cache
from lib.trt.log import errors, logger
from lib.trt.versions import CARRIED, EngineError, lacking, module, typed

if TYPE_CHECKING:
    from lib.experiment.profile import Engines

REPEATS, REPEAT_WITHIN_S = 3, 2.0  # short builds are timed this often, long ones once


@dataclass(frozen=True)
class Built:
    """plan: the serialized engine; log: TensorRT's lines; build_s: seconds of each build; layers: of the parsed network; timing_cache:
    whether measurements of earlier builds were there, which makes a build faster; timings: these and its own, where they are kept."""

    plan: bytes
    log: list[str]
    build_s: list[float]
    layers: list[inspect.NetworkLayer]
    timing_cache: bool
    timings: bytes


def build(
    onnx: Path,
    precision: str,
    settings: Engines,
    *,
    calibrator: Callable[[set[str]], Any] | None = None,
    timings: bytes | None = None,
    outputs: Sequence[str] = (),
    strongly_typed: bool = False,
    profiles: Sequence[Sequence[int]] = (),
) -> Built:
    """Build an engine of `precision` (key of PRECISIONS) from an ONNX file, with batches min / opt / max of `settings`.

    profiles: (min, opt, max) batches of each optimization profile, in place of the one of `settings`.
    calibrator: makes TensorRT's calibrator, given the names of the network's tensors, where the precision needs one; timings: the timing
    cache to go on from, b"" to begin one, None for none; outputs: tensors that the engine gives beside the network's own; strongly_typed:
    the types in the ONNX decide, also where flags could. Raises EngineError, one line with what TensorRT said, for an ONNX that it does
    not parse, a network whose types are not those of `precision` or that lacks an output, and a build that fails.
    """
    trt = module()
    if lacks := lacking(precision, trt):
        raise EngineError(f"{precision}: TensorRT {trt.__version__} has no {lacks[1].get('flag') or 'calibrator'}")
    by_types = strongly_typed or typed(trt)
    log = logger(trt)
    builder = trt.Builder(log)
    network = builder.create_network(_network_flags(trt, by_types))
    parser = trt.OnnxParser(network, log)  # the network lives on the parser's memory: keep both
    _parse(parser, network, onnx)
    layers = inspect.layers(network)
    if by_types:
        _check_types(onnx, precision, layers)
    _mark(network, outputs, onnx)
    config = _config(trt, builder, network, precision, settings, by_types, profiles)
    warm = timings is not None and timing_cache.attach(config, timings, trt.__version__)
    if PRECISIONS[precision].calibrator:
        _calibrate(config, builder, network, settings, calibrator)
    # With a timing cache a second build is of another kind, and a calibrator reads its images once.
    repeats = REPEATS if timings is None and calibrator is None else 1
    plan, seconds = _build(trt, builder, network, config, onnx, log, repeats)
    kept = b"" if timings is None else timing_cache.learnt(config, trt.__version__)
    return Built(plan, [f"[{severity}] {text}" for severity, text in log.lines], seconds, layers, warm, kept)


def calibrated(onnx: Path, method: str, images: np.ndarray, settings: Engines, timings: bytes | None = None) -> tuple[bytes, int, Built]:
    """Calibrate an ONNX over model inputs (n, …): the cache as TensorRT writes it, how many batches it read, and the build.

    Builds an INT8 engine, which is thrown away: TensorRT has no call that only calibrates. Raises EngineError where it fails.
    """
    made = calibrators.collector(module(), method, images, settings.calibration_batch)
    try:
        built = build(onnx, "int8", settings, calibrator=lambda _: made, timings=timings)
        return made.finish(), made.read, built
    except EngineError:
        made.raise_own()  # the cause, where a callback failed: TensorRT then only says that it has no ranges
        raise
    finally:
        made.close()


def _network_flags(trt: ModuleType, by_types: bool) -> int:
    flags = getattr(trt, "NetworkDefinitionCreationFlag", None)
    name = "STRONGLY_TYPED" if by_types else "EXPLICIT_BATCH"  # either is gone where it became the only way
    if by_types and not hasattr(flags, name) and not typed(trt):
        raise EngineError(f"TensorRT {trt.__version__} has no strongly typed networks")
    return 1 << int(getattr(flags, name)) if hasattr(flags, name) else 0


def _parse(parser: Any, network: Any, onnx: Path) -> None:
    if not onnx.is_file():
        raise EngineError(f"{onnx}: no such ONNX file; run the export (notebook 02) again")
    if not parser.parse_from_file(str(onnx)):
        raise EngineError(f"{onnx}: TensorRT's parser refuses it: {inspect.parser_errors(parser) or 'it gives no reason'}")
    if not network.num_inputs or not network.num_outputs:  # an empty file parses without an error
        raise EngineError(f"{onnx}: holds no network (no inputs or no outputs); export it again")


def _check_types(onnx: Path, precision: str, layers: list[inspect.NetworkLayer]) -> None:
    """A typed network decides the precision: refuse one that would be built under another name."""
    wanted, found = PRECISIONS[precision].product_type, inspect.product_types(layers)
    if set(found) != {wanted}:
        listed = ", ".join(f"{number} {name}" for name, number in sorted(found.items()))
        raise EngineError(
            f"{onnx}: {precision} needs its convolutions and matrix products in {wanted}, this network has {listed}; "
            "give the ONNX that was exported for it"
        )


def _mark(network: Any, outputs: Sequence[str], onnx: Path) -> None:
    """Make tensors outputs of the network. That keeps TensorRT from fusing across them."""
    tensors = inspect.tensors(network)
    own = {network.get_output(i).name for i in range(network.num_outputs)}
    for name in outputs:
        if name not in tensors:
            raise EngineError(f"{onnx}: the network has no tensor '{name}'")
        if name not in own:
            network.mark_output(tensors[name])


def _calibrate(config: Any, builder: Any, network: Any, settings: Engines, calibrator: Callable[[set[str]], Any] | None) -> None:
    """Give the builder its calibrator and the batch that it is fed. Needs feature "calibrator"."""
    if calibrator is None:
        raise EngineError("implicit INT8 needs a calibrator or a calibration cache")
    config.int8_calibrator = calibrator(set(inspect.tensors(network)))
    config.set_calibration_profile(_profile(builder, network, (settings.calibration_batch,) * 3))


def _config(
    trt: ModuleType, builder: Any, network: Any, precision: str, settings: Engines, by_types: bool, profiles: Sequence[Sequence[int]] = ()
) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace_mib << 20)
    if hasattr(trt, "ProfilingVerbosity"):
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED  # so that the inspector can name layers and types
    for name in PRECISIONS[precision].trt_flags:
        flag = getattr(trt.BuilderFlag, name.lstrip("!"), None)
        if flag is not None and not (by_types and name in CARRIED):  # lacking() has refused what is missing and not carried by the ONNX
            (config.clear_flag if name.startswith("!") else config.set_flag)(flag)
    for batches in profiles or [(settings.min_batch, settings.opt_batch, settings.max_batch)]:
        if config.add_optimization_profile(_profile(builder, network, batches)) < 0:
            raise EngineError(
                f"TensorRT {trt.__version__} refuses the optimization profile {'/'.join(map(str, batches))} (min / opt / max)"
            )
    return config


def _profile(builder: Any, network: Any, batches: Sequence[int]) -> Any:
    """An optimization profile of (min, opt, max) batches: the first dimension of every input, all others are fixed."""
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        batch, *rest = tuple(tensor.shape)
        if any(size < 0 for size in rest):
            raise EngineError(f"input '{tensor.name}' has shape {tuple(tensor.shape)}: only the first dimension, the batch, may be dynamic")
        sizes = batches if batch < 0 else (batch,) * 3
        profile.set_shape(tensor.name, *((size, *rest) for size in sizes))
    return profile


def _build(trt: ModuleType, builder: Any, network: Any, config: Any, onnx: Path, log: Any, repeats: int) -> tuple[bytes, list[float]]:
    """The first plan, and the seconds of each build."""
    plan, seconds = None, []
    while not seconds or (len(seconds) < repeats and sum(seconds) < REPEAT_WITHIN_S):
        started = time.perf_counter()
        made = builder.build_serialized_network(network, config)
        seconds.append(time.perf_counter() - started)
        if made is None:
            raise EngineError(f"{onnx}: TensorRT {trt.__version__} did not build an engine: {errors(log)}")
        plan = plan or bytes(made)
    return plan or b"", seconds
