"""Speakers made alike by what some of their clips have in common. Training clips only.

A window is moved and stretched, column by column, as if the mean and the deviation over a few other
clips of its speaker were everybody's. As these clips are drawn anew each time, and few, what is
taken off varies: a network learns not to rely on a speaker's pitch, colour and level.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ser_edge_train.feature_store import Windows

_N_CLIPS = (1, 2, 4, 8, 16)
_TRUST = 3.0  # so many clips count as much as what is known of everybody
_LEAST_VARIANCE = 0.01


class SpeakerNormalisation:
    """The first and second moments of all clips, by speaker.

    Parameters
    ----------
    windows : Windows
        Of the training part.
    speakers : sequence of str
        Of every clip, by its number.
    mean, scale : np.ndarray [shape=(n_columns,), dtype=float32]
        Over everybody's windows.
    """

    def __init__(
        self,
        windows: Windows,
        speakers: Sequence[str],
        mean: NDArray[np.float32],
        scale: NDArray[np.float32],
    ) -> None:
        self._windows, self._mean, self._scale = windows, mean, scale
        self._speakers = np.asarray(speakers)[windows.clip]
        n_columns = windows.features.shape[-1]
        self._moments = np.empty((len(windows.clip), 2, n_columns))
        for row, window in zip(self._moments, windows.features, strict=True):
            standardised = (window - mean) / scale
            row[0] = standardised.mean(axis=0)
            row[1] = np.square(standardised).mean(axis=0)
        self._of: dict[tuple[str, int], NDArray[np.int64]] = {}

    def __call__(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the features of windows, levelled.

        Parameters
        ----------
        rows : np.ndarray [shape=(n,), dtype=int64]
            Their numbers.
        rng : np.random.Generator
            Draws the other clips; of an altered copy those that share its room.

        Returns
        -------
        features : np.ndarray [shape=(n, n_frames, n_columns), dtype=float32]
        """
        counts = rng.choice(_N_CLIPS, len(rows))
        drawn = [
            rng.permutation(self._same_session(row))[:count]
            for row, count in zip(rows, counts, strict=True)
        ]
        moments = np.array([self._moments[others].mean(axis=0) for others in drawn])
        moments = moments.reshape(len(rows), *self._moments.shape[1:])
        first, second = moments[:, None, 0], moments[:, None, 1]
        variance = np.maximum(second - first**2, _LEAST_VARIANCE)
        heard = np.array([len(others) for others in drawn])[:, None, None]
        weight = heard / (heard + _TRUST)
        deviation = np.sqrt(weight * variance + (1 - weight))
        moved = self._windows.features[rows] - np.float32(self._mean + self._scale * weight * first)
        return np.asarray(self._mean + moved / np.float32(deviation))

    def _same_session(self, row: np.int64) -> NDArray[np.int64]:
        copy = int(self._windows.copy[row])
        key = str(self._speakers[row]), copy if copy % 2 else 0
        if key not in self._of:
            mine = (self._speakers == key[0]) & (self._windows.copy == key[1])
            self._of[key] = np.flatnonzero(mine)
        return self._of[key]
