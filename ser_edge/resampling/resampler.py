"""Resample with NumPy, close to librosa's default (soxr HQ).

An overlap-save filter (`overlap_save`) applies soxr's low-pass filter (`soxr_filter`) if the ratio
of the rates gives block lengths with a fast FFT. 24 414 Hz to 22 050 Hz does not: the ratio is
3675/4069, and 4069 = 13 * 313. For such ratios the filter changes the rate by a power of two, so
that the signal is oversampled at least twofold, and `interpolation` computes the output samples.

One difference to soxr remains. soxr filters in stages and drops each stage's ringing before time
zero, so its first samples are off by up to 9 %.
"""

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.checks import check_number
from ser_edge.resampling.interpolation import WIDTH, Interpolation, kernel_gain
from ser_edge.resampling.overlap_save import BlockFilter, OverlapSave
from ser_edge.resampling.soxr_filter import REACH, response

MIN_RATE, MAX_RATE = 8_000, 192_000  # from telephone to studio recordings
# Minimum block length, in samples of the lower rate and in periods, so that blocks overlap little.
_MIN_BLOCK, _MIN_PERIODS = 2048, 8
# Longer periods make blocks that do not fit the cache.
_MAX_PERIOD = 1280
# NumPy's FFT is slow for lengths with other prime factors.
_FAST_FACTORS = 2 * 3 * 5 * 7 * 11
# Samples processed at once: bounds the memory for a long signal.
_PIECE = 1 << 16
_NOTHING = np.empty(0, np.float32)


def check_sample_rate(sample_rate: Any, name: str = "sample_rate") -> int:
    """Check the sample rate of a speech recording.

    Parameters
    ----------
    sample_rate : int in [8000, 192000]
        In Hz; a float if it is whole.
    name : str
        The argument in error messages.

    Returns
    -------
    sample_rate : int

    Raises
    ------
    ConfigError
        If it is out of range.

    Examples
    --------
    >>> from ser_edge.resampling import check_sample_rate
    >>> check_sample_rate(100)
    Traceback (most recent call last):
    ser_edge.errors.ConfigError: sample_rate=100, expected a whole number of Hz from 8000 to 192000
    """
    finite = isinstance(sample_rate, Real) and sample_rate not in (math.inf, -math.inf)
    whole = finite and sample_rate % 1 == 0  # of infinity, NumPy would warn
    checked = int(sample_rate) if whole and sample_rate is not True else sample_rate
    check_number(name, checked, MIN_RATE, MAX_RATE, integer=True, unit="Hz")
    return int(checked)


def resample(
    samples: NDArray[np.float32], sample_rate: int, target_rate: int
) -> NDArray[np.float32]:
    """Resample a mono signal.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        The signal; zeros are assumed before and after it.
    sample_rate, target_rate : int in [8000, 192000]
        Its sample rate, and the new one [Hz].

    Returns
    -------
    np.ndarray [shape=(ceil(n * target_rate / sample_rate),), dtype=float32]
        The signal at ``target_rate``; ``samples`` itself if the rates are equal.

    Raises
    ------
    ConfigError
        If a sample rate is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.resampling import resample
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48000) / 48000).astype(np.float32)
    >>> y = resample(tone, 48000, 22050)
    >>> y.shape, y.dtype
    ((22050,), dtype('float32'))
    >>> expected = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    >>> bool(np.abs(y - expected)[500:-500].max() < 1e-6)
    True
    """
    resampler = Resampler(sample_rate, target_rate)
    if sample_rate == target_rate:
        return samples
    out = np.zeros(_n_out(samples.size, sample_rate, target_rate), np.float32)
    end = 0
    for piece in itertools.chain(resampler._run(samples), resampler._finish()):
        out[end : end + piece.size] = piece
        end += piece.size
    return out


