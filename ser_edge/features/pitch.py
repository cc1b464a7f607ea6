"""The voice's period, heard in power spectra: fundamental frequency, and how periodic a frame is.

A power spectrum's cosine transform is the signal's autocorrelation (Wiener and Khinchin). It is
computed for some periods alone, of what lies below 2 kHz, and divided by the window's own (Boersma
1993). No period is chosen: the frequency is a mean, weighed by how well each period fits, so that
the last digit of a spectrum never decides about an octave. That a frame has no period competes with
the periods, as in Boersma's tracker.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import ConfigError

LOWEST_HZ, HIGHEST_HZ = 60.0, 600.0
"""The range of fundamental frequencies."""

REFERENCE_HZ = 200.0
"""What ``log_f0`` counts octaves from; a frame without a period has it, too."""

SHARPNESS = 80.0
"""By so much the logarithm of a period's weight grows from no correlation to a perfect one."""

UNVOICED = 0.45
"""The correlation that stands for a frame without a period."""

OCTAVE_COST = 0.05
"""What an octave's longer period has to correlate better: twice a period fits as well."""

SILENT_POWER = 1e-8
"""Mean square that is added to a frame's own, so that digital silence has no period."""

_PER_OCTAVE = 48
_BAND_HZ = 50.0, 2000.0


class Periods:
    """The periods that are tried, for frames of one length.

    Parameters
    ----------
    sample_rate : int > 0
        Samples a second [Hz].
    n_fft : int > 0
        Length of the frames, in samples, under a Hann window.

    Attributes
    ----------
    octaves : np.ndarray [shape=(n_periods,), dtype=float64]
        Frequency of each period, in octaves above `REFERENCE_HZ`.
    bins : slice
        Those of the power spectrum that are heard.

    Raises
    ------
    ConfigError
        If a frame is shorter than two periods of 120 Hz: lower voices would have none.
    """

    def __init__(self, sample_rate: int, n_fft: int) -> None:
        lowest = max(LOWEST_HZ, 2 * sample_rate / n_fft)
        if lowest > 2 * LOWEST_HZ:
            raise ConfigError(
                f"n_fft={n_fft} at {sample_rate} Hz is too short to hear the voice's period; "
                f"expected n_fft of at least {math.ceil(sample_rate / LOWEST_HZ)}, or no log_f0 "
                "and no voicing"
            )
        count = 1 + math.floor(_PER_OCTAVE * math.log2(HIGHEST_HZ / lowest))
        hertz = HIGHEST_HZ * 2 ** -(np.arange(count) / _PER_OCTAVE)
        self.octaves = np.log2(hertz / REFERENCE_HZ)
        first, last = (math.ceil(edge * n_fft / sample_rate) for edge in _BAND_HZ)
        self.bins = slice(first, min(last, 1 + n_fft // 2))
        self._samples, self._n_fft = sample_rate / hertz, n_fft

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """From a power spectrum's bins to each period's share of it [shape=(n_bins, n_periods)]."""
        share = self._samples / self._n_fft
        angle = 2 * np.pi * share
        # A Hann window's correlation with itself, a period later (Boersma 1993, eq. 8).
        overlap = (1 - share) * (2 / 3 + np.cos(angle) / 3) + np.sin(angle) / (2 * np.pi)
        bins = np.arange(self.bins.start, self.bins.stop)
        return np.asarray(np.cos(np.outer(bins, angle)) / overlap)

    @cached_property
    def costs(self) -> NDArray[np.float32]:
        """The correlation at which each period weighs as much as having none."""
        return np.asarray(UNVOICED + OCTAVE_COST * (self.octaves[0] - self.octaves), np.float32)

    def correlation(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
        """Correlate frames with themselves a period later.

        Parameters
        ----------
        power : np.ndarray [shape=(n_frames, 1 + n_fft // 2), dtype=float32]
            Their power spectra.

        Returns
        -------
        correlation : np.ndarray [shape=(n_frames, n_periods), dtype=float32]
            About 1 where the period fits, and never more, though a rumble below the band can
            divide to more where frames are short; 0 in silence.
        """
        heard = power[:, self.bins].astype(np.float64)
        total = heard.sum(axis=1, keepdims=True) + self.silence
        return np.asarray(np.minimum(heard @ self.matrix / total, 1), np.float32)

    @property
    def silence(self) -> float:
        """`SILENT_POWER` in units of a spectrum's sum, which is n_fft / 2 times its samples'."""
        mean_square = 3 / 8  # of a Hann window
        return mean_square / 2 * self._n_fft**2 * SILENT_POWER

    def weights(self, correlation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weigh periods [same shape]; a frame without a period would have the weight 1."""
        weights = correlation - self.costs
        weights *= SHARPNESS
        return np.asarray(np.exp(weights, out=weights))
