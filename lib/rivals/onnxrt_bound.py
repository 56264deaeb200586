"""ONNX Runtime's CUDA provider with inputs and outputs bound to memory that stays where it is; without its CUDA graphs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from lib import cuda
from lib.experiment.spec import ModelSpec
from lib.rivals.calls import looked_at, told
from lib.runners.base import as_float, check_batch
from lib.runners.onnxrt import OnnxRuntimeCuda
from lib.text import Text
from lib.timer import Timer


class Bound:
    """A session's input and output of one batch size, bound once. given, made: its host memory, pinned where the session is on a GPU.

    The copy to the device is an update of the bound value: a value of the host that is bound is copied when it is bound, not when it runs.
    Source: ONNX Runtime documentation, "I/O Binding"; OrtValue.update_inplace.
    """

    def __init__(self, session: Any, spec: ModelSpec, batch: np.ndarray, device: str) -> None:
        import onnxruntime

        first = session.run([spec.output], {spec.input: batch})[0]
        host = cuda.pinned if device == "cuda" and cuda.installed() else np.empty
        self.given, self.made = host(batch.shape, batch.dtype), host(first.shape, first.dtype)
        self._session, self._binding = session, session.io_binding()
        self._value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(batch.shape, batch.dtype, device, 0)
        self._binding.bind_ortvalue_input(spec.input, self._value)
        self._binding.bind_output(spec.output, "cpu", 0, first.dtype, first.shape, self.made.ctypes.data)

    def run(self) -> None:
        """From `given` to `made`. Returns when it is there."""
        self._value.update_inplace(self.given)
        self._session.run_with_iobinding(self._binding)

    def fill(self, batch: np.ndarray) -> None:
        """Put a batch into `given`, and what no model answers into `made`, so that a run which writes nothing is seen."""
        self.given[...] = batch
        self.made.fill(np.nan)


class OnnxRuntimeBound(OnnxRuntimeCuda):
    """An exported ONNX by ONNX Runtime with IO binding. TF32, on as this provider has it by default, is the precision "tf32"."""

    name = "onnxrt_bound"
    label = Text("ONNX Runtime (CUDA, IO binding)", "ONNX Runtime（CUDA、IOバインディング）")
    place = 31
    device: ClassVar[str] = "cuda"

    def open(self) -> None:
        with told(self.label.en):
            super().open()
        self._bound: dict[int, Bound] = {}

    def close(self) -> None:
        self._bound = {}
        super().close()

    def infer(self, batch: np.ndarray) -> np.ndarray:
        bound = self._of(batch)
        with told(self.label.en):
            bound.fill(batch)
            bound.run()
        return as_float(bound.made).copy()

    def timer(self, batch: np.ndarray) -> Timer:
        """Of runs with a batch that lies in pinned memory already: the copy into it is not this rival's to pay."""
        spec = self.session.spec
        check_batch(batch, spec)
        bound = list[Bound]()

        def before() -> None:
            bound[:] = [self._of(batch)]  # allocated while all are warmed up
            bound[0].fill(batch)

        return looked_at(self.label.en, lambda: bound[0].run(), lambda: bound[0].made, len(batch), spec, before)

    def _of(self, batch: np.ndarray) -> Bound:
        check_batch(batch, self.session.spec)
        if len(batch) not in self._bound:
            with told(self.label.en):
                self._bound[len(batch)] = Bound(self._run, self.session.spec, batch, self.device)
        return self._bound[len(batch)]
