"""Per-speaker normalisation as augmentation of training windows.

A window is standardised, column by column, with mean and deviation of a few other clips of its
speaker. The clips are drawn anew each time, so that the estimate varies: the network learns not to
rely on a speaker's pitch, timbre and level.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ser_edge_train.feature_store import Windows

# Clips drawn for an estimate: from the first clip of a new speaker to a long enrolment.
_N_CLIPS = (1, 2, 4, 8, 16)
_PRIOR_CLIPS = 3.0  # weight of the mean and deviation of all speakers, in clips; by convention
_MIN_VARIANCE = 0.01  # of standardised columns; keeps constant ones finite


class SpeakerNormalisation:
    """Normalise windows of the training part by the moments of other clips of the same speaker.

    `speakers` has the speaker of every clip, by clip index; `mean` and `scale`
    [shape=(n_columns,)] are those of all windows.
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
        self._sessions: dict[tuple[str, int], NDArray[np.int64]] = {}

    def __call__(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the normalised features of windows, given by index [shape=(n,), dtype=int64].

        `rng` draws the other clips; for an augmentation with a room, those of the same room.
        """
        counts = rng.choice(_N_CLIPS, len(rows))
        drawn = [
            rng.permutation(self._same_session(row))[:count]
            for row, count in zip(rows, counts, strict=True)
        ]
        moments = np.array([self._moments[others].mean(axis=0) for others in drawn])
        moments = moments.reshape(len(rows), *self._moments.shape[1:])
        first, second = moments[:, None, 0], moments[:, None, 1]
        variance = np.maximum(second - first**2, _MIN_VARIANCE)
        n_clips = np.array([len(others) for others in drawn])[:, None, None]
        # Shrink towards all speakers, whose standardised mean is 0 and variance 1.
        weight = n_clips / (n_clips + _PRIOR_CLIPS)
        deviation = np.sqrt(weight * variance + (1 - weight))
        moved = self._windows.features[rows] - np.float32(self._mean + self._scale * weight * first)
        return np.asarray(self._mean + moved / np.float32(deviation))

    def _same_session(self, row: np.int64) -> NDArray[np.int64]:
        """Return the windows of the same speaker and room; even augmentations have no room."""
        number = int(self._windows.augmentation[row])
        key = str(self._speakers[row]), number if number % 2 else 0
        if key not in self._sessions:
            same = (self._speakers == key[0]) & (self._windows.augmentation == key[1])
            self._sessions[key] = np.flatnonzero(same)
        return self._sessions[key]
