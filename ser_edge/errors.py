"""Exceptions of ser-edge."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


class SerEdgeError(Exception):
    """Base class of all exceptions of ser-edge.

    Parameters
    ----------
    problem : str
        What is wrong, with the value and what was expected.
    remedy : str
        What to do about it; may be empty.
    source : path or str
        The file, folder or array; may be empty.

    Examples
    --------
    >>> print(SerEdgeError("is empty", "record it again", "clip.wav"))
    clip.wav: is empty; record it again
    """

    def __init__(self, problem: str, remedy: str = "", source: str | os.PathLike[str] = "") -> None:
        super().__init__(problem, remedy, source)
        self.problem = problem
        self.remedy = remedy
        self.source = os.fspath(source)

    def __str__(self) -> str:
        source = f"{self.source}: " if self.source else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{source}{self.problem}{remedy}"


class AudioError(SerEdgeError, ValueError):
    """A recording that cannot be read or classified."""


class BundleError(SerEdgeError):
    """A bundle that is damaged, or made by another program or version."""


class BackendError(SerEdgeError):
    """An interpreter that is missing, or that rejects a model or an input."""


class ConfigError(SerEdgeError, ValueError):
    """An argument or a setting that is not legal."""


def first_line(error: BaseException) -> str:
    """Return the first line of another package's error; without text, its type's name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def error_source(source: str | os.PathLike[str]) -> Iterator[None]:
    """Set the source of errors from the block that have none."""
    try:
        yield
    except SerEdgeError as error:
        error.source = error.source or os.fspath(source)
        raise
