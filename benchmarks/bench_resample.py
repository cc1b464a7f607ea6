"""How long resampling 2.5 s to 22 050 Hz takes: ours, soxr HQ, and ours 10 ms at a time.

python -m pytest -p benchmark benchmarks/bench_resample.py
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from ser_edge.resampling import Resampler, resample

TARGET = 22050


def ours(signal: NDArray[np.float32], rate: int) -> object:
    return resample(signal, rate, TARGET)


def soxr_hq(signal: NDArray[np.float32], rate: int) -> object:
    import soxr

    return soxr.resample(signal, rate, TARGET, quality="HQ")


def ours_in_pieces(signal: NDArray[np.float32], rate: int) -> object:
    resampler, size = Resampler(rate, TARGET), rate // 100
    for i in range(0, signal.size, size):
        resampler.feed(signal[i : i + size])
    return resampler.flush()


@pytest.mark.parametrize("rate", [8000, 16000, 24414, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize("contender", [ours, soxr_hq, ours_in_pieces])
def test_resample(
    benchmark: BenchmarkFixture,
    contender: Callable[[NDArray[np.float32], int], object],
    rate: int,
) -> None:
    if contender is soxr_hq:
        pytest.importorskip("soxr")
    benchmark.group = f"2.5 s at {rate} Hz"
    signal = np.random.default_rng(0).uniform(-0.1, 0.1, int(2.5 * rate)).astype(np.float32)
    benchmark(contender, signal, rate)
