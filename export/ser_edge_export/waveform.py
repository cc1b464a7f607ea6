"""The front end as a graph of tensor operations: from samples to the network's input.

It computes the same as `ser_edge.features`, written once for every library with the operations of
`Ops`: NumPy, ONNX, TensorFlow. The signal is cut into blocks of gcd(n_fft, hop_length) samples. A
frame is a run of blocks, and sums over a frame (energy, zero crossings) are sums over its blocks.

The Fourier transform of a frame is two small matrix products (Cooley and Tukey 1965). With
n_fft = N = A B, n = B a + b and k = p + A q,

    X[p + A q] = sum_b exp(-2 pi i b q / B) exp(-2 pi i b p / N) sum_a exp(-2 pi i a p / A) x[n]

As x is real, p runs from 0 to A / 2; the other bins are conjugates. The rows of the mel matrix are
in the order of these bins. Features are float32 throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import ConfigError
from ser_edge.features import FeatureConfig
from ser_edge.features.mel import dct_matrix, mel_bands
from ser_edge.features.pitch import SHARPNESS, Periods
from ser_edge.frontend import InputConfig

Array = NDArray[np.float32]
Tensor = Any  # has +, -, *, / and @, with arrays as well


class Ops(Protocol):
    """Operations of a library, in addition to ``+``, ``-``, ``*``, ``/`` and ``@`` of tensors."""

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """Change the shape."""

    def take(self, x: Tensor, which: NDArray[np.int32], axis: int = 0) -> Tensor:
        """Gather along an axis."""

    def part(self, x: Tensor, start: int, stop: int) -> Tensor:
        """Slice a vector."""

    def pad(self, x: Tensor, left: int, right: int) -> Tensor:
        """Put zeros before and after a vector."""

    def total(self, x: Tensor) -> Tensor:
        """Sum over the last axis."""

    def largest(self, x: Tensor) -> Tensor:
        """Return the maximum of all numbers."""

    def largest_of_row(self, x: Tensor) -> Tensor:
        """Return the maximum over the last axis."""

    def larger(self, x: Tensor, y: Tensor) -> Tensor:
        """Elementwise maximum, with broadcasting."""

    def smaller(self, x: Tensor, y: Tensor) -> Tensor:
        """Elementwise minimum, with broadcasting."""

    def below(self, x: Tensor, limit: float) -> Tensor:
        """Return 1 where a number is below a limit, else 0."""

    def absolute(self, x: Tensor) -> Tensor:
        """Absolute value."""

    def sqrt(self, x: Tensor) -> Tensor:
        """Square root."""

    def log(self, x: Tensor) -> Tensor:
        """Natural logarithm."""

    def exp(self, x: Tensor) -> Tensor:
        """Exponential function."""

    def join(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Concatenate."""


def waveform_inputs(ops: Ops, samples: Tensor, config: InputConfig) -> Tensor:
    """Compute the network's input [shape=(1, *config.shape)] for the samples of one window.

    Raises
    ------
    ConfigError
        If it has a descriptor that is not supported here.
    """
    names = config.features.descriptors
    unsupported = [name for name in names if name not in _DESCRIPTORS]
    if unsupported:
        raise ConfigError(
            f"the features have {unsupported[0]}, audio input supports {', '.join(_DESCRIPTORS)}",
            "leave out --audio",
        )
    window = _Window(ops, samples, config)
    columns = [_DESCRIPTORS[name](window) for name in names]
    if config.layout == "sequence":
        features = ops.join(columns, 1)
    else:
        features = ops.join([ops.reshape(column, (-1,)) for column in columns], 0)
    mean, scale = np.asarray(config.mean, np.float32), np.asarray(config.scale, np.float32)
    return ops.reshape((features - mean) * (1 / scale), (1, *config.shape))


