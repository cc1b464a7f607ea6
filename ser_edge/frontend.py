"""From a clip's samples to the network's input: windows, features, layout, standardisation.

Training and device share this module, so that they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import AudioError, ConfigError
from ser_edge.features import FeatureConfig, FeatureExtractor, flatten
from ser_edge.window import WindowConfig, cut_window, window_starts

LAYOUTS = ("sequence", "flat")

SILENCE = 1e-4
"""A clip whose peak lies below this share of full scale (-80 dB) holds nothing to classify."""

LOUDEST = 100.0
"""A clip whose peak lies above this is not in units of full scale: 16-bit values as floats."""

# Frames times about what one costs. 60 s at 48 kHz in frames of 2048, 512 apart, may be; what a
# foreign manifest asks for beyond takes minutes and gigabytes for one window.
_MOST_WORK = 1 << 24


class Frontend:
    """Lay windows over a clip and compute the features of each.

    Parameters
    ----------
    features : FeatureConfig
        What is computed from each frame.
    window : WindowConfig
        How windows lie on a clip.

    Examples
    --------
    >>> frontend = Frontend(FeatureConfig(), WindowConfig(duration_s=2.5))
    >>> features, starts = frontend(np.sin(np.arange(60000, dtype=np.float32)))
    >>> features.shape, starts.tolist()
    ((2, 108, 22), [0, 4875])
    """

    def __init__(self, features: FeatureConfig, window: WindowConfig) -> None:
        self.window = window
        self.window_samples = window.n_samples(features.sample_rate)
        self._extract = FeatureExtractor(features)

    def __call__(
        self, samples: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Compute the features of a clip's windows.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            The clip, at the features' sample rate.

        Returns
        -------
        features : np.ndarray [shape=(n_windows, n_frames, n_columns), dtype=float32]
        starts : np.ndarray [shape=(n_windows,), dtype=int64]
            First sample of each window.

        Raises
        ------
        AudioError
            If the clip is silent or empty, or not in units of full scale, or not finite.
        """
        starts = self.starts(samples)
        return np.stack([self.window_features(samples, start) for start in starts]), starts

    def starts(self, samples: NDArray[np.float32]) -> NDArray[np.int64]:
        """Check a clip and lay windows over it.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            The clip, at the features' sample rate.

        Returns
        -------
        starts : np.ndarray [shape=(n_windows,), dtype=int64]
            First sample of each window.

        Raises
        ------
        AudioError
            If the clip is silent or empty, or not in units of full scale.
        """
        peak = float(np.abs(samples).max(initial=0))
        if peak < SILENCE:
            raise AudioError(
                f"is silent: its peak is {peak:.2g} of full scale, expected at least {SILENCE:g}; "
                "check the microphone or its gain"
            )
        if peak > LOUDEST:
            raise AudioError(
                f"has a peak of {peak:.4g}; expected samples within ±1, divide them by full scale"
            )
        return window_starts(samples, self.window, self._extract.config.sample_rate)

    def window_features(self, samples: NDArray[np.float32], start: int) -> NDArray[np.float32]:
        """Compute the features of one window.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            The clip, at the features' sample rate.
        start : int in [0, n)
            The window's first sample.

        Returns
        -------
        features : np.ndarray [shape=(n_frames, n_columns), dtype=float32]
        """
        return self._extract(cut_window(samples, start, self.window_samples))


@dataclass(frozen=True)
class InputConfig:
    """From a window's samples to the network's input: features, layout and standardisation.

    Parameters
    ----------
    features : FeatureConfig
        What is computed from each frame.
    window : WindowConfig
        How windows lie on a clip.
    layout : {"sequence", "flat"}
        Input as (frames, columns), or as the published vector of shape (frames * columns, 1).
    mean, scale : tuple of float
        What is subtracted from, and what then divides, each column (``"sequence"``) or each
        element of the vector (``"flat"``).
    """

    features: FeatureConfig
    window: WindowConfig
    layout: str
    mean: tuple[float, ...] = field(repr=False)
    scale: tuple[float, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ConfigError(f"layout={self.layout!r}; expected one of {LAYOUTS}")
        frames, columns = self.window_shape
        most = _MOST_WORK // (self.features.n_fft + 2 * self.features.n_mels + 256)
        if not 1 <= frames <= most:
            raise ConfigError(
                f"a window of duration_s={self.window.duration_s} gives {frames} frames; expected "
                f"1 to {most}, choose another duration or hop_length"
            )
        n_values = columns if self.layout == "sequence" else frames * columns
        for name, values, least in (("mean", self.mean, -1e12), ("scale", self.scale, 1e-12)):
            if len(values) != n_values:
                raise ConfigError(f"the {name} has {len(values)} values; expected {n_values}")
            for value in values:
                if not (isinstance(value, int | float) and least <= value <= 1e12):
                    raise ConfigError(
                        f"the {name} holds {value!r}; expected numbers from {least:g} to 1e+12"
                    )

    @property
    def window_shape(self) -> tuple[int, int]:
        """Frames and columns of one window's features."""
        n_samples = self.window.n_samples(self.features.sample_rate)
        return self.features.n_frames(n_samples), len(self.features.columns)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the network's input for one window."""
        frames, columns = self.window_shape
        return (frames, columns) if self.layout == "sequence" else (frames * columns, 1)

    @cached_property
    def _statistics(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.asarray(self.mean, np.float32), np.asarray(self.scale, np.float32)

    def network_inputs(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Lay out and standardise the features of windows.

        Parameters
        ----------
        features : np.ndarray [shape=(n_windows, n_frames, n_columns), dtype=float32]
            As a `Frontend` computes them.

        Returns
        -------
        inputs : np.ndarray [shape=(n_windows, *self.shape), dtype=float32]
        """
        mean, scale = self._statistics
        laid_out = features if self.layout == "sequence" else flatten(features, self.features)
        return np.asarray((laid_out - mean) / scale).reshape(-1, *self.shape)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> InputConfig:
        """Make it from ``dataclasses.asdict``'s result, read back from JSON.

        Parameters
        ----------
        settings : dict
            Values by name.

        Returns
        -------
        config : InputConfig

        Raises
        ------
        ConfigError
            If an entry is missing, of another type or out of range.
        """
        try:
            return cls(
                features=FeatureConfig.from_dict(settings["features"]),
                window=WindowConfig.from_dict(settings["window"]),
                layout=settings["layout"],
                mean=tuple(settings["mean"]),
                scale=tuple(settings["scale"]),
            )
        except KeyError as error:
            raise ConfigError(f"the input settings lack the entry {error}") from None
        except TypeError as error:
            raise ConfigError(f"the input settings do not fit: {error}") from None
