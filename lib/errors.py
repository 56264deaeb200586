"""Errors whose text is meant for the person who runs the report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class ReportError(Exception):
    """What went wrong and what to do about it, in one line. Programs print it and exit with `exit_code`."""

    exit_code = 1

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(ReportError):
    """A profile that cannot be used: the text names the file and the key."""

    exit_code = 2


class DatasetError(ReportError):
    """Missing, truncated, altered or hostile data: the text names the file and says what to do."""


class ArtifactError(ReportError):
    """An artifact that does not match its manifest or the machine it is asked for on."""


class NotMeasured(ReportError):
    """Something this machine cannot measure. Reports print the reason in place of the number.

    reason: a lib.store.records.Reason, which has its words in both languages; or a plain sentence.
    """

    def __init__(self, reason: Any, where: str = "") -> None:
        self.reason = None if isinstance(reason, str) else reason
        said = reason if isinstance(reason, str) else reason.text.en
        super().__init__(f"{where}: {said}" if where else said)


class WrongOutput(ReportError):
    """A runner answered quickly and wrongly: another shape, NaN, what are no probabilities."""


def shown(path: Path) -> str:
    """A path in a message, as short as it can be said from here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
