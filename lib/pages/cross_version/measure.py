"""What notebook 08 measures: nothing of its own. It sets the records of all systems side by side."""

from __future__ import annotations

from lib.session import Session


def measure(session: Session) -> None:
    """Record nothing: the numbers are those of notebooks 03 to 07, of this system and of every other one beside it."""
