"""The range check for arguments and settings."""

import math
from typing import Any

import numpy as np
import pytest
from raising import raises

from ser_edge.checks import check_number
from ser_edge.errors import ConfigError


@pytest.mark.parametrize("value", [1, 3.0, 2.5, np.float32(2.5), np.int64(3)])
def test_numbers_in_range_pass(value: Any) -> None:
    check_number("n", value, 1, 3)


@pytest.mark.parametrize("value", [0.99, 3.01, math.nan, math.inf, True, None, "2", [2], 10**400])
def test_other_values_are_refused(value: Any) -> None:
    with raises(ConfigError, f"n={value!r}", "1 to 3"):
        check_number("n", value, 1, 3)


def test_whole_numbers_only() -> None:
    check_number("n", np.int16(2), 1, 3, integer=True)
    with raises(ConfigError, "n=2.0"):
        check_number("n", 2.0, 1, 3, integer=True)


def test_an_open_range() -> None:
    check_number("s", 10**400, 0, exclusive=True, unit="seconds")
    for value in (0, math.inf):
        with raises(ConfigError, f"s={value}", "seconds"):
            check_number("s", value, 0, exclusive=True, unit="seconds")
    with raises(ConfigError, "n=0"):
        check_number("n", 0, 1)
