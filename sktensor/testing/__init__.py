"""The conformance kit: an extractor's forest held against the library that it speaks for.

The wrapped library is the oracle, and leaves come before raw scores, raw scores before what is made of them, so that
the first difference found is the nearest to its cause, which the error names as far as it can be told.
"""

from __future__ import annotations

from sktensor.testing.conformance import assert_matches, check_extractor
from sktensor.testing.transformers import check_transformer

__all__ = ["assert_matches", "check_extractor", "check_transformer"]
