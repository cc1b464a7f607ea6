"""The checks of arguments and settings."""

import math
from typing import Any

import numpy as np
import pytest
from raising import raises

from ser_edge.checks import check_choice, check_number
from ser_edge.errors import ConfigError


@pytest.mark.parametrize("value", [1, 3.0, 2.5, np.float32(2.5), np.int64(3)])
def test_numbers_in_range_pass(value: Any) -> None:
    check_number("n", value, 1, 3)


@pytest.mark.parametrize("value", [0.99, 3.01, math.nan, math.inf, True, None, "2", [2]])
def test_other_values_are_refused(value: Any) -> None:
    with raises(ConfigError, f"n={value!r}", "1 to 3"):
        check_number("n", value, 1, 3)


@pytest.mark.parametrize("value", [10**400, "x" * 10**5, np.zeros((9, 9))])
def test_large_values_are_shortened(value: Any) -> None:
    for check in (check_number, check_choice):
        legal: Any = (1, 3) if check is check_number else (("one",),)
        with raises(ConfigError, "n=") as caught:
            check("n", value, *legal)
        assert len(str(caught.value)) < 200


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
    for value in (0, 4):
        with raises(ConfigError, f"n={value}", "above 0 and at most 3"):
            check_number("n", value, 0, 3, exclusive=True)


def test_words() -> None:
    check_choice("layout", "flat", {"sequence": 1, "flat": 2})
    for value in ("square", "", None, ["flat"], np.array(["flat", "sequence"])):
        with raises(ConfigError, "layout=", "sequence, flat"):
            check_choice("layout", value, ("sequence", "flat"))