class _Window:
    """One window in blocks, and the blocks of each frame."""

    def __init__(self, ops: Ops, samples: Tensor, config: InputConfig) -> None:
        self.ops, self.config = ops, config.features
        features = config.features
        n_samples = config.window_samples
        self.n_frames = features.n_frames(n_samples)
        self.block = math.gcd(features.n_fft, features.hop_length)
        first = np.arange(self.n_frames) * (features.hop_length // self.block)
        self._rows = (first[:, None] + np.arange(features.n_fft // self.block)).astype(np.int32)
        self._length = (int(self._rows[-1, -1]) + 1) * self.block
        self._used = min(n_samples, self._length - features.padding)
        self.samples = ops.part(samples, 0, self._used)

    def blocks(self, x: Tensor, missing: int = 0) -> Tensor:
        """Pad a vector to whole blocks, with ``missing`` more zeros before it."""
        before = self.config.padding + missing
        padded = self.ops.pad(x, before, self._length - self.config.padding - self._used)
        return self.ops.reshape(padded, (self._length // self.block, self.block))

    def frames(self, blocks: Tensor) -> Tensor:
        """Gather frames [shape=(n_frames, n_fft)]."""
        return self.ops.reshape(
            self.ops.take(blocks, self._rows.ravel()), (self.n_frames, self.config.n_fft)
        )

    def sums(self, blocks: Tensor) -> Tensor:
        """Sum over each frame [shape=(n_frames, 1)]."""
        of_blocks = self.ops.take(self.ops.total(blocks), self._rows.ravel())
        by_frame = self.ops.reshape(of_blocks, self._rows.shape)
        return self.ops.reshape(self.ops.total(by_frame), (self.n_frames, 1))

    def firsts(self, blocks: Tensor) -> Tensor:
        """Take each frame's first number [shape=(n_frames, 1)]."""
        starts = (self._rows[:, 0] * self.block).astype(np.int32)
        return self.ops.reshape(
            self.ops.take(self.ops.reshape(blocks, (self._length,)), starts), (self.n_frames, 1)
        )

    def rms(self) -> Tensor:
        """Root of the mean square."""
        squares = self.blocks(self.samples * self.samples)
        return self.ops.sqrt(self.sums(squares) * np.float32(1 / self.config.n_fft))

    def log_rms(self) -> Tensor:
        """log10(rms + 1e-5)."""
        return self.ops.log(self.rms() + np.float32(1e-5)) * np.float32(1 / math.log(10))

    def zcr(self) -> Tensor:
        """Zero-crossing rate: share of samples with another sign than the sample before."""
        negative = self.ops.below(self.samples, -1e-10)
        later = self.ops.part(negative, 1, self._used)
        earlier = self.ops.part(negative, 0, self._used - 1)
        crossings = self.blocks(self.ops.absolute(later - earlier), missing=1)
        # A frame's first sample never counts.
        counted = self.sums(crossings) - self.firsts(crossings)
        return counted * np.float32(1 / self.config.n_fft)

    @cached_property
    def decibels(self) -> Tensor:
        """Power of the mel bands [dB]; see `ser_edge.features.descriptors`."""
        power = self.mel_power()
        floor = self.ops.larger(self.ops.largest(power) * np.float32(1e-8), np.float32(1e-10))
        return self.ops.log(self.ops.larger(power, floor)) * np.float32(10 / math.log(10))

    def mfcc(self) -> Tensor:
        """Cepstral coefficients."""
        matrix = dct_matrix(self.config.n_mfcc, self.config.n_mels)
        return self.decibels @ matrix.astype(np.float32)

    def mel_power(self) -> Tensor:
        """Power of the mel bands [shape=(n_frames, n_mels)]."""
        return self.weighted_power(_mel(self.config))

    @cached_property
    def correlation(self) -> Tensor:
        """Autocorrelation of the frames, by period; see `ser_edge.features.pitch`."""
        periods = self._periods
        weights = np.zeros((1 + len(periods.octaves), 1 + self.config.n_fft // 2))
        weights[0, periods.bins] = 1
        weights[1:, periods.bins] = periods.matrix.T
        total = self.weighted_power(weights[:1]) + np.float32(periods.silence)
        return self.ops.smaller(self.weighted_power(weights[1:]) / total, np.float32(1))

    def log_f0(self) -> Tensor:
        """Fundamental frequency, in octaves."""
        periods = self._periods
        weights = self.ops.exp((self.correlation - periods.costs) * np.float32(SHARPNESS))
        total = self.ops.reshape(self.ops.total(weights), (self.n_frames, 1))
        return weights @ periods.octaves[:, None].astype(np.float32) / (total + np.float32(1))

    def voicing(self) -> Tensor:
        """Largest autocorrelation of any period."""
        return self.ops.reshape(self.ops.largest_of_row(self.correlation), (self.n_frames, 1))

    @cached_property
    def _periods(self) -> Periods:
        return Periods(self.config.sample_rate, self.config.n_fft)

    def weighted_power(self, weights: NDArray[np.float64]) -> Tensor:
        """Return power @ weights.T for weights [shape=(n_rows, 1 + n_fft // 2)]."""
        power, dft = self._power
        matrix = dft.reordered(weights)
        used = np.flatnonzero(matrix.any(axis=1)).astype(np.int32)
        if len(used) < len(matrix) / 2:
            power, matrix = self.ops.take(power, used, axis=1), matrix[used]
        return power @ matrix

    @cached_property
    def _power(self) -> tuple[Tensor, _Transform]:
        """Power of the bins, in the transform's order [shape=(n_frames, n_bins)]."""
        dft = _Transform(self.config.n_fft)
        n_bins = dft.n_outer * dft.n_inner
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(dft.n_fft) / dft.n_fft)
        frames = self.frames(self.blocks(self.samples)) * window.astype(np.float32)
        outer = self.ops.reshape(frames, (self.n_frames, dft.n_fft // dft.n_inner, dft.n_inner))
        real, imaginary = dft.outer.real @ outer, dft.outer.imag @ outer
        twiddled = (
            real * dft.twiddle.real - imaginary * dft.twiddle.imag,
            real * dft.twiddle.imag + imaginary * dft.twiddle.real,
        )
        flat = (self.n_frames * dft.n_outer, dft.n_inner)
        rows = self.ops.join([self.ops.reshape(part, flat) for part in twiddled], 1)
        real, imaginary = rows @ dft.inner_real, rows @ dft.inner_imaginary
        power = self.ops.reshape(real * real + imaginary * imaginary, (self.n_frames, n_bins))
        return power, dft


_DESCRIPTORS: dict[str, Callable[[_Window], Tensor]] = {
    "zcr": _Window.zcr,
    "rms": _Window.rms,
    "log_rms": _Window.log_rms,
    "log_f0": _Window.log_f0,
    "voicing": _Window.voicing,
    "log_mel": lambda window: window.decibels,
    "mfcc": _Window.mfcc,
}


def _mel(config: FeatureConfig) -> NDArray[np.float64]:
    fmin, fmax = config.mel_range
    return mel_bands(config.sample_rate, config.n_fft, n_mels=config.n_mels, fmin=fmin, fmax=fmax)


class _Transform:
    """The constants of the two products, in the notation of the module.

    ``n_outer`` is the number of p, ``n_inner`` is B. Real and imaginary parts are float32.
    """

    def __init__(self, n_fft: int) -> None:
        self.n_fft = n_fft
        divisors = [a for a in range(1, n_fft + 1) if n_fft % a == 0]
        size = min(divisors, key=lambda a: a + 2 * n_fft // a)  # A; the fastest for 2048
        self.n_inner = n_fft // size
        self.n_outer = size // 2 + 1
        p, b = np.arange(self.n_outer), np.arange(self.n_inner)
        self.outer = _roots(np.outer(p, np.arange(size)), size)
        self.twiddle = _roots(np.outer(p, b), n_fft)
        inner = _roots(np.outer(b, b), self.n_inner)
        # (x + i y) (c + i s), from x and y side by side.
        self.inner_real = np.concatenate([inner.real, -inner.imag])
        self.inner_imaginary = np.concatenate([inner.imag, inner.real])
        bins = p[:, None] + size * b
        self._bins = np.minimum(bins, n_fft - bins).ravel()

    def reordered(self, weights: NDArray[np.float64]) -> Array:
        """Transpose weights [shape=(n_rows, 1 + n_fft // 2)], in the order of the bins."""
        first = np.zeros(len(self._bins), bool)  # some bins occur twice
        first[np.unique(self._bins, return_index=True)[1]] = True
        return np.where(first[:, None], weights[:, self._bins].T, 0).astype(np.float32)


def _roots(numbers: NDArray[np.int64], n: int) -> NDArray[np.complex64]:
    """Return exp(-2 pi i number / n)."""
    return np.asarray(np.exp(-2j * np.pi * (numbers % n) / n), np.complex64)
