"""Change of sample rate with NumPy alone, close to librosa's default (soxr HQ, soxr 1.1).

The rates reduce to L/M: M input samples last as long as L output samples. A block of k such periods
has kM samples before and kL after, and the first k·min(L, M)/2 bins of both spectra mean the same
frequencies. Resampling is then one FFT, one product with the low pass H at those bins, and one
inverse FFT of the other length:

    y = irfft(H * rfft(x, kM)[: k * min(L, M) / 2 + 1], kL) * L / M

The FFT wraps around; only outputs further from the block's ends than the filter reaches are kept,
and blocks overlap by that much (overlap-save), so the result is that of one filter over the whole
signal with silence before and after it. Any ratio costs the same few FFTs; none needs a table of
its L phases.

The low pass is a Kaiser-windowed sinc on the lower rate's grid, where its response is known at just
the shared bins. Its numbers, and the slight droop of ratios that are not whole, describe soxr's
response as measured by impulses in every phase: up to 0.92 of the lower Nyquist frequency the two
differ by less than 6e-5 from 8, 16, 44.1, 48, 96 and 192 kHz to 22.05 kHz, by 2e-4 from 24.414 kHz
and 3e-4 from 32 kHz. One difference is left as it is: soxr works in stages, each of which forgets
what the one before it rings ahead of time zero, and its first few samples are off by up to 9 %.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ser_edge.errors import AudioError

MIN_RATE, MAX_RATE = 8_000, 192_000
# -6 dB point, in units of the lower rate's Nyquist frequency.
_CUTOFF = 0.95687
# Kaiser beta and half length (in samples of the lower rate). soxr halves the rate before the sharp
# filter once per octave, and each halving, like a fractional ratio, makes that filter a bit longer.
_KAISER = ((13.040, 97.25), (13.7114, 102.25), (14.3835, 106.81), (14.777, 109.56))
_REACH = 112
_MIN_BLOCK = 2048
_MIN_PERIODS = 8
# Samples transformed in one call: few enough to stay in the cache.
_BATCH = 1 << 14


def check_rate(rate: int) -> None:
    """Refuse a sample rate that no recording of speech has.

    Raises
    ------
    AudioError
        If ``rate`` is not a whole number from 8000 to 192000.

    Examples
    --------
    >>> from ser_edge.resample import check_rate
    >>> check_rate(100)
    Traceback (most recent call last):
    ser_edge.errors.AudioError: the sample rate is 100 Hz; expected a whole number from 8000 to ...
    """
    if not MIN_RATE <= rate <= MAX_RATE or rate != int(rate):
        raise AudioError(
            f"the sample rate is {rate} Hz; expected a whole number from {MIN_RATE} to {MAX_RATE}, "
            "convert it"
        )


@lru_cache(maxsize=32)
def _low_pass(up: int, down: int, periods: int) -> NDArray[np.float64]:
    """Response at the bins that a block of ``periods`` shares before and after."""
    ratio = down / up
    fractional = min(up, down) > 1
    octaves = max(0, math.floor(math.log2(ratio)) - 1) + fractional
    beta, half = _KAISER[min(octaves, len(_KAISER) - 1)]
    n = periods * min(up, down)
    t = np.arange(-_REACH, _REACH + 1)
    window = np.i0(beta * np.sqrt(np.maximum(0.0, 1.0 - (t / half) ** 2))) / np.i0(beta)
    taps = np.zeros(n)
    taps[t] = _CUTOFF * np.sinc(_CUTOFF * t) * window * (np.abs(t) < half)
    response = np.fft.rfft(taps).real
    if fractional:
        f = np.arange(response.size) / (n / 2)
        response *= 1.0 - 1.06e-3 * (np.maximum(0.0, f - 0.434) / 0.486) ** 6
    return np.asarray(response * (up / down))


def resample(samples: NDArray[np.float32], rate: int, target_rate: int) -> NDArray[np.float32]:
    """Resample a mono signal.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        The signal; silence is assumed before and after it.
    rate : int
        Its sample rate in Hz, 8000 to 192000.
    target_rate : int
        The sample rate wanted, in the same range.

    Returns
    -------
    np.ndarray [shape=(ceil(n * target_rate / rate),), dtype=float32]
        The signal at ``target_rate``; ``samples`` itself when the rates are equal.

    Raises
    ------
    AudioError
        If a rate is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.resample import resample
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48000) / 48000).astype(np.float32)
    >>> y = resample(tone, 48000, 22050)
    >>> y.shape, y.dtype
    ((22050,), dtype('float32'))
    >>> expected = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    >>> bool(np.abs(y - expected)[500:-500].max() < 1e-6)
    True
    """
    check_rate(rate)
    check_rate(target_rate)
    if rate == target_rate:
        return samples

    divisor = math.gcd(rate, target_rate)
    up, down = target_rate // divisor, rate // divisor
    guard = -(-_REACH // min(up, down))
    periods = max(_MIN_PERIODS, 1 << ((_MIN_BLOCK - 1) // min(up, down)).bit_length())
    kept = periods - 2 * guard
    low_pass = _low_pass(up, down, periods)

    # librosa rounds the length up and soxr rounds it: a last sample that soxr lacks is zero. The
    # quotient comes first, as there, since the product may fall on either side of a whole number.
    exact = samples.size * (float(target_rate) / rate)
    n_out = math.ceil(exact)
    n_blocks = -(-n_out // (kept * up))
    out = np.empty((n_blocks, kept * up), np.float32)
    step = max(1, _BATCH // (periods * max(up, down)))
    for first in range(0, n_blocks, step):
        count = min(step, n_blocks - first)
        start = (first * kept - guard) * down
        length = ((count - 1) * kept + periods) * down
        x = np.zeros(length)
        part = samples[max(0, start) : max(0, start + length)]
        offset = max(0, -start)
        x[offset : offset + part.size] = part
        blocks = as_strided(
            x, (count, periods * down), (kept * down * x.itemsize, x.itemsize), writeable=False
        )
        spectrum = np.fft.rfft(blocks)[:, : low_pass.size]
        spectrum *= low_pass
        y = np.fft.irfft(spectrum, periods * up)
        out[first : first + count] = y[:, guard * up : (guard + kept) * up]
    resampled = out.reshape(-1)[:n_out]
    resampled[math.floor(exact + 0.5) :] = 0.0
    return resampled
