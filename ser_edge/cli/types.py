"""Types of option values, for argparse."""

from __future__ import annotations

import argparse
import math
from contextlib import suppress
from functools import partial
from typing import Any

from ser_edge.checks import check_number
from ser_edge.choices import MAX_THREADS
from ser_edge.errors import ConfigError


def number(
    text: str, low: float, high: float = math.inf, *, integer: bool = False, unit: str = ""
) -> Any:
    """Parse a number; `ser_edge.checks.check_number` has the parameters."""
    value: Any = text  # refused if it is not a number
    with suppress(ValueError):
        value = int(text) if integer else float(text)
    try:
        check_number("value", value, low, high, integer=integer, unit=unit)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(error.problem) from None
    return value


percent = partial(number, low=0, high=100)
probability = partial(number, low=0, high=1)
seconds = partial(number, low=0.01, high=60, unit="seconds")
natural = partial(number, low=0, integer=True)
positive = partial(number, low=1, integer=True)
threads = partial(number, low=1, high=MAX_THREADS, integer=True)


def jobs(text: str) -> int:
    """Parse a number of processes, or -1 for one per core."""
    return -1 if text == "-1" else positive(text)


def folds(text: str) -> list[int] | list[str]:
    """Parse ``all``, or whole numbers with commas between them; repeated ones count once."""
    if text == "all":
        return ["all"]
    return list(dict.fromkeys(natural(part) for part in text.split(",")))
