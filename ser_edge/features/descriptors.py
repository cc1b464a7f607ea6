"""Descriptors of speech; each is a function and a row of a table.

==============  ==========================================================================
descriptor      librosa 0.11
==============  ==========================================================================
``zcr``         ``feature.zero_crossing_rate(y, frame_length=n_fft)``, edge padding
``rms``         ``feature.rms(y=y, frame_length=n_fft)``, zero padding
``log_rms``     ``log10(rms + 1e-5)``, the level on a scale that a network can use
``centroid``    ``feature.spectral_centroid(y=y)`` [Hz]
``rolloff``     ``feature.spectral_rolloff(y=y)`` [Hz], below which 85 % of the magnitude lie
``flatness``    ``feature.spectral_flatness(y=y)``, from 0 (a tone) to 1 (white noise)
``log_mel``     ``power_to_db(feature.melspectrogram(y=y))`` [dB], top_db=80 over the signal
``mfcc``        ``feature.mfcc(y=y)``, the orthonormal DCT-II of ``log_mel``
``delta``       ``feature.delta(mfcc)``, slope over 9 frames, mode "interp"
==============  ==========================================================================

All of these are equal to librosa's. Two are our own, by `ser_edge.features.pitch`: ``log_f0``, the
fundamental frequency in octaves above 200 Hz, and ``voicing``, the correlation of a frame with
itself a period later, from 0 (noise) to 1 (a steady vowel).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ser_edge.errors import AudioError
from ser_edge.features.frames import Frames

_CROSSING = np.float32(-1e-10)
_AMIN = 1e-10
_TOP_DB = np.float32(80)
_DB_PER_NEPER = np.float32(10 / np.log(10))  # of power
_ROLL = 0.85
_SLOPE_FRAMES = 9


class Bands:
    """The mel bands of a signal, and what several descriptors need of them.

    Parameters
    ----------
    decibels : np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        Their power, as `to_decibels` gives it; overwritten.
    loudest : np.float32
        Power of the signal's loudest band [dB].
    dct : np.ndarray [shape=(n_mels, n_mfcc), dtype=float64]
        The discrete cosine transform.
    """

    def __init__(
        self, decibels: NDArray[np.float32], loudest: np.float32, dct: NDArray[np.float64]
    ) -> None:
        self._decibels, self._loudest, self._dct = decibels, loudest, dct

    @cached_property
    def decibels(self) -> NDArray[np.float32]:
        """Power [dB], no more than 80 below the loudest band of the signal."""
        return np.maximum(self._decibels, self._loudest - _TOP_DB, out=self._decibels)

    @cached_property
    def mfcc(self) -> NDArray[np.float64]:
        """Cepstral coefficients; in float64, for the first reaches -1131 (silence)."""
        return np.asarray(self.decibels @ self._dct)


def to_decibels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn powers into dB, at least -100, in place."""
    np.maximum(power, _AMIN, out=power)
    # NumPy's natural logarithm of float32 is vectorised: five times as fast as its log10.
    np.log(power, out=power)
    power *= _DB_PER_NEPER
    return power


def zcr(frames: Frames) -> NDArray[Any]:
    """Share of the samples whose sign is another than the one before has."""
    # librosa pads with the edge's value: nothing crosses zero in the padding, nor at its border.
    negative = frames.signal < _CROSSING
    crossings = np.zeros(len(frames.samples), np.uint8)
    inside = crossings[frames.before + 1 :][: len(negative) - 1].view(bool)
    np.not_equal(negative[1:], negative[:-1], out=inside)
    of_frames = frames.cut(crossings)
    # A frame's first sample never counts.
    counts = np.add.reduce(of_frames, axis=1, dtype=np.uint16) - of_frames[:, 0]
    return np.asarray(counts / frames.framing.n_fft)


def rms(frames: Frames) -> NDArray[Any]:
    """Root of the mean square."""
    rows = frames.cut(frames.samples)
    energy = np.matmul(rows[:, None, :], rows[:, :, None])
    return np.asarray(np.sqrt(energy[:, 0, 0] / frames.framing.n_fft))


