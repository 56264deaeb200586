"""RIVALS: what is measured beside this project's own ways where it is installed. Importing imports none of their libraries."""

from __future__ import annotations

from lib.experiment.candidate import LABELS
from lib.rivals.onnxrt_bound import OnnxRuntimeBound
from lib.rivals.polygraphy import Polygraphy
from lib.rivals.pytorch import PyTorch
from lib.rivals.trtexec import Trtexec
from lib.runners.base import Runner

RIVALS: dict[str, type[Runner]] = {rival.name: rival for rival in (OnnxRuntimeBound, PyTorch, Polygraphy, Trtexec)}
LABELS |= {name: rival.label for name, rival in RIVALS.items()}
