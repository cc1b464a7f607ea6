"""The frames of a signal and their power spectra, as librosa 0.11's ``stft`` has them.

Three things make it fast. The Fourier transform gets float64, for which NumPy's is twice to six
times as fast as for float32. What is large lies in buffers that each thread allocates once, for
fresh memory costs more than the arithmetic. And the transform takes some frames at a time: few
enough to stay in the cache, enough to make what a call costs small.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.features.pitch import Periods

# 192 usual frames reach over 4.4 s, so that a window is one piece; 12 to 54 transformed at a time
# are equally fast.
_PIECE = 192 * 2048
_TRANSFORMED_AT_ONCE = 36 * 2048


class Framing:
    """Cut signals into frames, piece by piece; threads may share it.

    Parameters
    ----------
    sample_rate : int > 0
        Samples a second [Hz].
    n_fft, hop_length : int > 0
        Length and distance of the frames, in samples.
    padding : int >= 0
        Zeros ahead of a signal and after it, in samples.
    """

    def __init__(self, sample_rate: int, n_fft: int, hop_length: int, padding: int) -> None:
        self.sample_rate, self.n_fft = sample_rate, n_fft
        self.hop_length, self.padding = hop_length, padding
        self.frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
        self.window = _aligned(n_fft)
        self.window[:] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
        self.buffers = _Buffers(n_fft, hop_length)

    @cached_property
    def periods(self) -> Periods:
        """The periods of the voice that are tried."""
        return Periods(self.sample_rate, self.n_fft)

    def pieces(
        self, signal: NDArray[np.float32], n_frames: int, unwanted: range = range(0)
    ) -> Iterator[tuple[slice, Frames]]:
        """Yield the frames in pieces: which they are, and the frames.

        The frames are good until the next piece; those that are unwanted have no power.
        """
        most = len(self.buffers.power)
        for row in range(0, n_frames, most):
            rows = slice(row, min(row + most, n_frames))
            yield rows, Frames(self, signal, rows, unwanted)


class _Buffers(threading.local):
    """One thread's work space; the length of a signal has no part in its size."""

    def __init__(self, n_fft: int, hop_length: int) -> None:
        n_frames = max(1, _PIECE // max(n_fft, hop_length))
        n_rows, n_bins = max(1, _TRANSFORMED_AT_ONCE // n_fft), 1 + n_fft // 2
        self.samples = _aligned((n_frames - 1) * hop_length + n_fft)
        self.windowed = _aligned(n_rows * n_fft).reshape(n_rows, n_fft)
        # The spectra in float32 take the place of the frames that they were computed from.
        narrowed = self.windowed.reshape(-1).view(np.complex64)
        self.narrowed = narrowed[: n_rows * n_bins].reshape(n_rows, n_bins)
        self.power = np.empty((n_frames, n_bins), np.float32)


class Frames:
    """Neighbouring frames of a signal, and what several descriptors need of them.

    Attributes
    ----------
    signal : np.ndarray [shape=(m,), dtype=float32]
        The part of the signal in which they lie.
    samples : np.ndarray [shape=(n,), dtype=float64]
        The same between zeros where frames reach beyond the signal.
    before : int
        Number of zeros ahead of it.
    """

    def __init__(
        self, framing: Framing, signal: NDArray[np.float32], rows: slice, unwanted: range
    ) -> None:
        self.framing, self._n_frames = framing, rows.stop - rows.start
        # In two runs of frames the power is computed, and between them it is not.
        between = [
            min(max(row - rows.start, 0), self._n_frames) for row in (unwanted.start, unwanted.stop)
        ]
        self._unwanted = slice(*between)
        first = rows.start * framing.hop_length - framing.padding
        n_samples = (self._n_frames - 1) * framing.hop_length + framing.n_fft
        self.signal = signal[max(first, 0) : first + n_samples]
        self.before = max(-first, 0)
        after = self.before + len(self.signal)
        self.samples = framing.buffers.samples[:n_samples]
        self.samples[: self.before] = 0
        self.samples[self.before : after] = self.signal
        self.samples[after:] = 0

    def cut(self, values: NDArray[Any]) -> NDArray[Any]:
        """View values, one for each of the samples, as frames [shape=(n_frames, n_fft)]."""
        shape = self._n_frames, self.framing.n_fft
        strides = self.framing.hop_length * values.itemsize, values.itemsize
        return np.ndarray(shape, values.dtype, values, strides=strides)

    @cached_property
    def power(self) -> NDArray[np.float32]:
        """Power spectra under a Hann window [shape=(n_frames, 1 + n_fft // 2), dtype=float32]."""
        frames, buffers = self.cut(self.samples), self.framing.buffers
        power, most = buffers.power[: len(frames)], len(buffers.windowed)
        power[self._unwanted] = 0
        for start, stop in ((0, self._unwanted.start), (self._unwanted.stop, len(frames))):
            for row in range(start, stop, most):
                some = frames[row : min(row + most, stop)]
                windowed = np.multiply(some, self.framing.window, out=buffers.windowed[: len(some)])
                narrowed = buffers.narrowed[: len(some)]
                narrowed[...] = np.fft.rfft(windowed)
                np.abs(narrowed, out=power[row : row + len(some)])
        power *= power
        return power

    @cached_property
    def magnitude(self) -> NDArray[np.float32]:
        """Square root of the power; what lies 190 dB below full scale and lower is 0."""
        return np.asarray(np.sqrt(self.power))

    @cached_property
    def correlation(self) -> NDArray[np.float32]:
        """Correlation with themselves, by period [shape=(n_frames, n_periods), dtype=float32]."""
        return self.framing.periods.correlation(self.power)


def _aligned(n: int) -> NDArray[np.float64]:
    """Allocate from the start of a cache line, without which a product takes a third longer."""
    memory = np.empty(n + 8)
    start = -memory.ctypes.data % 64 // 8
    return memory[start : start + n]
