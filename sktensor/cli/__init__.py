"""The command line."""

from sktensor.cli.commands import main

__all__ = ["main"]
