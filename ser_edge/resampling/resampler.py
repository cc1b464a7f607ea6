"""Change of sample rate with NumPy alone, close to librosa's default (soxr HQ).

One overlap-save filter (`overlap_save`) with soxr's low pass (`soxr_filter`) does it, as long as
the ratio of the rates makes blocks of a length that the FFT is quick at. 24 414 Hz to 22 050 Hz is
not like that: 3675/4069, and 4069 = 13 * 313. For such ratios the filter changes the rate by a
power of two that leaves the signal at least twofold oversampled, and the samples wanted are
interpolated (`interpolation`).

One difference to soxr is left as it is: soxr works in stages, each of which forgets what the one
before it rings ahead of time zero, and its first few samples are off by up to 9 %.
"""

import itertools
import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import AudioError, ConfigError
from ser_edge.resampling.interpolation import WIDTH, Interpolation, kernel_gain
from ser_edge.resampling.overlap_save import BlockFilter, OverlapSave
from ser_edge.resampling.soxr_filter import REACH, response

MIN_RATE, MAX_RATE = 8_000, 192_000
ENGINES = ("numpy", "soxr")
# Of a block, in samples of the lower rate and in periods: long enough not to be mostly overlap.
_MIN_BLOCK, _MIN_PERIODS = 2048, 8
# Longer periods make blocks that leave the cache; other prime factors make the FFT slow.
_MAX_PERIOD = 1280
_QUICK_FACTORS = 2 * 3 * 5 * 7 * 11
# Samples taken in at once.
_PIECE = 1 << 16
_NOTHING = np.empty(0, np.float32)


def check_sample_rate(sample_rate: int) -> None:
    """Refuse a sample rate that no recording of speech has.

    Parameters
    ----------
    sample_rate : int
        Samples a second [Hz].

    Raises
    ------
    AudioError
        If ``sample_rate`` is not a whole number from 8000 to 192000.

    Examples
    --------
    >>> from ser_edge.resampling import check_sample_rate
    >>> check_sample_rate(100)
    Traceback (most recent call last):
    ser_edge.errors.AudioError: the sample rate is 100 Hz; expected a whole number from 8000 to ...
    """
    if not MIN_RATE <= sample_rate <= MAX_RATE or sample_rate != int(sample_rate):
        raise AudioError(
            f"the sample rate is {sample_rate} Hz; expected a whole number from {MIN_RATE} to {MAX_RATE}, "
            "convert it"
        )


