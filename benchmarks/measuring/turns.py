"""Times of calls that take turns, so that other load on the machine affects all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Seconds = Sequence[float] | NDArray[np.float64]
Name = TypeVar("Name", bound=Hashable)
WARM_UP_S = 0.05
MIN_TURN_S = 0.002  # 20 times what a coarse process clock resolves


def in_turns(
    calls: Mapping[Name, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[Name, NDArray[np.float64]]:
    """Time calls round after round, after a warm-up.

    Parameters
    ----------
    calls : mapping of callable
        A call shorter than `MIN_TURN_S` is repeated within its turn.
    rounds : int > 0
    clock : callable
        Returns seconds; by default the CPU time of this process.

    Returns
    -------
    seconds : dict of np.ndarray [shape=(rounds,), dtype=float64]
        Seconds per call, in each round.
    """
    repeats = {name: _repeats(call) for name, call in calls.items()}
    seconds = {name: np.empty(rounds) for name in calls}
    for number in range(rounds):
        for name, call in calls.items():
            began = clock()
            for _ in range(repeats[name]):
                call()
            seconds[name][number] = (clock() - began) / repeats[name]
    return seconds


def _repeats(call: Callable[[], object]) -> int:
    began, count = time.perf_counter(), 0
    while count < 2 or time.perf_counter() - began < WARM_UP_S:
        call()
        count += 1
        if time.perf_counter() - began > 1:
            break
    return max(1, round(MIN_TURN_S * count / (time.perf_counter() - began)))


def quartiles_ms(seconds: Seconds) -> dict[str, float]:
    """Return the median and the quartiles of times [ms]."""
    low, median, high = (1e3 * np.percentile(np.asarray(seconds), [25, 50, 75])).tolist()
    return {"ms": median, "low_ms": low, "high_ms": high}


def median_ratio(seconds: Seconds, reference: Seconds) -> float:
    """Return the median over rounds of one time over another of the same round."""
    return float(np.median(np.asarray(seconds) / np.asarray(reference)))


def growth(
    sizes: Sequence[float], calls: Mapping[str, Callable[[Any], object]], rounds: int
) -> dict[str, Any]:
    """Time calls at every size, in turns, and fit each; see `fit_growth`."""
    sized = {(name, size): partial(call, size) for name, call in calls.items() for size in sizes}
    seconds = in_turns(sized, rounds)
    return {
        name: fit_growth(sizes, [1e3 * float(np.median(seconds[name, size])) for size in sizes])
        for name in calls
    }


def fit_growth(sizes: Sequence[float], ms: Sequence[float]) -> dict[str, Any]:
    """Fit times by a line with the least relative errors, and by a power of the size.

    Examples
    --------
    >>> fit_growth([1, 2, 4], [3.0, 5.0, 9.0])["slope_ms"]
    2.0
    """
    x, y = np.asarray(sizes, float), np.asarray(ms, float)
    slope, intercept = np.polyfit(x, y, 1, w=1 / y).tolist()
    return {
        "size": list(sizes),
        "ms": list(ms),
        "intercept_ms": round(intercept, 6),
        "slope_ms": round(slope, 6),
        "largest_misfit": float((np.abs(intercept + slope * x - y) / y).max()),
        "exponent": float(np.polyfit(np.log(x), np.log(y), 1)[0]),
    }
