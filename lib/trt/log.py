"""TensorRT's own messages, kept instead of printed."""

from __future__ import annotations

from types import ModuleType
from typing import Any

VERBOSE = "VERBOSE"  # thousands of lines a build: not kept
KEPT = 10_000  # lines before only errors are kept: a runner that lives for days must not fill the memory with warnings
ERRORS = ("ERROR", "INTERNAL_ERROR")


def logger(trt: ModuleType) -> Any:
    """An ILogger whose `lines` are (severity, text) of everything but VERBOSE. Keep it as long as what was made with it."""

    class Lines(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.lines: list[tuple[str, str]] = []

        def log(self, severity: Any, text: str) -> None:
            if severity.name in ERRORS or (severity.name != VERBOSE and len(self.lines) < KEPT):
                self.lines.append((severity.name, text))

    return Lines()


def errors(log: Any, since: int = 0) -> str:
    """The errors that TensorRT logged from line `since` on, each once, on one line; the first is mostly the cause."""
    said = [" ".join(text.split()) for severity, text in log.lines[since:] if severity in ERRORS]
    return "; ".join(dict.fromkeys(said)) or "it gives no reason"
