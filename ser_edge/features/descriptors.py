"""Low-level descriptors (LLD); each is a function and a row of the table at the end.

==============  ==========================================================================
LLD             librosa 0.11
==============  ==========================================================================
``zcr``         ``feature.zero_crossing_rate(y, frame_length=n_fft)``, edge padding
``rms``         ``feature.rms(y=y, frame_length=n_fft)``, zero padding
``log_rms``     ``log10(rms + 1e-5)``
``centroid``    ``feature.spectral_centroid(y=y)`` [Hz]
``rolloff``     ``feature.spectral_rolloff(y=y)`` [Hz], with 85 % of the magnitude below it
``flatness``    ``feature.spectral_flatness(y=y)``, from 0 (a tone) to 1 (white noise)
``log_mel``     ``power_to_db(feature.melspectrogram(y=y))`` [dB], top_db=80 over the signal
``mfcc``        ``feature.mfcc(y=y)``, the orthonormal DCT-II of ``log_mel``
``delta``       ``feature.delta(mfcc)``, slope over 9 frames, mode "interp"
==============  ==========================================================================

Two are our own (`ser_edge.features.pitch`): ``log_f0``, the fundamental frequency in octaves above
200 Hz, and ``voicing``, the autocorrelation at the best period, from 0 (noise) to 1 (a steady
vowel).
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

# librosa's defaults.
_ZERO_CROSSING = np.float32(-1e-10)  # zero_crossings(threshold=1e-10): smaller samples count as 0
_AMIN = 1e-10
_TOP_DB = np.float32(80)
_ROLL_PERCENT = 0.85
_DELTA_FRAMES = 9

_DB_PER_NEPER = np.float32(10 / np.log(10))  # of power


class Bands:
    """The mel bands of a signal, and intermediate results that several LLD share.

    Parameters
    ----------
    decibels : np.ndarray [shape=(n_frames, n_mels), dtype=float32]
        Power from `to_decibels`; overwritten.
    loudest : np.float32
        Maximum power of all bands and frames of the signal [dB].
    dct : np.ndarray [shape=(n_mels, n_mfcc), dtype=float64]
        The discrete cosine transform.
    """

    def __init__(
        self, decibels: NDArray[np.float32], loudest: np.float32, dct: NDArray[np.float64]
    ) -> None:
        self._decibels, self._loudest, self._dct = decibels, loudest, dct

    @cached_property
    def decibels(self) -> NDArray[np.float32]:
        """Power [dB], at most 80 dB below the loudest band (``power_to_db(top_db=80)``)."""
        return np.maximum(self._decibels, self._loudest - _TOP_DB, out=self._decibels)

    @cached_property
    def mfcc(self) -> NDArray[np.float64]:
        """Cepstral coefficients, in float64: the first is -1131 in silence."""
        return np.asarray(self.decibels @ self._dct)


def to_decibels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert power to dB, at least -100, in place."""
    np.maximum(power, _AMIN, out=power)
    # 10 log10(max(power, amin)); NumPy's float32 log is five times as fast as its log10.
    np.log(power, out=power)
    power *= _DB_PER_NEPER
    return power


def zcr(frames: Frames) -> NDArray[Any]:
    """Zero-crossing rate: the share of samples whose sign differs from the previous one."""
    # librosa pads with the edge value: there are no crossings in the padding and at its border.
    negative = frames.signal < _ZERO_CROSSING
    crossings = np.zeros(len(frames.samples), np.uint8)
    inside = crossings[frames.before + 1 :][: len(negative) - 1].view(bool)
    np.not_equal(negative[1:], negative[:-1], out=inside)
    of_frames = frames.cut(crossings)
    # The first sample of a frame never counts (``zero_crossings(pad=False)``).
    counts = np.add.reduce(of_frames, axis=1, dtype=np.uint16) - of_frames[:, 0]
    return np.asarray(counts / frames.framing.n_fft)


def rms(frames: Frames) -> NDArray[Any]:
    """Root mean square."""
    rows = frames.cut(frames.samples)
    energy = np.matmul(rows[:, None, :], rows[:, :, None])
    return np.asarray(np.sqrt(energy[:, 0, 0] / frames.framing.n_fft))


def log_rms(frames: Frames) -> NDArray[Any]:
    """Level on a logarithmic scale."""
    return np.asarray(np.log10(rms(frames) + 1e-5))


def centroid(frames: Frames) -> NDArray[Any]:
    """Spectral centroid: mean frequency weighted by magnitude [Hz]; 0 in silence."""
    total = frames.magnitude.sum(axis=1, dtype=np.float64)
    moment = frames.magnitude @ frames.framing.frequencies
    return np.asarray(moment / np.where(total > 0, total, 1))


def rolloff(frames: Frames) -> NDArray[Any]:
    """Spectral roll-off: the frequency with 85 % of the magnitude below it [Hz]."""
    total = np.cumsum(frames.magnitude, axis=1, dtype=np.float64)
    bins = np.argmax(total >= _ROLL_PERCENT * total[:, -1:], axis=1)
    return np.asarray(frames.framing.frequencies[bins])


def flatness(frames: Frames) -> NDArray[Any]:
    """Spectral flatness: geometric mean over arithmetic mean of the power."""
    power = np.maximum(frames.power, _AMIN)
    return np.asarray(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1))


def log_f0(frames: Frames) -> NDArray[Any]:
    """Fundamental frequency in octaves above 200 Hz; near 0 if the frame is unvoiced."""
    periods = frames.framing.periods
    weights = periods.weights(frames.correlation)
    # The weighted mean; an unvoiced frame has octave 0 and weight 1.
    return np.asarray(weights @ periods.octaves / (1 + weights.sum(axis=1)))


def voicing(frames: Frames) -> NDArray[Any]:
    """Autocorrelation at the best period."""
    return np.asarray(frames.correlation.max(axis=1))


def log_mel(bands: Bands) -> NDArray[Any]:
    """Power of the mel bands [dB]."""
    return bands.decibels


def mfcc(bands: Bands) -> NDArray[Any]:
    """Mel-frequency cepstral coefficients."""
    return bands.mfcc


def delta(bands: Bands) -> NDArray[Any]:
    """Slope of each MFCC, fitted over 9 frames; the first and last 4 frames repeat."""
    if len(bands.mfcc) < _DELTA_FRAMES:
        raise AudioError(
            f"has {len(bands.mfcc)} frames, expected at least {_DELTA_FRAMES} for delta",
            "give a longer signal or leave delta out",
        )
    # Least squares: sum_k k x[t + k] / sum_k k^2, k = -4 to 4 (a Savitzky-Golay filter).
    half = _DELTA_FRAMES // 2
    weights = np.arange(-half, half + 1)
    windows = sliding_window_view(bands.mfcc, _DELTA_FRAMES, axis=0)
    slopes = windows @ (weights / (weights @ weights))
    return np.pad(slopes, ((half, half), (0, 0)), mode="edge")


@dataclass(frozen=True)
class Descriptor:
    """How an LLD is computed: from frames, or from the mel bands of all frames.

    Attributes
    ----------
    of_frames, of_bands : callable
        One of the two; returns an array [shape=(n_frames,) or (n_frames, n_columns)].
    columns : str, optional
        The setting with the number of columns; the default is one column.
    needs_context : bool
        Whether it depends on neighbouring frames.
    """

    of_frames: Callable[[Frames], NDArray[Any]] | None = None
    of_bands: Callable[[Bands], NDArray[Any]] | None = None
    columns: str | None = None
    needs_context: bool = False


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
    "delta": Descriptor(of_bands=delta, columns="n_mfcc", needs_context=True),
}
