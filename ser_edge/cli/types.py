"""Types of option values, for argparse."""

from __future__ import annotations

import argparse
from functools import partial


def number(text: str, low: float, high: float, what: str) -> float:
    """Parse a number from `low` to `high`."""
    try:
        value = float(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r}, expected {what} from {low:g} to {high:g}")
    return value


def whole_number(text: str, low: int) -> int:
    """Parse a whole number, `low` or more."""
    if not text.isdecimal() or int(text) < low:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number from {low} up")
    return int(text)


percent = partial(number, low=0, high=100, what="a number")
probability = partial(number, low=0, high=1, what="a probability")
seconds = partial(number, low=0.01, high=60, what="seconds")
natural = partial(whole_number, low=0)
positive = partial(whole_number, low=1)


def jobs(text: str) -> int:
    """Parse a number of processes, or -1 for one per core."""
    return -1 if text == "-1" else positive(text)


def folds(text: str) -> list[int] | list[str]:
    """Parse ``all``, or whole numbers with commas between them; repeated ones count once."""
    if text == "all":
        return ["all"]
    return list(dict.fromkeys(natural(part) for part in text.split(",")))
