"""Frame-wise descriptors of speech, librosa 0.11's several times faster, and the pitch.

`ser_edge.features.descriptors` lists them. A signal goes through `ser_edge.features.frames` piece
by piece; what it needs beside the result and its mel bands does not grow with its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser_edge.audio import as_signal
from ser_edge.errors import AudioError
from ser_edge.features.config import FeatureConfig
from ser_edge.features.descriptors import DESCRIPTORS, Bands, to_decibels
from ser_edge.features.frames import Framing
from ser_edge.features.mel import band_groups, dct_matrix, mel_bands


class FeatureExtractor:
    """Compute the descriptors of a `FeatureConfig`; make it once, call it often.

    It keeps the window, the mel bands and the DCT, and for each thread that calls it work buffers
    (2 MiB with the defaults), so that threads can share it.

    Parameters
    ----------
    config : FeatureConfig
        What to compute.

    Attributes
    ----------
    n_columns, n_bands : int
        Columns of the features, and mel bands behind them.
    looks_around : bool
        Whether a frame's features depend on its neighbours, and not on its samples and the
        loudest band of all frames alone.

    Examples
    --------
    >>> import numpy as np
    >>> extract = FeatureExtractor(FeatureConfig())
    >>> extract(np.sin(np.arange(55125, dtype=np.float32))).shape
    (108, 22)
    >>> extract.flat(np.sin(np.arange(55125, dtype=np.float32))).shape
    (2376,)
    """

    def __init__(self, config: FeatureConfig | None = None) -> None:
        self.config = config = config or FeatureConfig()
        self._framing = Framing(config.sample_rate, config.n_fft, config.hop_length, config.padding)
        table = [(DESCRIPTORS[name], columns) for name, columns in config.columns_of.items()]
        self._of_frames = [(row.of_frames, columns) for row, columns in table if row.of_frames]
        self._of_bands = [(row.of_bands, columns) for row, columns in table if row.of_bands]
        self.n_columns = len(config.columns)
        self.n_bands = config.n_mels if self._of_bands else 0
        self.looks_around = any(DESCRIPTORS[name].looks_around for name in config.columns_of)
        fmin, fmax = config.mel_range
        weights = mel_bands(
            config.sample_rate, config.n_fft, n_mels=self.n_bands, fmin=fmin, fmax=fmax
        )
        self._groups = list(band_groups(weights))
        self._dct = dct_matrix(config.n_mfcc, config.n_mels)

    def __reduce__(self) -> tuple[type[FeatureExtractor], tuple[FeatureConfig]]:
        return FeatureExtractor, (self.config,)

    def __repr__(self) -> str:
        return f"FeatureExtractor({self.config})"

    def __call__(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Compute the features of a mono signal.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,)]
            The signal, at ``config.sample_rate``; full scale is 1 for floats, the type's range
            for integers.

        Returns
        -------
        features : np.ndarray [shape=(n_frames, n_columns), dtype=float32]
            One row a frame, columns as in ``config.columns``.

        Raises
        ------
        AudioError
            If the signal is empty, not one-dimensional, not finite, or, without centring,
            shorter than a frame, or has fewer than 9 frames for ``delta``.
        """
        signal = as_signal(samples)
        features = self._empty(len(signal))
        self._compute(signal, features)
        return features

    def batch(self, clips: Sequence[ArrayLike] | NDArray[Any]) -> NDArray[np.float32]:
        """Compute the features of clips of one length, each as a call would.

        Parameters
        ----------
        clips : np.ndarray [shape=(n_clips, n)], or a sequence of arrays [shape=(n,)]
            The signals, as for a call.

        Returns
        -------
        features : np.ndarray [shape=(n_clips, n_frames, n_columns), dtype=float32]

        Raises
        ------
        AudioError
            As for a call, with the clip's number; if the clips differ in length; if there are none.

        Examples
        --------
        >>> import numpy as np
        >>> FeatureExtractor().batch(np.ones((3, 5000), np.float32)).shape
        (3, 10, 22)
        """
        features = np.empty(0, np.float32)
        n_samples = 0
        for number, clip in enumerate(clips):
            try:
                signal = as_signal(clip)
                if number == 0:
                    n_samples = len(signal)
                    features = self._empty(n_samples, len(clips))
                if len(signal) != n_samples:
                    raise AudioError(
                        f"has {len(signal)} samples; expected {n_samples}, as clip 0 has"
                    )
                self._compute(signal, features[number])
            except AudioError as error:
                raise AudioError(f"clip {number}: {error}") from None
        if not features.size:
            raise AudioError("there are no clips; expected at least one")
        return features

    def flat(self, samples: ArrayLike) -> NDArray[np.float32]:
        """Compute the features as one vector: each descriptor whole, MFCC frame by frame.

        The published order, ``hstack((zcr, rms, ravel(mfcc.T)))``: 108 + 108 + 108 * 20 = 2376
        numbers for 2.5 s.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,)]
            As for a call.

        Returns
        -------
        vector : np.ndarray [shape=(n_frames * n_columns,), dtype=float32]

        Raises
        ------
        AudioError
            As for a call.
        """
        return flatten(self(samples), self.config)

    def _empty(self, n_samples: int, *n_clips: int) -> NDArray[np.float32]:
        n_frames = self.config.n_frames(n_samples)
        if n_frames == 0:
            raise AudioError(
                f"the signal has {n_samples} samples; expected at least "
                f"n_fft={self.config.n_fft}, or center=True"
            )
        return np.empty((*n_clips, n_frames, self.n_columns), np.float32)

    def _compute(self, signal: NDArray[np.float32], features: NDArray[np.float32]) -> None:
        """Fill features [shape=(n_frames, n_columns)]: signal, frames, power, mel bands."""
        decibels = np.empty((len(features), self.n_bands), np.float32)
        self.fill_frames(signal, features, decibels)
        self.fill_bands(decibels, features, decibels.max(initial=-np.inf))

    def fill_frames(
        self,
        signal: NDArray[np.float32],
        features: NDArray[np.float32],
        decibels: NDArray[np.float32],
        unwanted: range = range(0),
    ) -> None:
        """Compute what one frame alone decides: first of the two steps of a call.

        Parameters
        ----------
        signal : np.ndarray [shape=(n,), dtype=float32]
            Within full scale.
        features : np.ndarray [shape=(n_frames, n_columns), dtype=float32]
            Filled, but for what comes of mel bands.
        decibels : np.ndarray [shape=(n_frames, n_bands), dtype=float32]
            Filled with the power of the mel bands [dB].
        unwanted : range
            Frames that need not be computed; what is filled in for them has no meaning.
        """
        for rows, frames in self._framing.pieces(signal, len(features), unwanted):
            for of_frames, columns in self._of_frames:
                features[rows, columns] = of_frames(frames).reshape(rows.stop - rows.start, -1)
            for bands, bins, weights in self._groups:
                np.matmul(frames.power[:, bins], weights, out=decibels[rows, bands])
        to_decibels(decibels)

    def fill_bands(
        self, decibels: NDArray[np.float32], features: NDArray[np.float32], loudest: np.float32
    ) -> None:
        """Compute what the mel bands of all frames decide, since the loudest bounds them.

        Parameters
        ----------
        decibels : np.ndarray [shape=(n_frames, n_bands), dtype=float32]
            As `fill_frames` gives them; overwritten. Of some frames, unless the extractor looks
            around.
        features : np.ndarray [shape=(n_frames, n_columns), dtype=float32]
            What comes of them is filled in.
        loudest : np.float32
            Power of the loudest band of all frames [dB].
        """
        bands = Bands(decibels, loudest, self._dct)
        for of_bands, columns in self._of_bands:
            features[:, columns] = of_bands(bands)


def flatten(features: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float32]:
    """Reorder features into the published vector: each descriptor whole, frame by frame.

    Parameters
    ----------
    features : np.ndarray [shape=(..., n_frames, n_columns), dtype=float32]
        A `FeatureExtractor`'s result, or several stacked.
    config : FeatureConfig
        Its settings.

    Returns
    -------
    vectors : np.ndarray [shape=(..., n_frames * n_columns), dtype=float32]
    """
    parts = [features[..., columns] for columns in config.columns_of.values()]
    return np.concatenate([part.reshape(*features.shape[:-2], -1) for part in parts], axis=-1)
