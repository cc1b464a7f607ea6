"""How long the features of 2.5 s take: ours, librosa's three calls, and the bare Fourier transform.

python -m pytest benchmarks/bench_features.py
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from ser_edge import FeatureConfig, FeatureExtractor

RATE = 22050


@pytest.fixture
def signal() -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(int(2.5 * RATE))).astype(np.float32)


def ours(signal: NDArray[np.float32]) -> Callable[[], object]:
    extract = FeatureExtractor(FeatureConfig())
    return lambda: extract(signal)


def librosa_calls(signal: NDArray[np.float32]) -> Callable[[], object]:
    import librosa

    def run() -> object:
        return (
            librosa.feature.zero_crossing_rate(signal),
            librosa.feature.rms(y=signal),
            librosa.feature.mfcc(y=signal, sr=RATE),
        )

    return run


def bare_fft(signal: NDArray[np.float32]) -> Callable[[], object]:
    padded = np.pad(signal.astype(np.float64), 1024)
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2048)[::512].copy()
    return lambda: np.fft.rfft(frames)


@pytest.mark.parametrize("contender", [ours, librosa_calls, bare_fft])
def test_features(
    benchmark: BenchmarkFixture,
    signal: NDArray[np.float32],
    contender: Callable[[NDArray[np.float32]], Callable[[], object]],
) -> None:
    benchmark(contender(signal))
