"""What the published code makes of a clip that ends within its window, for protocol ``leaky``.

It concatenates ZCR, RMS and MFCC of as many frames as there are, and fills the table of all clips
with zeros. So a short clip's blocks stand elsewhere than a long one's, and the length of its tail
of zeros tells which corpus it is from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import AudioError
from ser_edge.features import FeatureConfig, FeatureExtractor, flatten
from ser_edge.window import WindowConfig


class ZeroTailed:
    """Compute features as `ser_edge.frontend.Frontend` does, in the published order.

    Parameters
    ----------
    features : FeatureConfig
        What is computed from each frame.
    window : WindowConfig
        With placement ``"offset"``.
    """

    def __init__(self, features: FeatureConfig, window: WindowConfig) -> None:
        self._extract = FeatureExtractor(features)
        rate = features.sample_rate
        self._start, self._length = round(window.offset_s * rate), window.n_samples(rate)

    def __call__(
        self, samples: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Compute the features of a clip's one window.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            The clip, at the features' sample rate.

        Returns
        -------
        features : np.ndarray [shape=(1, n_frames, n_columns), dtype=float32]
            `ser_edge.features.flatten` gives the published vector of them.
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
                f"ends after {len(samples)} samples, and the published window starts at "
                f"{self._start}; leave it out"
            )
        config = self._extract.config
        shape = config.n_frames(self._length), len(config.columns)
        vector = np.zeros(shape[0] * shape[1], np.float32)
        found = flatten(self._extract(window), config)
        vector[: len(found)] = found
        # Where each element of the features goes in the vector, the other way round.
        places = flatten(np.arange(len(vector)).reshape(shape).astype(np.float64), config)
        features = np.empty_like(vector)
        features[places.astype(np.int64)] = vector
        return features.reshape(1, *shape), np.array([self._start])
