"""Where a model comes from, and the one way to TensorFlow and Keras: with this project's settings, not with the user's own.

Keras reads ~/.keras/keras.json when it is imported; a model must not depend on it, so what stands there is overruled.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lib.errors import ReportError

BACKEND, FLOATX, EPSILON, LAYOUT = "tensorflow", "float32", 1e-7, "channels_last"  # Keras' own defaults

# Read when the libraries are first imported, by whichever module that is.
os.environ["KERAS_BACKEND"] = BACKEND
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what stops TensorFlow also comes as an exception
for _limit in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
    os.environ.pop(_limit, None)


def tensorflow() -> Any:
    """The module tensorflow, imported without its messages about GPUs and instruction sets. Raises ReportError as `keras` does."""
    return _imported("tensorflow")


def keras() -> Any:
    """The module keras: on TensorFlow, in float32, images channels last, whatever the user's keras.json asks for.

    Raises ReportError where Keras already runs on another backend in this process, or does not start with that file.
    """
    found = _imported("keras")
    if found.config.backend() != BACKEND:
        raise ReportError(f"Keras already runs on '{found.config.backend()}' here; start again (a notebook: restart the kernel)")
    found.config.set_floatx(FLOATX)
    found.config.set_epsilon(EPSILON)
    found.config.set_image_data_format(LAYOUT)
    found.config.set_dtype_policy(FLOATX)
    return found


def _imported(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    try:
        with quiet():
            return importlib.import_module(name)  # TensorFlow imports Keras too
    except (ValueError, AssertionError):  # keras/src/backend/config.py checks what it reads; which of the two depends on the version
        file = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "keras.json"
        raise ReportError(f"{file}: Keras does not start with these settings; mend or remove the file") from None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what no setting silences (absl before it is set up, cudart, TFLite's delegates) off standard error unless the block raises."""
    with tempfile.TemporaryFile() as said:
        before = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(before, said.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
