"""Types of option values, for argparse."""

from __future__ import annotations

import argparse


def percent(text: str) -> float:
    """Parse a number from 0 to 100."""
    return number(text, 0, 100, "a number")


def probability(text: str) -> float:
    """Parse a number from 0 to 1."""
    return number(text, 0, 1, "a probability")


def seconds(text: str) -> float:
    """Parse seconds from 0.01 to 60."""
    return number(text, 0.01, 60, "seconds")


def number(text: str, low: float, high: float, what: str) -> float:
    """Parse a number from `low` to `high`.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is not one.
    """
    try:
        value = float(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text!r}, expected {what} from {low:g} to {high:g}")
    return value


def natural(text: str) -> int:
    """Parse a whole number, 0 or more."""
    return _whole_number(text, 0)


def positive(text: str) -> int:
    """Parse a whole number, 1 or more."""
    return _whole_number(text, 1)


def folds(text: str) -> list[int] | list[str]:
    """Parse ``all``, or whole numbers with commas between them."""
    return ["all"] if text == "all" else [natural(part) for part in text.split(",")]


def _whole_number(text: str, low: int) -> int:
    if not text.isdecimal() or int(text) < low:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a whole number from {low} up")
    return int(text)
