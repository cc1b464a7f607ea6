"""Types of option values, for argparse."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def number(low: float, high: float, what: str) -> Callable[[str], float]:
    """Return a parser of numbers from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r}, expected {what} from {low:g} to {high:g}")
        return value

    return parse


percent = number(0, 100, "a number")
probability = number(0, 1, "a probability")
seconds = number(0.01, 60, "seconds")


def _whole_number(low: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < low:
            raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number from {low} up")
        return int(text)

    return parse


natural = _whole_number(0)
positive = _whole_number(1)


def folds(text: str) -> list[int] | list[str]:
    """Parse ``all``, or whole numbers with commas between them."""
    return ["all"] if text == "all" else [natural(part) for part in text.split(",")]
