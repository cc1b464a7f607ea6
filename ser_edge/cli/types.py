"""What the value of an option may be; each says what it expected instead."""

from __future__ import annotations

import argparse


def percent(text: str) -> float:
    """Read a number from 0 to 100."""
    return number(text, 0, 100, "a number")


def share(text: str) -> float:
    """Read a probability."""
    return number(text, 0, 1, "a probability")


def seconds(text: str) -> float:
    """Read seconds, from a hundredth to a minute."""
    return number(text, 0.01, 60, "seconds")


def number(text: str, least: float, most: float, what: str) -> float:
    """Read a number within limits.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r}; expected {what} from {least:g} to {most:g}")
    return value


def natural(text: str) -> int:
    """Read a whole number, 0 or more."""
    return _whole_number(text, 0)


def positive(text: str) -> int:
    """Read a whole number, 1 or more."""
    return _whole_number(text, 1)


def folds(text: str) -> list[int] | list[str]:
    """Read ``["all"]``, or numbers."""
    return ["all"] if text == "all" else [natural(part) for part in text.split(",")]


def _whole_number(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number, at least {least}")
    return int(text)
