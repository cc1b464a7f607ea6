"""Times of contenders that take turns, so that what else a machine does meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Contender = Callable[[], object]
Seconds = Sequence[float] | NDArray[np.float64]
WARM_UP_S = 0.05
LEAST_S = 0.002


def in_turns(
    contenders: Mapping[str, Contender],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, NDArray[np.float64]]:
    """Time contenders round after round, after a warm-up.

    Parameters
    ----------
    contenders : mapping of str to callable
        What is timed. One that is too short for the clock is called several times in a turn.
    rounds : int > 0
    clock : callable
        Returns seconds; by default the processor's time in this process.

    Returns
    -------
    seconds : dict of str to np.ndarray [shape=(rounds,), dtype=float64]
        A call of each, in each round.
    """
    calls = {name: _calls(contender) for name, contender in contenders.items()}
    seconds = {name: np.empty(rounds) for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            began = clock()
            for _ in range(calls[name]):
                contender()
            seconds[name][number] = (clock() - began) / calls[name]
    return seconds


def _calls(contender: Contender) -> int:
    began, count = time.perf_counter(), 0
    while count < 2 or time.perf_counter() - began < WARM_UP_S:
        contender()
        count += 1
        if time.perf_counter() - began > 1:
            break
    return max(1, round(LEAST_S * count / (time.perf_counter() - began)))


def spread(seconds: Seconds) -> dict[str, float]:
    """Sum up times as milliseconds: the median, and the quartiles about it."""
    low, median, high = (1e3 * np.percentile(np.asarray(seconds), [25, 50, 75])).tolist()
    return {"ms": median, "low_ms": low, "high_ms": high}


def times_as_fast(one: Seconds, other: Seconds) -> float:
    """Return how many times as long the other takes, the median over rounds."""
    return float(np.median(np.asarray(other) / np.asarray(one)))
