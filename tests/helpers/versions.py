"""What the oldest versions of the libraries lack: for tests of features that later ones have brought."""

from __future__ import annotations

from importlib import metadata

import pytest
from packaging.version import Version


def is_older(package, version):
    """Whether the installed version of a package is older than this one."""
    return Version(metadata.version(package)) < Version(version)


def since(package, version, feature):
    """The mark of a test of a feature that a version of a package has brought."""
    return pytest.mark.skipif(is_older(package, version), reason=f"{package} has {feature} since {version}")
