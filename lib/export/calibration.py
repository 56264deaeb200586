"""Activation ranges for INT8 (minimum/maximum, percentile, entropy), all read from one histogram a tensor."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lib import onnx_session
from lib.errors import ReportError
from lib.experiment.spec import ModelSpec
from lib.models import onnx_graph

if TYPE_CHECKING:
    import onnx

QUANTIZED_OPERATORS = ("Conv", "MatMul", "Gemm")
CHUNK = 32  # images whose activations are in memory at one time
PIXELS = 1 << 18  # of all of them together: fewer images where they are large
BINS = 512  # from -max to +max of the first images; more are added as the range grows
MOST_BINS = 4 * BINS  # a range that grows further has its bins made wider: the entropy method takes the square of their number
LEVELS = 128  # that the entropy method quantizes to, ONNX Runtime's default; four bins each leave it a choice
METHODS = ("entropy", "minmax", "percentile")

Ranges = dict[str, tuple[np.float32, np.float32]]  # tensor -> (lowest, highest)


class Histograms:
    """Histograms of the activations that INT8 quantizes: the inputs of Conv, MatMul and Gemm.

    spec: of the model, which says how large images are and whether the batch is fixed. Feed images with `add`, ask with `ranges`, feed
    more. Source: onnxruntime.quantization.calibrate.HistogramCollector, fed in chunks, not with its calibrators' defaults: with as many
    bins as levels (128) their entropy method has one candidate and returns min-max.
    """

    def __init__(self, network: Path, spec: ModelSpec | None = None) -> None:
        import onnx
        from onnxruntime.quantization.calibrate import HistogramCollector

        augmented = onnx.load(network)
        self.input, self._chunk = onnx_graph.real_inputs(augmented.graph)[0].name, CHUNK
        self._any_batch = spec is None or spec.batch is None
        if spec is not None:
            self._chunk = spec.batch or spec.at_once(CHUNK, PIXELS)
        tensors = activations(augmented)
        self.of_input, self.tensors = self.input in tensors, [name for name in tensors if name != self.input]
        own = {value.name for value in augmented.graph.output}
        augmented.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self.tensors if name not in own)
        self._session = onnx_session.start(augmented.SerializeToString())
        self._collector = HistogramCollector("entropy", False, BINS, LEVELS, None, "same")

    def add(self, images: np.ndarray) -> None:
        """Count the activations of model inputs; a last chunk that a fixed batch does not take is filled up by the first of it.

        Raises ReportError for an activation that is no number.
        """
        for first in range(0, len(images), self._chunk):
            part = images[first : first + self._chunk]
            part = part if self._any_batch else part[np.arange(self._chunk) % len(part)]
            outputs = self._session.run(self.tensors, {self.input: part})
            found = dict(zip(self.tensors, outputs, strict=True)) | ({self.input: part} if self.of_input else {})
            for name, values in found.items():
                if not np.isfinite(values).all():
                    raise ReportError(f"calibration: tensor '{name}' holds NaN or infinity: the model overflows on these images")
                self._make_room(name, np.abs(values).max())
            with _quiet():
                self._collector.collect(found)

    def _make_room(self, name: str, largest: np.float32) -> None:
        """Count a tensor's values again in BINS bins up to `largest` where the collector would add too many of today's width.

        The width comes from the first images: where they are nearly constant, those added by the next ones have no end.
        """
        if name not in self._collector.histogram_dict:
            return
        counts, edges, low, high, threshold = self._collector.histogram_dict[name]
        if threshold and len(counts) * float(largest) > MOST_BINS * float(threshold):
            middles = (edges[:-1] + edges[1:]) / 2
            self._collector.histogram_dict[name] = (*np.histogram(middles, BINS, (-largest, largest), weights=counts), low, high, largest)

    def ranges(self, method: str, percentile: float) -> Ranges:
        """(lowest, highest) a tensor over everything that was added.

        minmax: the extremes. percentile: leaves out (100 - percentile) % of the values, half at each end.
        entropy: the symmetric threshold with the least Kullback-Leibler divergence (Migacz, GTC 2017, S7310).
        """
        histograms = self._collector.get_histogram_dict()
        if method == "minmax":
            found = {name: (entry[2], entry[3]) for name, entry in histograms.items()}
        else:
            self._collector.percentile = percentile
            with _quiet():
                found = self._collector.compute_entropy() if method == "entropy" else self._collector.compute_percentile()
        return {name: (np.float32(values[0]), np.float32(values[1])) for name, values in found.items()}


def activations(network: onnx.ModelProto) -> list[str]:
    """Names of the tensors, not constants, that Conv, MatMul and Gemm take, in graph order."""
    constants = {tensor.name for tensor in network.graph.initializer}
    names = (name for node in network.graph.node if node.op_type in QUANTIZED_OPERATORS for name in node.input)
    return [name for name in dict.fromkeys(names) if name and name not in constants]


def _quiet() -> contextlib.AbstractContextManager[object]:
    """Keep what the collector prints out of pages and logs."""
    return contextlib.redirect_stdout(io.StringIO())
