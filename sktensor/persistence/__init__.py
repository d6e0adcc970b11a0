"""Files that hold a compiled model, and load without the libraries that made it."""

from sktensor.persistence.files import load, save

__all__ = ["load", "save"]
