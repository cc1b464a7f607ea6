"""How long does resampling 2.5 s to 22 050 Hz take, with ser-edge and with soxr?

python -m pytest benchmarks/bench_resampling.py -p benchmark

writes ``results/resampling.json``. pytest-benchmark's ``--benchmark-autosave`` and
``--benchmark-compare-fail=median:10%`` compare a change with the run before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from measuring import results
from ser_edge.resampling import Resampler, resample

TARGET = 22050
SAMPLE_RATES = (8000, 16000, 24414, 32000, 44100, 48000, 96000)
Resample = Callable[[NDArray[np.float32], int], object]


def ours(signal: NDArray[np.float32], sample_rate: int) -> object:
    return resample(signal, sample_rate, TARGET)


def ours_in_pieces(signal: NDArray[np.float32], sample_rate: int) -> object:
    resampler, size = Resampler(sample_rate, TARGET), sample_rate // 100
    for i in range(0, signal.size, size):
        resampler.feed(signal[i : i + size])
    return resampler.flush()


def soxr_hq(signal: NDArray[np.float32], sample_rate: int) -> object:
    import soxr

    return soxr.resample(signal, sample_rate, TARGET, quality="HQ")


CALLS: dict[str, Resample] = {
    "ser-edge": ours,
    "ser-edge, 10 ms at a time": ours_in_pieces,
    "soxr HQ": soxr_hq,
}
Times = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def minima_ms() -> Iterator[Times]:
    """Fastest round of each call by sample rate, written once all are there."""
    found: Times = {name: {} for name in CALLS}
    yield found
    if all(len(times) == len(SAMPLE_RATES) for times in found.values()):
        results.write("resampling", {"minima_ms": found})


@pytest.mark.parametrize("sample_rate", SAMPLE_RATES)
@pytest.mark.parametrize("name", CALLS)
def test_resample(
    benchmark: BenchmarkFixture, minima_ms: Times, name: str, sample_rate: int
) -> None:
    if name == "soxr HQ":
        pytest.importorskip("soxr")
    benchmark.group = f"2.5 s at {sample_rate} Hz"
    rng = np.random.default_rng(0)
    signal = rng.uniform(-0.1, 0.1, int(2.5 * sample_rate)).astype(np.float32)
    benchmark(CALLS[name], signal, sample_rate)
    if benchmark.stats:  # none with --benchmark-disable
        minima_ms[name][str(sample_rate)] = 1e3 * benchmark.stats["min"]
