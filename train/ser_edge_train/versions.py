"""Versions of the packages that made a run or a bundle."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def versions(*distributions: str) -> dict[str, str]:
    """Return the versions of Python and of the named distributions that are installed."""
    found = {"python": platform.python_version()}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
