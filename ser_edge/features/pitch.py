"""Fundamental frequency and voicing, from power spectra.

The cosine transform of a power spectrum is the autocorrelation (Wiener and Khinchin). It is
computed for some periods only, from the band of 50 to 2000 Hz, and divided by that of the window
(Boersma 1993). The frequency is a mean over all periods, weighted by their correlation. So a small
change of the spectrum cannot change the result by an octave, which choosing the best period would
allow. The unvoiced case competes with the periods, as in Boersma's pitch tracker.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import ConfigError

LOWEST_HZ, HIGHEST_HZ = 60.0, 600.0
"""Range of fundamental frequencies, from low male voices to screams."""

REFERENCE_HZ = 200.0
"""Zero of ``log_f0``, near the geometric mean of the range; the value of unvoiced frames."""

SHARPNESS = 80.0
"""Slope of a period's log weight over its correlation; a high value is nearly a maximum."""

UNVOICED = 0.45
"""Correlation of the unvoiced case (``VoicingThreshold`` in Boersma's tracker, 0.45)."""

OCTAVE_COST = 0.05
"""Additional correlation required of a period twice as long, because it fits as well."""

SILENT_POWER = 1e-8
"""Mean square added to every frame (-80 dB), so that digital silence is unvoiced."""

_PER_OCTAVE = 48  # a quarter of a semitone
_BAND_HZ = 50.0, 2000.0  # the strong harmonics of a voice, without rumble and most of the noise


class Periods:
    """Candidate periods, for frames of ``n_fft`` samples with a Hann window.

    Attributes
    ----------
    octaves : np.ndarray [shape=(n_periods,), dtype=float64]
        Frequency of each period, in octaves above `REFERENCE_HZ`.
    bins : slice
        The bins of the power spectrum that are used.

    Raises
    ------
    ConfigError
        If a frame is shorter than two periods of 120 Hz, too short for most male voices.
    """

    def __init__(self, sample_rate: int, n_fft: int) -> None:
        lowest = max(LOWEST_HZ, 2 * sample_rate / n_fft)
        if lowest > 2 * LOWEST_HZ:
            raise ConfigError(
                f"n_fft={n_fft}, expected at least {math.ceil(sample_rate / LOWEST_HZ)} for log_f0 "
                f"and voicing at {sample_rate} Hz",
                "choose a longer frame, or leave log_f0 and voicing out",
            )
        count = 1 + math.floor(_PER_OCTAVE * math.log2(HIGHEST_HZ / lowest))
        hertz = HIGHEST_HZ * 2 ** -(np.arange(count) / _PER_OCTAVE)
        self.octaves = np.log2(hertz / REFERENCE_HZ)
        first, last = (math.ceil(edge * n_fft / sample_rate) for edge in _BAND_HZ)
        self.bins = slice(first, min(last, 1 + n_fft // 2))
        self._samples, self._n_fft = sample_rate / hertz, n_fft

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """From power spectrum to autocorrelation [shape=(n_bins, n_periods)]."""
        share = self._samples / self._n_fft
        angle = 2 * np.pi * share
        # Autocorrelation of a Hann window (Boersma 1993, eq. 8).
        overlap = (1 - share) * (2 / 3 + np.cos(angle) / 3) + np.sin(angle) / (2 * np.pi)
        bins = np.arange(self.bins.start, self.bins.stop)
        return np.asarray(np.cos(np.outer(bins, angle)) / overlap)

    @cached_property
    def costs(self) -> NDArray[np.float32]:
        """Correlation at which each period has the weight of the unvoiced case."""
        return np.asarray(UNVOICED + OCTAVE_COST * (self.octaves[0] - self.octaves), np.float32)

    def correlation(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the normalised autocorrelation [shape=(n_frames, n_periods), dtype=float32].

        ``power`` has shape (n_frames, 1 + n_fft // 2). The result is about 1 if the period fits
        and 0 in silence. It is limited to 1, because low-frequency noise can exceed that in short
        frames.
        """
        band = power[:, self.bins].astype(np.float64)
        total = band.sum(axis=1, keepdims=True) + self.silence
        return np.asarray(np.minimum(band @ self.matrix / total, 1), np.float32)

    @property
    def silence(self) -> float:
        """`SILENT_POWER` in units of the sum of a power spectrum."""
        # Parseval: the sum over half the bins is n_fft / 2 times that of the windowed squares.
        mean_square = 3 / 8  # of a Hann window
        return mean_square / 2 * self._n_fft**2 * SILENT_POWER

    def weights(self, correlation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weight of each period [same shape]; that of the unvoiced case is 1."""
        # exp(SHARPNESS (correlation - cost))
        weights = correlation - self.costs
        weights *= SHARPNESS
        return np.asarray(np.exp(weights, out=weights))
