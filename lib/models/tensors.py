"""What the input and the output of a user's model must be, whatever file it comes in: the rules and their refusals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lib.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

Dims = Sequence[int | None] | None  # None: a dimension that is free, or a rank that nobody knows
DTYPES = ("float32", "float16", "uint8")
OUTPUT_DTYPES = ("float32", "float16")
CHANNELS = (1, 3)
CHANNEL_AT = {"NCHW": 1, "NHWC": 3}
OTHER_AXIS = "Softmax over something else"


@dataclass(frozen=True)
class Input:
    """The image input of a model, see lib.experiment.spec.ModelSpec. batch: None where it is free."""

    name: str
    dtype: str
    layout: str
    size: tuple[int, int]
    channels: int
    batch: int | None

    @property
    def shape(self) -> tuple[int | None, int, int, int]:
        """(batch, height, width, channels) or (batch, channels, height, width); the batch is None where it is free."""
        return (self.batch, *self.size, self.channels) if self.layout == "NHWC" else (self.batch, self.channels, *self.size)


def only_input(path: Path, names: Sequence[str]) -> str:
    """The one name. Raises ConfigError for none or several."""
    if not names:
        raise ConfigError(f"{path}: the model has no input; export one that takes a batch of images")
    if len(names) > 1:
        count = "two" if len(names) == 2 else len(names)
        raise ConfigError(f"{path}: one input is supported, this model has {count}: {', '.join(names)}; export it with the images alone")
    return names[0]


def image_input(path: Path, name: str, dims: Dims, dtype: str, layout: str | None, size: tuple[int, int] | None) -> Input:
    """The input of that name, its layout found from where the 1 or 3 channels stand and its free height and width taken from `size`.

    layout, size: what the profile says (model.layout, preprocess.size), None where it is silent. Raises ConfigError for another dtype or
    rank, channels that are free or neither 1 nor 3, a layout that cannot be told, a free size without `size`, or a size it cannot take.
    """
    what = f"{path}: input '{name}'"
    if dtype not in DTYPES:
        raise ConfigError(f"{what} is {dtype}; export the model with one of {', '.join(DTYPES)}")
    if dims is None or len(dims) != 4:
        raise ConfigError(f"{what} has shape {shown(dims)}; export it with four: batch, height, width and channels (NHWC or NCHW)")
    layout = layout or _layout(what, dims)
    channels = dims[CHANNEL_AT[layout]]
    if channels is None:
        raise ConfigError(f"{what} has shape {shown(dims)}, as {layout} with free channels; export it with 1 or 3")
    if channels not in CHANNELS:
        raise ConfigError(
            f"{what} has shape {shown(dims)}, as {layout} with {channels} channels, of which 1 and 3 are supported; check model.layout"
        )
    held = (dims[1], dims[2]) if layout == "NHWC" else (dims[2], dims[3])
    return Input(name, dtype, layout, _size(what, held, size), channels, dims[0])


def _layout(what: str, dims: Dims) -> str:
    found = [layout for layout, at in CHANNEL_AT.items() if dims[at] in CHANNELS]
    if len(found) != 1:
        why = "could be either layout" if found else "has its 1 or 3 channels neither in the second place nor in the last"
        raise ConfigError(f"{what} has shape {shown(dims)}, which {why}; set model.layout to NCHW or NHWC")
    return found[0]


def _size(what: str, held: tuple[int | None, int | None], size: tuple[int, int] | None) -> tuple[int, int]:
    if size is None and None in held:
        raise ConfigError(f"{what} has a free height or width; set preprocess.size to [height, width]")
    taken = tuple(fixed or size[side] for side, fixed in enumerate(held))
    if size is not None and taken != tuple(size):
        raise ConfigError(
            f"{what} takes images of {shown(held)}, preprocess.size says {shown(size)}; set it to {shown(taken)} or leave it out"
        )
    return taken


def one_output(path: Path, names: Iterable[str], output: str | None) -> str:
    """The output called `output` (model.output), or the only one. Raises ConfigError listing the outputs where that names none."""
    names = list(names)
    if not names:
        raise ConfigError(f"{path}: the model has no output; export one that gives a value a class")
    if output is None and len(names) > 1:
        raise ConfigError(f"{path}: the model has several outputs: {', '.join(names)}; set model.output to one of them")
    if output is not None and output not in names:
        raise ConfigError(f"{path}: the model has no output '{output}'; set model.output to one of: {', '.join(names)}")
    return output or names[0]


def classes_of(path: Path, name: str, dims: Dims, dtype: str, batch: int | None, flattened: bool = False) -> int:
    """Values an image in the output of that name, float (batch, classes); `flattened`: (batch, classes, 1, 1) and the like will do too.

    Raises ConfigError for another dtype or shape, another batch than the input's, and fewer than two classes.
    """
    what = f"{path}: output '{name}'"
    if dtype not in OUTPUT_DTYPES:
        raise ConfigError(f"{what} is {dtype}; export the model with one of {', '.join(OUTPUT_DTYPES)}")
    long = [] if dims is None else [dim for dim in dims[1:] if dim != 1] or [1]  # all but the ones
    if dims is None or len(long) != 1 or (len(dims) != 2 and not flattened):
        raise ConfigError(f"{what} has shape {shown(dims)}; a classifier's has two dimensions: batch and classes")
    if long[0] is None:
        raise ConfigError(f"{what} has shape {shown(dims)}, its classes are free; export it with their number fixed")
    if batch and dims[0] not in (None, batch):
        raise ConfigError(f"{what} has shape {shown(dims)} for a batch of {batch}; its first dimension must be the batch")
    if long[0] < 2:
        raise ConfigError(f"{what} has one value an image; at least two classes are needed, so give the model an output for each")
    return long[0]


def is_logits(path: Path, name: str, found: str | None, kind: str | None) -> bool:
    """Whether the output is logits rather than probabilities: what `kind` (model.kind) says, else what the file does.

    found: the operation that makes the output: Softmax, LogSoftmax, Sigmoid or OTHER_AXIS; None for any other, which leaves logits.
    Raises ConfigError for OTHER_AXIS without `kind`, for LogSoftmax, of which the softmax is right but only a profile can ask for it, and
    for Sigmoid, whose rows never add up to one.
    """
    if found == "Sigmoid" and kind != "logits":
        raise ConfigError(f"{path}: output '{name}' comes from Sigmoid (several labels an image); export it without, or with Softmax")
    if found == OTHER_AXIS and kind is None:
        raise ConfigError(f"{path}: the Softmax before output '{name}' does not run over the classes; set model.kind to what the output is")
    if found == "LogSoftmax" and kind != "logits":
        raise ConfigError(f"{path}: output '{name}' comes from LogSoftmax; set model.kind to logits, of which the softmax is the same")
    return (kind or ("probabilities" if found == "Softmax" else "logits")) == "logits"


def check_finite(path: Path, tensors: Iterable[tuple[str, np.ndarray]]) -> None:
    """Raises ConfigError that names the first of the (name, array) that holds NaN or infinity. A lone infinity is a limit, not a weight."""
    import numpy as np

    for name, values in tensors:
        if values.dtype.name == "bfloat16":
            values = values.astype(np.float32)
        if values.dtype.kind == "f" and (np.isnan(values).any() or (values.size > 1 and np.isinf(values).any())):
            raise ConfigError(f"{path}: the weights '{name}' hold NaN or infinity; export the model again from good weights")


def shown(dims: Dims) -> str:
    """A shape for a person: `[?, 3, 224, 224]`, a question mark where a dimension is free."""
    return "of unknown rank" if dims is None else f"[{', '.join('?' if dim is None else str(dim) for dim in dims)}]"


def first_line(error: Exception) -> str:
    """What an error of a library says, its first line that says something, without the stop at its end."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".: ") if lines else type(error).__name__