def resample(
    samples: NDArray[np.float32], sample_rate: int, target_rate: int, *, engine: str = "numpy"
) -> NDArray[np.float32]:
    """Resample a mono signal.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        The signal; silence is assumed before and after it.
    sample_rate : int
        Its sample rate in Hz, 8000 to 192000.
    target_rate : int
        The sample rate wanted, in the same range.
    engine : {"numpy", "soxr"}
        ``"numpy"`` is the same on every device; ``"soxr"`` is what ``librosa.resample`` does with
        ``res_type="soxr_hq"``, its default, and needs ``pip install soxr``.

    Returns
    -------
    np.ndarray [shape=(ceil(n * target_rate / rate),), dtype=float32]
        The signal at ``target_rate``; ``samples`` itself when the rates are equal.

    Raises
    ------
    AudioError
        If a rate is out of range, or soxr is asked for and not installed.
    ConfigError
        If there is no such engine.

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
    if engine not in ENGINES:
        raise ConfigError(f"engine={engine!r}; expected one of {', '.join(ENGINES)}")
    check_sample_rate(sample_rate)
    check_sample_rate(target_rate)
    if sample_rate == target_rate:
        return samples
    out = np.zeros(_n_out(samples.size, sample_rate, target_rate), np.float32)
    if engine == "soxr":
        pieces = iter([_by_soxr(samples, sample_rate, target_rate)])
    else:
        resampler = Resampler(sample_rate, target_rate)
        pieces = itertools.chain(resampler._run(samples), resampler._finish())
    end = 0
    for piece in pieces:
        out[end : end + piece.size] = piece
        end += piece.size
    return out


class Resampler:
    """Resample a mono signal that comes in pieces, in constant memory.

    What `feed` and at last `flush` return is together, bit for bit, what `resample` returns for the
    whole signal, however it was cut into pieces.

    Parameters
    ----------
    sample_rate : int
        The signal's sample rate in Hz, 8000 to 192000.
    target_rate : int
        The sample rate wanted, in the same range.

    Raises
    ------
    AudioError
        If a rate is out of range.

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
        check_sample_rate(sample_rate)
        check_sample_rate(target_rate)
        self.sample_rate, self.target_rate = int(sample_rate), int(target_rate)
        self._start()

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take in the next samples.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            Any number of them.

        Returns
        -------
        np.ndarray [shape=(m,), dtype=float32]
            What they complete, possibly nothing; at usual rates 0.1 to 0.3 s at once.
        """
        return np.concatenate([_NOTHING, *self._run(samples)])

    def flush(self) -> NDArray[np.float32]:
        """End the signal, and be ready for another.

        Returns
        -------
        np.ndarray [shape=(m,), dtype=float32]
            What had not come out yet.
        """
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
        # librosa rounds the length up and soxr rounds it: a last sample that soxr lacks is zero.
        n_sounding = math.floor(self._n_in * (self.target_rate / self.sample_rate) + 0.5)
        while self._n_out < n_out:
            for piece in self._push(np.zeros(self._hop, np.float32)):
                begin = self._n_out - piece.size
                piece[max(0, n_sounding - begin) :] = 0.0
                yield piece[: max(0, n_out - begin)]
        self._start()


def _n_out(n: int, sample_rate: int, target_rate: int) -> int:
    """Length of ``n`` samples at another rate, as librosa computes it."""
    # The quotient comes first: the product may fall on either side of a whole number.
    return math.ceil(n * (target_rate / sample_rate))


@lru_cache(maxsize=8)
def _block_filter(sample_rate: int, target_rate: int) -> BlockFilter:
    """Filter that changes the rate to the target, or to one from which to interpolate."""
    divisor, lower = math.gcd(sample_rate, target_rate), min(sample_rate, target_rate)
    ratio = up, down = target_rate // divisor, sample_rate // divisor
    exact = max(ratio) <= _MAX_PERIOD and pow(_QUICK_FACTORS, 11, up * down) == 0
    if not exact:
        octaves = math.ceil(math.log2(2 * lower / sample_rate))
        up, down = 2 ** max(0, octaves), 2 ** max(0, -octaves)

    at_least = max(_MIN_PERIODS, -(-_MIN_BLOCK * sample_rate // (lower * down)))
    periods = 1 << (at_least - 1).bit_length()
    guard = -(-REACH * sample_rate // (lower * down))
    # In units of the lower rate's Nyquist frequency, where the gain ends.
    per_bin = 2 * sample_rate / (periods * down * lower)
    frequencies = np.arange(int(1 / per_bin) + 1) * per_bin
    passed = response(frequencies, *ratio)
    if not exact:
        passed /= kernel_gain(frequencies * (lower * down / (2 * sample_rate * up)))
    gain = np.zeros(periods * min(up, down) // 2 + 1)
    gain[: passed.size] = passed
    return BlockFilter(up, down, periods, guard, gain)


def _by_soxr(
    samples: NDArray[np.float32], sample_rate: int, target_rate: int
) -> NDArray[np.float32]:
    try:
        import soxr
    except ModuleNotFoundError as error:
        if error.name != "soxr":
            raise
        raise AudioError(
            "engine='soxr' needs soxr; pip install soxr, or leave the engine out"
        ) from None
    return np.asarray(soxr.resample(samples, sample_rate, target_rate, quality="HQ"))
