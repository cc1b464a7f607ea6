"""Errors by their kind and the values that they name, whatever their wording."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ser_edge.errors import SerEdgeError


@contextmanager
def raises(
    kind: type[SerEdgeError], *values: object, source: str | os.PathLike[str] | None = None
) -> Iterator[pytest.ExceptionInfo[SerEdgeError]]:
    """Expect an error of exactly this kind that names values; they are joined by `str`.

    With a source, the error's has to be that one.
    """
    with pytest.raises(kind) as caught:
        yield caught
    error = caught.value
    assert type(error) is kind
    assert error.problem
    assert "\n" not in str(error)
    for value in values:
        assert str(value) in f"{error.problem} {error.remedy}", (value, str(error))
    if source is not None:
        assert error.source == os.fspath(source)
