"""From times of single calls to a figure, and from two runs to a ratio with an interval.

A run is some processes of many rounds. A figure is taken within each process, and of the processes
the median: one that met a bad moment has no say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser_edge_bench.metrics import PERCENTILES

BLOCKS = 20
_RESAMPLES = 5000


def median_of(values: Sequence[float]) -> float:
    """Return the median of what each process gave."""
    return float(np.median(values))


def percentiles(processes: Sequence[ArrayLike]) -> dict[int, float]:
    """Return the percentiles of times.

    Parameters
    ----------
    processes : sequence of array_like [shape=(n_rounds,)]
        Each process's times.

    Returns
    -------
    values : dict of int to float
        By percentile, the median over the processes.

    Examples
    --------
    >>> percentiles([[1, 2, 3], [1, 4, 5], [9, 9, 9]])[50]
    4.0
    """
    each = [np.percentile(np.asarray(times, np.float64), PERCENTILES) for times in processes]
    middle = np.median(each, axis=0)
    return dict(zip(PERCENTILES, middle.tolist(), strict=True))


def block_medians(times: ArrayLike) -> list[float]:
    """Return the medians of up to 20 stretches of a process's rounds, in order.

    Rounds that follow each other are alike; what is drawn anew has to be more than a round.

    Examples
    --------
    >>> len(block_medians(range(200))), block_medians([3, 4])
    (20, [3.0, 4.0])
    """
    values = np.asarray(times, np.float64)
    parts = np.array_split(values, min(BLOCKS, len(values)))
    return [float(np.median(part)) for part in parts]


@dataclass(frozen=True)
class Ratio:
    """How many times as long something takes as it took, between two runs.

    Parameters
    ----------
    value : float
        The ratio of the two medians.
    low, high : float
        The interval in which it lies but for noise.
    """

    value: float
    low: float
    high: float


def bootstrap_ratio(
    now: Sequence[Sequence[float]], before: Sequence[Sequence[float]], *, share: float
) -> Ratio:
    """Compare two runs by a hierarchical bootstrap.

    Of each run as many processes as it has are drawn with replacement, and from each of these as
    many blocks as it has; the median of the processes' medians is divided by the other run's.

    Parameters
    ----------
    now, before : sequence of sequence of float
        Each process's blocks.
    share : float in (0, 1)
        Of ratios so drawn that lie in the interval.

    Returns
    -------
    ratio : Ratio
        Of the runs as they are, with that interval. The same runs give the same one.

    Examples
    --------
    >>> bootstrap_ratio([[3.0, 3.0]] * 3, [[2.0, 2.0]] * 3, share=0.95)
    Ratio(value=1.5, low=1.5, high=1.5)
    """
    rng = np.random.default_rng(0)
    drawn = _drawn(now, rng) / _drawn(before, rng)
    low, high = np.quantile(drawn, [(1 - share) / 2, (1 + share) / 2])
    middles = [median_of([median_of(blocks) for blocks in run]) for run in (now, before)]
    return Ratio(middles[0] / middles[1], float(low), float(high))


def _drawn(run: Sequence[Sequence[float]], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return medians of so many runs put together of this one's processes and blocks."""
    taken = rng.integers(len(run), size=(_RESAMPLES, len(run)))
    middles = np.empty(taken.shape)
    for number, blocks in enumerate(run):
        places = taken == number
        size = np.count_nonzero(places), len(blocks)
        middles[places] = np.median(rng.choice(np.asarray(blocks, np.float64), size), axis=1)
    return np.asarray(np.median(middles, axis=1))
