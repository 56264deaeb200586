"""What notebook 09 measures: nothing. Its claims are answered from what the other pages recorded."""

from __future__ import annotations

from lib.session import Session


def measure(session: Session) -> None:
    """Record nothing of its own."""
