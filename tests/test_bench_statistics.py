"""Percentiles and blocks of runs, and the interval of a ratio: its errors of both kinds."""

from __future__ import annotations

import numpy as np
import pytest

from ser_edge_bench.statistics import (
    BLOCKS,
    PERCENTILES,
    block_medians,
    bootstrap_ratio,
    percentiles,
)


def test_percentiles_are_medians_over_processes(rng: np.random.Generator) -> None:
    processes = [rng.gamma(2, size=200) * pace for pace in (1, 5, 1.1)]
    found = percentiles(processes)
    assert list(found) == list(PERCENTILES)
    for percentile, value in found.items():
        each = sorted(float(np.percentile(times, percentile)) for times in processes)
        assert value == pytest.approx(each[1])


@pytest.mark.parametrize("n", [1, 5, 19, 20, 21, 400])
def test_blocks_keep_the_order(n: int) -> None:
    blocks = block_medians(np.arange(n))
    assert len(blocks) == min(n, BLOCKS)
    assert blocks == sorted(blocks)
    assert 0 <= blocks[0] <= blocks[-1] <= n - 1


Run = list[list[float]]


def run(rng: np.random.Generator, pace: float = 1.0, spread: float = 0.03) -> Run:
    """Three different processes of different blocks."""
    return [
        (pace * np.exp(rng.normal(0, spread) + rng.normal(0, 0.05, BLOCKS))).tolist()
        for _ in range(3)
    ]


def test_the_ratio_of_the_medians(rng: np.random.Generator) -> None:
    now, before = run(rng, 1.2), run(rng)
    ratio = bootstrap_ratio(now, before, share=0.99)
    middles = [np.median([np.median(blocks) for blocks in each]) for each in (now, before)]
    assert ratio.value == pytest.approx(middles[0] / middles[1])
    assert ratio.low < ratio.value < ratio.high
    assert bootstrap_ratio(now, before, share=0.99) == ratio
    narrower = bootstrap_ratio(now, before, share=0.8)
    assert ratio.low < narrower.low < narrower.high < ratio.high


def test_different_processes_widen_the_interval(rng: np.random.Generator) -> None:
    alike, apart = [[1.0] * 20] * 3, [[0.9] * 20, [1.0] * 20, [1.3] * 20]
    assert bootstrap_ratio(alike, alike, share=0.95).high == 1
    wide = bootstrap_ratio(apart, alike, share=0.99)
    assert (wide.low, wide.value, wide.high) == pytest.approx((0.9, 1.0, 1.3))


def test_the_interval_covers_its_share() -> None:
    """The median of three draws of three processes is the smallest in 7 of 27 cases."""
    alike, apart = [[1.0] * 20] * 3, [[0.9] * 20, [1.0] * 20, [1.3] * 20]
    for share, expected in ((0.55, (0.9, 1.3)), (0.4, (1.0, 1.0))):  # tails of 0.225 and 0.3
        ratio = bootstrap_ratio(apart, alike, share=share)
        assert (ratio.low, ratio.high) == pytest.approx(expected)


def test_one_bad_process_does_not_matter() -> None:
    alike, one_bad = [[1.0] * 20] * 3, [[1.0] * 20, [1.0] * 20, [9.0] * 20]
    ratio = bootstrap_ratio(one_bad, alike, share=0.4)
    assert (ratio.value, ratio.high) == (1, 1)  # it is drawn twice and more in 7 of 27 cases
    assert bootstrap_ratio(one_bad, alike, share=0.95).high == 9


def test_different_blocks_widen_the_interval(rng: np.random.Generator) -> None:
    steady, restless = [[1.0] * 20] * 3, [rng.normal(1, 0.2, 20).tolist() for _ in range(3)]
    assert bootstrap_ratio(restless, steady, share=0.99).low < 0.95


def test_false_alarms_and_missed_slowdowns_are_rare(rng: np.random.Generator) -> None:
    """Processes differ by 3 %, as measured on a busy machine; the allowed slowdown is 1.15."""
    pairs = 40
    same = [bootstrap_ratio(run(rng), run(rng), share=0.99) for _ in range(pairs)]
    slower = [bootstrap_ratio(run(rng, 1.5), run(rng), share=0.99) for _ in range(pairs)]
    assert sum(ratio.low > 1.15 for ratio in same) == 0
    assert sum(ratio.low > 1.15 for ratio in slower) == pairs
    assert sum(ratio.low <= 1 <= ratio.high for ratio in same) > 0.8 * pairs
