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
        sample_rate = features.sample_rate
        self._start, self._length = (
            round(window.offset_s * sample_rate),
            window.n_samples(sample_rate),
        )

    def __call__(
        self, samples: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Compute the features of the only window of a clip, and its first sample.

        `ser_edge.features.flatten` turns the features into the published vector.

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
