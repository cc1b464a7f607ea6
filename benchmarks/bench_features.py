"""How long the features of 2.5 s take: ours, librosa's three calls, and the bare Fourier transform.

    python -m pytest benchmarks/bench_features.py -p benchmark
    OPENBLAS_NUM_THREADS=1 python benchmarks/bench_features.py

The second takes the contenders in turns, so that what else the machine does meets all of them, and
prints ratios of processor time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from ser_edge import FeatureExtractor

RATE, N_CLIPS, ROUNDS = 22050, 16, 300
CLIPS = (0.1 * np.random.default_rng(0).standard_normal((N_CLIPS, 55125))).astype(np.float32)
SIGNAL = CLIPS[0]
EXTRACT = FeatureExtractor()


def frames() -> NDArray[np.float64]:
    padded = np.pad(SIGNAL.astype(np.float64), 1024)
    return np.lib.stride_tricks.sliding_window_view(padded, 2048)[::512].copy()


FRAMES = frames()


def ours() -> object:
    return EXTRACT(SIGNAL)


def ours_in_a_batch() -> object:
    return EXTRACT.batch(CLIPS)


def librosa_calls() -> object:
    return (
        librosa.feature.zero_crossing_rate(SIGNAL),
        librosa.feature.rms(y=SIGNAL),
        librosa.feature.mfcc(y=SIGNAL, sr=RATE),
    )


def bare_fft() -> object:
    return np.fft.rfft(FRAMES)


@pytest.mark.parametrize("contender", [ours, ours_in_a_batch, librosa_calls, bare_fft])
def test_features(benchmark: BenchmarkFixture, contender: Callable[[], object]) -> None:
    benchmark(contender)


def main() -> None:
    contenders = {ours: 1, librosa_calls: 1, bare_fft: 1, ours_in_a_batch: N_CLIPS}
    spent: dict[Callable[[], object], list[float]] = {contender: [] for contender in contenders}
    for _ in range(ROUNDS):
        for contender, n_clips in contenders.items():
            start = time.process_time_ns()
            contender()
            spent[contender].append((time.process_time_ns() - start) / n_clips / 1e6)
    print(f"NumPy {np.__version__}, least and median of {ROUNDS}")
    figures = {name: np.array([min(times), np.median(times)]) for name, times in spent.items()}
    for contender, (least, median) in figures.items():
        print(f"{contender.__name__:34}{least:8.3f} ms {median:8.3f} ms")
    for one, other in ((librosa_calls, ours), (ours, bare_fft), (ours_in_a_batch, ours)):
        least, median = figures[one] / figures[other]
        print(f"{one.__name__ + ' / ' + other.__name__:34}{least:8.2f}    {median:8.2f}")


if __name__ == "__main__":
    main()
