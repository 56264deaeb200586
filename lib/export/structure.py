"""What an ONNX file must look like, whatever its precision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.errors import ReportError
from lib.experiment.spec import ModelSpec
from lib.models import onnx_file, onnx_graph

if TYPE_CHECKING:
    import onnx


def check(path: Path, spec: ModelSpec) -> dict[str, Any]:
    """Check an ONNX file and describe it: opset, nodes {operator: count}, parameters, bytes.

    Holds: valid for onnx.checker with shape inference, the one input and the one output of `spec`. Raises ReportError that says which
    does not hold.
    """
    import onnx

    try:
        onnx.checker.check_model(str(path), full_check=True)  # by path: a model over 2 GB keeps its weights in other files
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ReportError(f"{path.name}: not valid ONNX: {str(error).strip().splitlines()[0]}") from None
    _check_ends(path.name, onnx.load(path, load_external_data=False).graph, spec)
    return onnx_file.describe(path)


def _check_ends(name: str, graph: onnx.GraphProto, spec: ModelSpec) -> None:
    """Whether input and output are those of the spec."""
    import onnx

    given = onnx_graph.real_inputs(graph)
    for values, expected in ((given, spec.input), (graph.output, spec.output)):
        if [value.name for value in values] != [expected]:
            raise ReportError(f"{name}: expected the one tensor '{expected}', got {[value.name for value in values]}")
    tensor, wanted = given[0].type.tensor_type, [spec.batch, *spec.row_shape]
    if (dtype := onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)) != np.dtype(spec.dtype):
        raise ReportError(f"{name}: '{spec.input}' is {dtype}, expected {spec.dtype}")
    dims = [dim.dim_value or None for dim in tensor.shape.dim]
    if dims != wanted:
        raise ReportError(f"{name}: '{spec.input}' has shape {dims}, expected {wanted}")