class Resampler:
    """Resample a mono signal piece by piece, in constant memory.

    The results of all `feed` calls and of `flush`, concatenated, are bit for bit what `resample`
    returns for the whole signal. The lengths of the pieces do not matter.

    Parameters
    ----------
    sample_rate, target_rate : int in [8000, 192000]
        The signal's sample rate, and the new one [Hz].

    Raises
    ------
    ConfigError
        If a sample rate is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.resampling import Resampler, resample
    >>> signal = np.random.default_rng(0).uniform(-1, 1, 48000).astype(np.float32)
    >>> resampler = Resampler(48000, 22050)
    >>> pieces = [resampler.feed(piece) for piece in np.split(signal, 100)]
    >>> pieces.append(resampler.flush())
    >>> bool(np.array_equal(np.concatenate(pieces), resample(signal, 48000, 22050)))
    True
    """

    def __init__(self, sample_rate: int, target_rate: int) -> None:
        self.sample_rate = check_sample_rate(sample_rate)
        self.target_rate = check_sample_rate(target_rate, "target_rate")
        self._start()

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Process any number of samples; return the output so far, possibly empty."""
        return np.concatenate([_NOTHING, *self._run(samples)])

    def flush(self) -> NDArray[np.float32]:
        """End the signal and return the rest of the output; the next `feed` starts a new signal."""
        return np.concatenate([_NOTHING, *self._finish()])

    def _start(self) -> None:
        self._n_in = self._n_out = 0
        self._filter: OverlapSave | None = None
        self._interpolate: Interpolation | None = None
        if self.sample_rate == self.target_rate:
            return
        block_filter = _block_filter(self.sample_rate, self.target_rate)
        self._hop = block_filter.hop
        step, parts = self.sample_rate * block_filter.up, self.target_rate * block_filter.down
        if step == parts:
            self._filter = OverlapSave(block_filter)
        else:
            self._filter = OverlapSave(block_filter, lead=WIDTH)
            divisor = math.gcd(step, parts)
            self._interpolate = Interpolation(
                step // divisor, parts // divisor, start=WIDTH * block_filter.up
            )

    def _push(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        for piece in self._filter(samples) if self._filter else [samples]:
            if self._interpolate:
                piece = self._interpolate(piece)
            self._n_out += piece.size
            yield piece

    def _run(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        self._n_in += samples.size
        for first in range(0, samples.size, _PIECE):
            yield from self._push(samples[first : first + _PIECE])

    def _finish(self) -> Iterator[NDArray[np.float32]]:
        n_out = _n_out(self._n_in, self.sample_rate, self.target_rate)
        # librosa rounds the length up, soxr to nearest: librosa sets the additional sample to zero.
        n_nonzero = math.floor(self._n_in * (self.target_rate / self.sample_rate) + 0.5)
        while self._n_out < n_out:
            for piece in self._push(np.zeros(self._hop, np.float32)):
                begin = self._n_out - piece.size
                piece[max(0, n_nonzero - begin) :] = 0.0
                yield piece[: max(0, n_out - begin)]
        self._start()


def _n_out(n: int, sample_rate: int, target_rate: int) -> int:
    """Return the length of ``n`` samples at another rate, as ``librosa.resample`` computes it."""
    # In librosa's order: the rounding of the quotient decides when the product is nearly whole.
    return math.ceil(n * (target_rate / sample_rate))


@lru_cache(maxsize=8)
def _block_filter(sample_rate: int, target_rate: int) -> BlockFilter:
    """Return the filter that changes the rate to the target, or to one for interpolation."""
    divisor, lower = math.gcd(sample_rate, target_rate), min(sample_rate, target_rate)
    ratio = up, down = target_rate // divisor, sample_rate // divisor
    exact = max(ratio) <= _MAX_PERIOD and pow(_FAST_FACTORS, 11, up * down) == 0
    if not exact:
        octaves = math.ceil(math.log2(2 * lower / sample_rate))
        up, down = 2 ** max(0, octaves), 2 ** max(0, -octaves)

    at_least = max(_MIN_PERIODS, -(-_MIN_BLOCK * sample_rate // (lower * down)))
    periods = 1 << (at_least - 1).bit_length()
    guard = -(-REACH * sample_rate // (lower * down))
    # In units of the lower rate's Nyquist frequency; the gain is 0 from 1 on.
    per_bin = 2 * sample_rate / (periods * down * lower)
    frequencies = np.arange(int(1 / per_bin) + 1) * per_bin
    passed = response(frequencies, *ratio)
    if not exact:
        passed /= kernel_gain(frequencies * (lower * down / (2 * sample_rate * up)))
    gain = np.zeros(periods * min(up, down) // 2 + 1)
    gain[: passed.size] = passed
    return BlockFilter(up, down, periods, guard, gain)
