"""A signal that comes in pieces: the same samples as at once, in constant memory."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raising import raises

from ser_edge.errors import ConfigError
from ser_edge.resampling import Resampler, resample

# Filtered at once; interpolated, upwards and downwards; nothing to do.
RATIOS = [
    (48000, 22050),
    (16000, 22050),
    (44100, 22050),
    (24414, 22050),
    (8001, 22050),
    (191999, 22050),
    (48000, 16001),
    (22050, 22050),
]


@settings(max_examples=80)
@given(
    st.sampled_from(RATIOS),
    st.lists(st.integers(0, 30_000), max_size=8),
    st.integers(0, 2**32 - 1),
)
def test_any_pieces_give_the_same_bits(ratio: tuple[int, int], cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.uniform(-1, 1, rng.integers(0, 40_000)).astype(np.float32)
    resampler = Resampler(*ratio)
    pieces = [resampler.feed(piece) for piece in np.split(samples, np.cumsum(cuts))]
    together = np.concatenate([*pieces, resampler.flush()])
    assert together.dtype == np.float32
    np.testing.assert_array_equal(together, resample(samples, *ratio))


@pytest.mark.parametrize("ratio", RATIOS)
def test_ten_milliseconds_at_a_time(rng: np.random.Generator, ratio: tuple[int, int]) -> None:
    samples = rng.uniform(-1, 1, 2 * ratio[0]).astype(np.float32)
    resampler, size = Resampler(*ratio), ratio[0] // 100
    pieces = [resampler.feed(samples[i : i + size]) for i in range(0, samples.size, size)]
    together = np.concatenate([*pieces, resampler.flush()])
    np.testing.assert_array_equal(together, resample(samples, *ratio))


@pytest.mark.parametrize("ratio", RATIOS)
def test_what_is_fed_comes_out_soon(ratio: tuple[int, int]) -> None:
    # A block is 256 ms at the most, for a lower rate of 8 kHz.
    rate, target = ratio
    resampler, fed, back = Resampler(*ratio), 0, 0
    for _ in range(200):
        fed += rate // 100
        back += resampler.feed(np.zeros(rate // 100, np.float32)).size
        assert fed / rate - 0.3 < back / target <= fed / rate


def test_after_a_flush_another_signal_may_come(rng: np.random.Generator) -> None:
    resampler = Resampler(24414, 22050)
    for n in (5000, 0, 24414):
        samples = rng.uniform(-1, 1, n).astype(np.float32)
        together = np.concatenate([resampler.feed(samples), resampler.flush()])
        np.testing.assert_array_equal(together, resample(samples, 24414, 22050))


def test_what_comes_back_is_the_callers(rng: np.random.Generator) -> None:
    samples = rng.uniform(-1, 1, 5000).astype(np.float32)
    for ratio in RATIOS:
        resampler = Resampler(*ratio)
        first = resampler.feed(samples)
        kept = first.copy()
        first[:] = 9
        assert not np.shares_memory(first, samples)
        rest = np.concatenate([kept, resampler.flush()])
        np.testing.assert_array_equal(rest, resample(samples, *ratio))


@pytest.mark.parametrize("ratio", [(24414, 22050), (48000, 22050), (44101, 22050)])
def test_minutes_do_not_drift(ratio: tuple[int, int]) -> None:
    rate, target = ratio
    resampler, seconds = Resampler(*ratio), 120
    n_out = 0
    for second in range(seconds):
        t = np.arange(second * rate, (second + 1) * rate) / rate
        y = resampler.feed(np.sin(2 * np.pi * 1000 * t).astype(np.float32))
        if second >= 1:
            expected = np.sin(2 * np.pi * 1000 * np.arange(n_out, n_out + y.size) / target)
            # A hundredth of a sample would be 3e-3; measured 8e-7 (soxr's ripple and float32).
            assert np.abs(y - expected).max() < 2e-6
        n_out += y.size
    assert n_out + resampler.flush().size == seconds * target


@pytest.mark.parametrize("ratio", [(48000, 22050), (24414, 22050), (191999, 22050)])
def test_memory_is_constant(ratio: tuple[int, int]) -> None:
    resampler = Resampler(*ratio)
    piece = np.zeros(ratio[0] // 10, np.float32)
    peaks = []
    for _ in range(2):
        tracemalloc.start()
        for _ in range(200):
            resampler.feed(piece)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Measured: 0.7, 0.8 and 3.1 MiB.
    assert peaks[1] < 1.1 * peaks[0] < 6 << 20


def test_lengths_of_long_signals_are_librosas() -> None:
    # More samples than float32 can count, and a number of them times an inexact ratio.
    for n, rate in ((2**24 + 1, 48000), (3 * 2**22 + 7, 24414)):
        resampler = Resampler(rate, 8000)
        piece = np.zeros(1 << 20, np.float32)
        full, rest = divmod(n, piece.size)
        back = sum(resampler.feed(piece).size for _ in range(full))
        back += resampler.feed(piece[:rest]).size + resampler.flush().size
        assert back == math.ceil(n * (8000 / rate))


@pytest.mark.parametrize("rate", [0, 7999, 192001, 22050.5])
def test_illegal_rates_are_refused(rate: int) -> None:
    for rates in ((rate, 22050), (22050, rate)):
        with raises(ConfigError, 8000, 192000):
            Resampler(*rates)
