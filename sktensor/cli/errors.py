"""What ends a command."""

from __future__ import annotations

__all__ = ["CommandError"]


class CommandError(Exception):
    """What was asked cannot be done: the message goes to the standard error, and the exit status is 2."""
