"""What readers of a folded pipeline's rows raise where its steps have to be asked."""

from __future__ import annotations

__all__ = ["NotForViews"]


class NotForViews(Exception):
    """X holds what steps refuse, warn of, or read in ways of their own: they have to be asked."""
