"""Errors whose text is meant for the person who runs the report."""

from __future__ import annotations


class ReportError(Exception):
    """What went wrong and what to do about it, in one line. Programs print it and exit with `exit_code`."""

    exit_code = 1


class ConfigError(ReportError):
    """A profile that cannot be used: the text names the file and the key."""

    exit_code = 2


class DatasetError(ReportError):
    """Missing, truncated, altered or hostile data: the text names the file and says what to do."""


class ArtifactError(ReportError):
    """An artifact that does not match its manifest or the machine it is asked for on."""


class NotMeasured(ReportError):
    """Something this machine cannot measure. Reports print the reason in place of the number."""
