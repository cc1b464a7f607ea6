"""Progress where stderr is no terminal."""

from __future__ import annotations

import logging

import pytest

from ser_edge_train.progress import tracked


@pytest.mark.parametrize(
    ("total", "lines"),
    [(3, [1, 2, 3]), (25, [1, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25]), (1, [1]), (0, [])],
)
def test_a_pipe_gets_lines(caplog: pytest.LogCaptureFixture, total: int, lines: list[int]) -> None:
    with caplog.at_level(logging.INFO):
        assert list(tracked(range(total), "features", total)) == list(range(total))
    assert caplog.messages == [f"features: {done} of {total}" for done in lines]
