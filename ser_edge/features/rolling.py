"""Features of windows that slide along a signal, without computing any frame twice.

A window's features are those of its samples alone: frames at its two edges reach beyond it, into
zeros. All others see the same samples in every window that holds them, and are kept: their mel
bands always, and what comes of those as long as the window's loudest band stays the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import ConfigError
from ser_edge.features.extractor import FeatureExtractor


class RollingFeatures:
    """Compute the features of windows that start ever later in a signal without end.

    Parameters
    ----------
    extract : FeatureExtractor
        What is computed.
    n_samples : int > 0
        Length of a window.
    hop_frames : int > 0
        By so many frames each window starts later than the one before.

    Attributes
    ----------
    hop_samples : int
        The same, in samples.

    Raises
    ------
    ConfigError
        If the windows do not overlap: then there is nothing to keep.

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
                f"windows of {n_samples} samples, each {self.hop_samples} after the one before; "
                "expected a hop below their length"
            )
        # The frames of a window that lie within it: of each other part is outside.
        self._first = math.ceil(config.padding / config.hop_length)
        reach = n_samples + config.padding - config.n_fft
        self._stop = max(self._first, min(self._n_frames, 1 + reach // config.hop_length))
        # From here on, frames have no sample in common with the first ones.
        self._apart = max(self._first - 1, 0) + math.ceil(config.n_fft / config.hop_length)
        self._padding = config.padding
        self._samples = np.empty(2 * n_samples, np.float32)
        self.restart()

    def restart(self) -> None:
        """Forget the signal; another begins."""
        self._begin = self._end = 0  # of what is held in the samples
        self._start = 0  # of the next window, in the signal
        # The frames that the next window shares with the one before, and that one's loudest band.
        self._kept: tuple[NDArray[np.float32], ...] = self._rows(0)
        self._loudest = np.float32(np.nan)

    @property
    def n_missing(self) -> int:
        """Samples to come until the next window is complete."""
        return self._begin + self._n_samples - self._end

    def feed(
        self, samples: NDArray[np.float32], *, latest: bool = False
    ) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
        """Take in the next samples; all of them only when the last window was fetched.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            Any number of them, within full scale.
        latest : bool
            Whether of several windows only the last is wanted; the others cost nothing.

        Yields
        ------
        start : int
            Where the next window that they complete starts in the signal.
        window : np.ndarray [shape=(n_samples,), dtype=float32]
            Its samples, good until the next one.
        features : np.ndarray [shape=(n_frames, n_columns), dtype=float32]
            The same however a signal is cut.
        """
        while True:
            taken = min(len(samples), self.n_missing)
            self._samples[self._end : self._end + taken] = samples[:taken]
            self._end += taken
            samples = samples[taken:]
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
                held = self._samples[self._begin : self._end].copy()
                self._begin, self._end = 0, len(held)
                self._samples[: self._end] = held

    def _window(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the frames that are not kept, and join them with those that are."""
        n_kept = len(self._kept[0])
        # Those ahead of the kept frames and those behind are computed in one go, which is faster:
        # the samples between, of which neither has any, are taken out.
        skipped = max(self._first + n_kept - self._apart, 0)
        cut = self._apart * self._hop_length - self._padding
        signal = window
        if skipped:
            signal = np.concatenate([window[:cut], window[cut + skipped * self._hop_length :]])
        computed = self._rows(self._n_frames - skipped)
        ahead, behind = slice(self._first), slice(self._first + n_kept - skipped, None)
        self._extract.fill_frames(signal, *computed, range(ahead.stop, behind.start))

        def joined(part: int) -> NDArray[np.float32]:
            rows, kept = computed[part], self._kept[part]
            return np.concatenate([rows[ahead], kept, rows[behind]])

        decibels = joined(1)
        loudest = decibels.max(initial=-np.inf)
        shared = slice(self._first + self._hop_frames, self._stop)
        if loudest == self._loudest and not self._extract.looks_around:
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
        """Make room for the features and the mel bands [dB] of frames."""
        columns, bands = self._extract.n_columns, self._extract.n_bands
        return np.empty((n_frames, columns), np.float32), np.empty((n_frames, bands), np.float32)
