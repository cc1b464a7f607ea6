"""JSON with a format and a version: what is read, and what is refused."""

from __future__ import annotations

import pytest
from raising import raises

from ser_edge.errors import BundleError, SerEdgeError
from ser_edge.versioned_json import parse_versioned_json


def test_the_other_entries_are_returned() -> None:
    text = b'{"format": "f", "format_version": 2, "a": 1.5, "b": [null]}'
    assert parse_versioned_json(text, "f", 2, remedy="") == {"a": 1.5, "b": [None]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{", "JSON"),
        (b"\xff", "JSON"),
        ('{"a": -Infinity}', "-Infinity"),
        ('{"a": 1e999}', "1e999"),
        ("[1]", "format=None"),
        ('{"format": "g", "format_version": 2}', "format='g'"),
        ('{"format": "f"}', "format_version=None"),
        ('{"format": "f", "format_version": "2"}', "format_version='2'"),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("error", [SerEdgeError, BundleError])
def test_anything_else_is_refused(text: str | bytes, value: str, error: type[SerEdgeError]) -> None:
    with raises(error, value) as caught:
        parse_versioned_json(text, "f", 2, remedy="write it again", error=error)
    assert caught.value.remedy == "write it again"


def test_true_is_no_version() -> None:
    with raises(SerEdgeError, "True"):
        parse_versioned_json('{"format": "f", "format_version": true}', "f", 1, remedy="")
