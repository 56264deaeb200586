"""The steps of lib/rivals/translate.py by NumPy alone: what they mean, said a second time and slowly."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

ARITHMETIC = {"Add": operator.add, "Sub": operator.sub, "Mul": operator.mul, "Div": operator.truediv}


def run(steps: list[list[Any]], constants: dict[str, np.ndarray], given: str, output: str, images: np.ndarray) -> np.ndarray:
    """The output, in float64 but for what the constants were rounded to."""
    values = {name: np.asarray(value, np.float64) for name, value in constants.items()} | {given: images.astype(np.float64)}
    for step, inputs, result, attributes in steps:
        values[result] = _step(step, [values[name] for name in inputs], attributes)
    return values[output]


def _step(step: str, tensors: list[np.ndarray], told: dict[str, Any]) -> np.ndarray:
    x, *more = tensors
    match step:
        case "Conv":
            windows = _windows(x, more[0].shape[2:], told, 0.0)
            group = told["group"]
            parts = zip(np.split(windows, group, 1), np.split(more[0], group), strict=True)
            made = np.concatenate([np.einsum("nchwij,ocij->nohw", part, weights) for part, weights in parts], 1)
            return made + more[1][:, None, None] if len(more) > 1 else made
        case "MaxPool":
            return _windows(x, told["kernel"], told, -np.inf).max((4, 5))
        case "Linear":
            return x @ more[0].T + (more[1] if len(more) > 1 else 0)
        case "Relu":
            return np.maximum(x, 0)
        case "Softmax":
            powers = np.exp(x - x.max(told["axis"], keepdims=True))
            return powers / powers.sum(told["axis"], keepdims=True)
        case "Transpose":
            return x.transpose(told["perm"])
        case "Reshape":
            return x.reshape(told["shape"])
        case "BatchNormalization":
            weight, bias, mean, variance = (one[:, None, None] for one in more)
            return (x - mean) / np.sqrt(variance + told["epsilon"]) * weight + bias
        case "Cast":
            return x
    return ARITHMETIC[step](x, more[0])


def _windows(x: np.ndarray, kernel: Any, told: dict[str, Any], value: float) -> np.ndarray:
    """(n, channels, rows, columns, kernel rows, kernel columns)."""
    left, right, top, bottom = told["pads"]
    (height, width), (down, across), strides = kernel, told["dilations"], told["strides"]
    spans = (height - 1) * down + 1, (width - 1) * across + 1
    if told.get("ceil"):  # one more window, where it begins within the image
        sizes = (x.shape[2] + top, x.shape[3] + left), (x.shape[2] + top + bottom, x.shape[3] + left + right)
        more = [-(whole - span) % stride for whole, span, stride in zip(sizes[1], spans, strides, strict=True)]
        fits = [(whole - span + extra) < size for whole, span, extra, size in zip(sizes[1], spans, more, sizes[0], strict=True)]
        bottom, right = bottom + more[0] * fits[0], right + more[1] * fits[1]
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)
    found = sliding_window_view(padded, spans, (2, 3))
    return found[:, :, :: strides[0], :: strides[1], ::down, ::across]
