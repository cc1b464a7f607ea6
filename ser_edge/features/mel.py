"""Mel bands and DCT, the constant matrices of MFCC, with librosa 0.11's defaults."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# Bands per matrix product: larger groups multiply more zeros, smaller ones need more calls.
_GROUP = 16


def mel_bands(
    sample_rate: int, n_fft: int, *, n_mels: int, fmin: float, fmax: float
) -> NDArray[np.float64]:
    """Return the weights of ``librosa.filters.mel`` [shape=(n_mels, 1 + n_fft // 2)], in float64.

    Each band is a triangle between its neighbours' centres, divided by half its width in Hz
    (Slaney's normalisation). ``fmin`` and ``fmax`` are in Hz.
    """
    edges = _mel_to_hz(np.linspace(_hz_to_mel(fmin), _hz_to_mel(fmax), n_mels + 2))
    bins = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    weights = np.zeros((n_mels, len(bins)))
    # Band by band: whole matrices would determine the peak memory of a short process.
    for band, low, centre, high in zip(weights, edges, edges[1:], edges[2:], strict=False):
        np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre), out=band)
        np.maximum(band, 0, out=band)
        band *= 2 / (high - low)
    return weights


# Slaney's mel scale, librosa's default: linear below 1 kHz (200/3 Hz per mel), logarithmic above
# (27 mel from 1 to 6.4 kHz).
_HZ_PER_MEL = 200 / 3
_LOG_FROM_HZ = 1000.0
# NumPy's logarithm, like librosa: Python's may differ in the last bit, which matters for a bin that
# coincides with the edge of a band.
_LOG_STEP = float(np.log(6.4)) / 27


def _hz_to_mel(frequency: float) -> float:
    if frequency < _LOG_FROM_HZ:
        return frequency / _HZ_PER_MEL
    return _LOG_FROM_HZ / _HZ_PER_MEL + float(np.log(frequency / _LOG_FROM_HZ)) / _LOG_STEP


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _LOG_FROM_HZ / _HZ_PER_MEL
    logarithmic = _LOG_FROM_HZ * np.exp(_LOG_STEP * (mel - knee))
    return np.where(mel < knee, mel * _HZ_PER_MEL, logarithmic)


def dct_matrix(n_mfcc: int, n_mels: int) -> NDArray[np.float64]:
    """Return the orthonormal DCT-II as a matrix [shape=(n_mels, n_mfcc), dtype=float64]."""
    # sqrt(2 / N) cos(pi k (n + 1/2) / N), and the column k = 0 divided by sqrt(2).
    angles = np.pi / n_mels * np.outer(np.arange(n_mels) + 0.5, np.arange(n_mfcc))
    matrix = math.sqrt(2 / n_mels) * np.cos(angles)
    matrix[:, 0] /= math.sqrt(2)
    return np.asarray(matrix)


def band_groups(
    weights: NDArray[np.float64],
) -> Iterator[tuple[slice, slice, NDArray[np.float32]]]:
    """Yield groups of mel bands: the bands, their bins, and the transposed weights."""
    for start in range(0, len(weights), _GROUP):
        group = weights[start : start + _GROUP]
        touched = np.flatnonzero(group.any(axis=0))
        bins = slice(touched[0], touched[-1] + 1) if len(touched) else slice(0, 1)
        matrix = np.ascontiguousarray(group[:, bins].T, dtype=np.float32)
        yield slice(start, start + len(group)), bins, matrix
