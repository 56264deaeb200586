"""The one place that makes ONNX Runtime sessions: threads, log and INT8 arithmetic are the same wherever a model is run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lib.errors import NotMeasured
from lib.store.records import Reason

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, SessionOptions

CPU = "CPUExecutionProvider"
QUIET, SILENT = 3, 4  # onnxruntime's log severities: errors only; what ends the process only
PRECISE = "session.x64quantprecision"  # "1": INT8 sums do not saturate on x86 processors without VNNI


def threads() -> int:
    """Threads that every backend computes with: the cores this process may use, as `taskset` or a container left them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def options(precise: bool = True) -> SessionOptions:
    """`threads()` threads, errors alone in the log. precise: INT8 products are summed exactly; without it in 16 bits that saturate on x86
    processors without VNNI. Source: onnxruntime_session_options_config_keys.h, kOrtSessionOptionsAvx2PrecisionMode."""
    import onnxruntime

    made = onnxruntime.SessionOptions()
    made.intra_op_num_threads = threads()
    made.log_severity_level = QUIET
    if precise:
        made.add_session_config_entry(PRECISE, "1")
    return made


def start(
    model: Path | bytes, provider: str = CPU, provider_options: Mapping[str, str] | None = None, precise: bool = True
) -> InferenceSession:
    """A session of an ONNX file, or of a serialized one. Once another provider than the processor's has started, the log of the whole
    process is silent. Raises NotMeasured where the provider does not start."""
    import onnxruntime

    chosen = [(provider, dict(provider_options or {}))]
    made = onnxruntime.InferenceSession(model if isinstance(model, bytes) else str(model), options(precise), chosen)
    if made.get_providers()[0] != provider:  # onnxruntime falls back to the CPU with a warning only
        raise NotMeasured(Reason("provider_did_not_start", {"provider": provider}))
    if provider != CPU:  # with CUDA every convolution that cuDNN has to compute in another way is an error in the log; what fails raises
        onnxruntime.set_default_logger_severity(SILENT)
    return made
