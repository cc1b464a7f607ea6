"""How times grow with a size: a line, and a power."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from turns import in_turns


def grown(
    sizes: Sequence[float], contenders: Mapping[str, Callable[[Any], object]], rounds: int
) -> dict[str, Any]:
    """Time contenders at every size, in turns, and fit each."""
    calls = {
        f"{name} {size}": partial(contender, size)
        for name, contender in contenders.items()
        for size in sizes
    }
    times = in_turns(calls, rounds)
    return {
        name: curve(sizes, [1e3 * float(np.median(times[f"{name} {size}"])) for size in sizes])
        for name in contenders
    }


def curve(sizes: Sequence[float], ms: Sequence[float]) -> dict[str, Any]:
    """Fit times: intercept and slope with the least relative errors, and the exponent.

    Examples
    --------
    >>> curve([1, 2, 4], [3.0, 5.0, 9.0])["slope_ms"]
    2.0
    """
    x, y = np.asarray(sizes, float), np.asarray(ms, float)
    slope, intercept = np.polyfit(x, y, 1, w=1 / y).tolist()
    off = np.abs(intercept + slope * x - y) / y
    exponent = float(np.polyfit(np.log(x), np.log(y), 1)[0])
    return {
        "size": list(sizes),
        "ms": list(ms),
        "intercept_ms": round(intercept, 6),
        "slope_ms": round(slope, 6),
        "largest_misfit": float(off.max()),
        "exponent": exponent,
    }
