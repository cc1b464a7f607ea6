"""Range check for numeric arguments and settings; NumPy is not imported."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from ser_edge.errors import ConfigError


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
    bounds += f" to {high:.12g}" if high < math.inf else ("" if exclusive else " up")
    raise ConfigError(f"{name}={value!r}, expected a {kind} {bounds}")
