"""The published code's features of clips that end within the window, for protocol ``leaky``.

That code concatenates ZCR, RMS and MFCC of the available frames and pads the vector with zeros. In
a short clip, MFCC start at another index than in a long one, and the length of the tail of zeros
reveals the corpus.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import AudioError
from ser_edge.features import FeatureConfig, FeatureExtractor, flatten
from ser_edge.window import WindowConfig


class ZeroTailed:
    """A `ser_edge.frontend.Frontend` with the published padding, for placement ``"offset"``."""

    def __init__(self, features: FeatureConfig, window: WindowConfig) -> None:
        self._extract = FeatureExtractor(features)
        rate = features.sample_rate
        self._start, self._length = round(window.offset_s * rate), window.n_samples(rate)

    def __call__(
        self, samples: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Compute the features of the only window of a clip.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]

        Returns
        -------
        features : np.ndarray [shape=(1, n_frames, n_columns), dtype=float32]
            `ser_edge.features.flatten` turns them into the published vector.
        starts : np.ndarray [shape=(1,), dtype=int64]
            The window's first sample.

        Raises
        ------
        AudioError
            If the clip ends before the window starts.
        """
        window = samples[self._start : self._start + self._length]
        if not len(window):
            raise AudioError(
                f"has {len(samples)} samples, expected more than {self._start}: the published "
                "window starts there",
                "leave the recording out",
            )
        config = self._extract.config
        shape = config.n_frames(self._length), len(config.columns)
        vector = np.zeros(shape[0] * shape[1], np.float32)
        found = flatten(self._extract(window), config)
        vector[: len(found)] = found
        # Invert `flatten`: places[i] is the index in the features of element i of the vector.
        places = flatten(np.arange(len(vector)).reshape(shape).astype(np.float64), config)
        features = np.empty_like(vector)
        features[places.astype(np.int64)] = vector
        return features.reshape(1, *shape), np.array([self._start])
