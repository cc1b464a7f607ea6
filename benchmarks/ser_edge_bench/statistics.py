"""From single times to figures, and from two runs to a ratio with an interval.

A run is several processes of many rounds. Each figure is computed in each process, and the median
over the processes counts, so one process at a bad moment does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

PERCENTILES = (50, 90, 95, 99)
BLOCKS = 20  # set by hand: 10 of the default 200 rounds each
_RESAMPLES = 5000  # by convention


def percentiles(processes: Sequence[ArrayLike]) -> dict[int, float]:
    """Return `PERCENTILES` of each process's times, the median over the processes.

    Examples
    --------
    >>> percentiles([[1, 2, 3], [1, 4, 5], [9, 9, 9]])[50]
    4.0
    """
    each = [np.percentile(np.asarray(times, np.float64), PERCENTILES) for times in processes]
    return dict(zip(PERCENTILES, np.median(each, axis=0).tolist(), strict=True))


def block_medians(times: ArrayLike) -> list[float]:
    """Return the medians of up to 20 blocks of consecutive rounds.

    Neighbouring rounds are correlated, so a bootstrap has to draw blocks, not rounds.

    Examples
    --------
    >>> len(block_medians(range(200))), block_medians([3, 4])
    (20, [3.0, 4.0])
    """
    values = np.asarray(times, np.float64)
    return [float(np.median(part)) for part in np.array_split(values, min(BLOCKS, len(values)))]


@dataclass(frozen=True)
class Ratio:
    """A run's time divided by an earlier run's, and the interval ``low`` to ``high`` of it."""

    value: float
    low: float
    high: float


def bootstrap_ratio(
    now: Sequence[Sequence[float]], before: Sequence[Sequence[float]], *, share: float
) -> Ratio:
    """Compare two runs by a hierarchical bootstrap with a fixed seed.

    From each run, given as each process's blocks, as many processes as it has are drawn with
    replacement, and from each of these as many blocks as it has. The median of the processes'
    medians is divided by the other run's. ``share`` is the coverage of the interval.

    Examples
    --------
    >>> bootstrap_ratio([[3.0, 3.0]] * 3, [[2.0, 2.0]] * 3, share=0.95)
    Ratio(value=1.5, low=1.5, high=1.5)
    """
    rng = np.random.default_rng(0)
    drawn = _drawn(now, rng) / _drawn(before, rng)
    low, high = np.quantile(drawn, [(1 - share) / 2, (1 + share) / 2])
    medians = [float(np.median([np.median(blocks) for blocks in run])) for run in (now, before)]
    return Ratio(medians[0] / medians[1], float(low), float(high))


def _drawn(run: Sequence[Sequence[float]], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the medians of resampled runs."""
    drawn = rng.integers(len(run), size=(_RESAMPLES, len(run)))
    medians = np.empty(drawn.shape)
    for number, blocks in enumerate(run):
        places = drawn == number
        size = np.count_nonzero(places), len(blocks)
        medians[places] = np.median(rng.choice(np.asarray(blocks, np.float64), size), axis=1)
    return np.asarray(np.median(medians, axis=1))
