"""Features of windows that slide over a signal; each inner frame is computed once.

Features depend on the samples of one window only, so the frames at its two edges are padded with
zeros and computed for every window. All other frames are the same in all windows and are cached:
their mel bands always, and the features from mel bands while the loudest band stays the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import ConfigError
from ser_edge.features.extractor import FeatureExtractor


class RollingFeatures:
    """Compute the features of overlapping windows of an endless signal.

    Parameters
    ----------
    extract : FeatureExtractor
        Computes the features.
    n_samples : int > 0
        Length of a window.
    hop_frames : int > 0
        Distance of the windows in frames.

    Attributes
    ----------
    hop_samples : int
        Distance of the windows in samples.

    Raises
    ------
    ConfigError
        If the windows do not overlap.

    Examples
    --------
    >>> extract = FeatureExtractor()
    >>> rolling = RollingFeatures(extract, 55125, hop_frames=22)
    >>> signal = np.random.default_rng(0).uniform(-1, 1, 100_000).astype(np.float32)
    >>> [start for start, _, _ in rolling.feed(signal)]
    [0, 11264, 22528, 33792]
    """

    def __init__(self, extract: FeatureExtractor, n_samples: int, hop_frames: int) -> None:
        config = extract.config
        self._extract = extract
        self._hop_length, self._n_samples = config.hop_length, n_samples
        self._n_frames, self._hop_frames = config.n_frames(n_samples), hop_frames
        self.hop_samples = hop_frames * config.hop_length
        if not 0 < self.hop_samples < n_samples:
            raise ConfigError(
                f"the windows of {n_samples} samples are {self.hop_samples} apart, expected less "
                "than their length"
            )
        # The range of frames that need no padding.
        self._first = math.ceil(config.padding / config.hop_length)
        reach = n_samples + config.padding - config.n_fft
        self._stop = max(self._first, min(self._n_frames, 1 + reach // config.hop_length))
        # The first frame that shares no sample with the padded ones at the start.
        self._apart = max(self._first - 1, 0) + math.ceil(config.n_fft / config.hop_length)
        self._padding = config.padding
        self._samples = np.empty(2 * n_samples, np.float32)
        self.restart()

    def restart(self) -> None:
        """Start a new signal."""
        self._begin = self._end = 0  # of the data in the buffer
        self._start = 0  # of the next window, in the signal
        # Frames that the next window shares with the previous one, and its loudest band.
        self._kept: tuple[NDArray[np.float32], ...] = self._rows(0)
        self._loudest = np.float32(np.nan)

    @property
    def n_missing(self) -> int:
        """Number of samples until the next window is complete."""
        return self._begin + self._n_samples - self._end

    def feed(
        self, samples: NDArray[np.float32], *, latest: bool = False
    ) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
        """Process the next samples; fetch all windows before the next call.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            Any number of samples, within ±1.
        latest : bool
            Whether to skip all windows but the last.

        Yields
        ------
        start : int
            First sample of the window, in the signal.
        window : np.ndarray [shape=(n_samples,), dtype=float32]
            Its samples, valid until the next window.
        features : np.ndarray [shape=(n_frames, n_columns), dtype=float32]
            They do not depend on how the signal is cut.
        """
        while True:
            n = min(len(samples), self.n_missing)
            self._samples[self._end : self._end + n] = samples[:n]
            self._end += n
            samples = samples[n:]
            if self.n_missing:
                return
            if latest and len(samples) >= self.hop_samples:
                self._kept = tuple(rows[self._hop_frames :] for rows in self._kept)
            else:
                window = self._samples[self._begin : self._end]
                yield self._start, window, self._window(window)
            self._start += self.hop_samples
            self._begin += self.hop_samples
            if self._begin + self._n_samples > len(self._samples):
                rest = self._samples[self._begin : self._end].copy()
                self._begin, self._end = 0, len(rest)
                self._samples[: self._end] = rest

    def _window(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the frames that are not cached, and join them with the cached ones."""
        n_kept = len(self._kept[0])
        # One call computes the frames before and after the cached ones, which is faster than two:
        # the samples between, which neither needs, are left out.
        skipped = max(self._first + n_kept - self._apart, 0)
        cut = self._apart * self._hop_length - self._padding
        signal = window
        if skipped:
            signal = np.concatenate([window[:cut], window[cut + skipped * self._hop_length :]])
        computed = self._rows(self._n_frames - skipped)
        before, after = slice(self._first), slice(self._first + n_kept - skipped, None)
        self._extract.fill_frames(signal, *computed, range(before.stop, after.start))

        def joined(part: int) -> NDArray[np.float32]:
            rows, kept = computed[part], self._kept[part]
            return np.concatenate([rows[before], kept, rows[after]])

        decibels = joined(1)
        loudest = decibels.max(initial=-np.inf)
        shared = slice(self._first + self._hop_frames, self._stop)
        if loudest == self._loudest and not self._extract.needs_context:
            self._extract.fill_bands(computed[1], computed[0], loudest)
            features = joined(0)
            self._kept = features[shared], decibels[shared]
        else:
            features = joined(0)
            self._kept = features[shared], decibels[shared].copy()
            self._extract.fill_bands(decibels, features, loudest)
        self._loudest = loudest
        return features

    def _rows(self, n_frames: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Allocate the features and the mel bands [dB] of frames."""
        columns, bands = self._extract.n_columns, self._extract.n_bands
        return np.empty((n_frames, columns), np.float32), np.empty((n_frames, bands), np.float32)