def log_rms(frames: Frames) -> NDArray[Any]:
    """Level, as a network can use it."""
    return np.asarray(np.log10(rms(frames) + 1e-5))


def centroid(frames: Frames) -> NDArray[Any]:
    """Mean frequency, weighed by the magnitude [Hz]; 0 in silence."""
    total = frames.magnitude.sum(axis=1, dtype=np.float64)
    moment = frames.magnitude @ frames.framing.frequencies
    return np.asarray(moment / np.where(total > 0, total, 1))


def rolloff(frames: Frames) -> NDArray[Any]:
    """Lowest frequency up to which 85 % of the magnitude lie [Hz]."""
    total = np.cumsum(frames.magnitude, axis=1, dtype=np.float64)
    bins = np.argmax(total >= _ROLL * total[:, -1:], axis=1)
    return np.asarray(frames.framing.frequencies[bins])


def flatness(frames: Frames) -> NDArray[Any]:
    """Geometric by arithmetic mean of the power."""
    power = np.maximum(frames.power, _AMIN)
    return np.asarray(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1))


def log_f0(frames: Frames) -> NDArray[Any]:
    """Fundamental frequency, in octaves above 200 Hz; near 0 where there is none."""
    periods = frames.framing.periods
    weights = periods.weights(frames.correlation)
    return np.asarray(weights @ periods.octaves / (1 + weights.sum(axis=1)))


def voicing(frames: Frames) -> NDArray[Any]:
    """Correlation with itself a period later, at the period that fits best."""
    return np.asarray(frames.correlation.max(axis=1))


def log_mel(bands: Bands) -> NDArray[Any]:
    """Power of the mel bands [dB]."""
    return bands.decibels


def mfcc(bands: Bands) -> NDArray[Any]:
    """Mel-frequency cepstral coefficients."""
    return bands.mfcc


def delta(bands: Bands) -> NDArray[Any]:
    """Slope of each coefficient by least squares over 9 frames; the first 4 and last 4 repeat."""
    if len(bands.mfcc) < _SLOPE_FRAMES:
        raise AudioError(
            f"the signal gives {len(bands.mfcc)} frames; expected at least {_SLOPE_FRAMES} for "
            "delta, give a longer one or leave delta out"
        )
    half = _SLOPE_FRAMES // 2
    weights = np.arange(-half, half + 1)
    windows = sliding_window_view(bands.mfcc, _SLOPE_FRAMES, axis=0)
    slopes = windows @ (weights / (weights @ weights))
    return np.pad(slopes, ((half, half), (0, 0)), mode="edge")


@dataclass(frozen=True)
class Descriptor:
    """How a descriptor is computed: from frames, or from the mel bands of all frames.

    Attributes
    ----------
    of_frames, of_bands : callable
        One of them; returns an array [shape=(n_frames,) or (n_frames, n_columns)].
    columns : str, optional
        The setting that says how many columns it has; without one it has one column.
    looks_around : bool
        Whether a frame's neighbours matter.
    """

    of_frames: Callable[[Frames], NDArray[Any]] | None = None
    of_bands: Callable[[Bands], NDArray[Any]] | None = None
    columns: str | None = None
    looks_around: bool = False


DESCRIPTORS = {
    "zcr": Descriptor(of_frames=zcr),
    "rms": Descriptor(of_frames=rms),
    "log_rms": Descriptor(of_frames=log_rms),
    "centroid": Descriptor(of_frames=centroid),
    "rolloff": Descriptor(of_frames=rolloff),
    "flatness": Descriptor(of_frames=flatness),
    "log_f0": Descriptor(of_frames=log_f0),
    "voicing": Descriptor(of_frames=voicing),
    "log_mel": Descriptor(of_bands=log_mel, columns="n_mels"),
    "mfcc": Descriptor(of_bands=mfcc, columns="n_mfcc"),
    "delta": Descriptor(of_bands=delta, columns="n_mfcc", looks_around=True),
}
