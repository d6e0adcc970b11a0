"""``python -m sktensor``."""

from __future__ import annotations

import sys

from sktensor.cli import main

if __name__ == "__main__":
    sys.exit(main())
