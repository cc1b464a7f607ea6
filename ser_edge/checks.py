"""Checks of arguments and settings; NumPy is not imported."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable
from numbers import Integral, Real
from types import UnionType
from typing import Any

from ser_edge.errors import ConfigError


def _brief(value: Any) -> str:
    return " ".join(reprlib.repr(value).split())  # one line, also of an array


def check_number(
    name: str,
    value: Any,
    low: float,
    high: float = math.inf,
    *,
    integer: bool = False,
    exclusive: bool = False,
    unit: str = "",
) -> None:
    """Raise an error for an argument that is not a finite number from `low` to `high`.

    Parameters
    ----------
    name : str
        The argument or setting.
    value : object
        A number of Python or NumPy; ``True`` and ``False`` are refused.
    low, high : float
        The legal range. Without `high` there is no upper limit, but infinity is refused.
    integer : bool
        Whether only whole numbers are legal.
    exclusive : bool
        Whether `low` itself is refused.
    unit : str
        For the message, such as ``"seconds"``.

    Raises
    ------
    ConfigError
        If the value is not legal.

    Examples
    --------
    >>> check_number("n_fft", 1, 2, 16384, integer=True)
    Traceback (most recent call last):
    ser_edge.errors.ConfigError: n_fft=1, expected a whole number from 2 to 16384
    """
    is_number = isinstance(value, Integral if integer else Real) and not isinstance(value, bool)
    if is_number and low <= value <= high and value != math.inf:
        if not (exclusive and value == low):
            return
    kind = f"{'whole ' if integer else ''}number{f' of {unit}' if unit else ''}"
    bounds = f"above {low:.12g}" if exclusive else f"from {low:.12g}"
    if high < math.inf:
        bounds += f"{' and at most' if exclusive else ' to'} {high:.12g}"
    elif not exclusive:
        bounds += " up"
    raise ConfigError(f"{name}={_brief(value)}, expected a {kind} {bounds}")


def check_choice(name: str, value: Any, legal: Iterable[str]) -> None:
    """Raise an error for an argument that is none of the legal words.

    Parameters
    ----------
    name : str
        The argument or setting.
    value : object
        A word.
    legal : iterable of str
        The legal ones.

    Raises
    ------
    ConfigError
        If the value is not legal.

    Examples
    --------
    >>> check_choice("layout", "square", ("sequence", "flat"))
    Traceback (most recent call last):
    ser_edge.errors.ConfigError: layout='square', expected one of sequence, flat
    """
    words = tuple(legal)
    if not isinstance(value, str) or value not in words:
        raise ConfigError(f"{name}={_brief(value)}, expected one of {', '.join(words)}")


def check_type(name: str, value: Any, kind: type | UnionType, expected: str) -> None:
    """Raise an error for an argument of another type.

    Parameters
    ----------
    name : str
        The argument or setting.
    value : object
        Its value.
    kind : type or union of types
        The legal ones.
    expected : str
        For the message, such as ``"a path"``.

    Raises
    ------
    ConfigError
        If the type is not legal.

    Examples
    --------
    >>> check_type("config", {}, StreamConfig, "a StreamConfig")  # doctest: +SKIP
    Traceback (most recent call last):
    ser_edge.errors.ConfigError: config={}, expected a StreamConfig
    """
    if not isinstance(value, kind):
        raise ConfigError(f"{name}={_brief(value)}, expected {expected}")
