"""From a clip to the network's input: windows, features, layout, standardisation.

Training and device both use this module, so their inputs are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.checks import check_choice, check_number
from ser_edge.errors import AudioError, ConfigError
from ser_edge.features import FeatureConfig, FeatureExtractor, flatten
from ser_edge.levels import FrameLevels
from ser_edge.window import WindowConfig, cut_window, place_windows

LAYOUTS = ("sequence", "flat")

MIN_PEAK = 1e-4
"""A clip with a lower peak (-80 dB of full scale, 3 steps of 16-bit PCM) is silent."""

MAX_PEAK = 100.0
"""A clip with a higher peak is not scaled to ±1: probably 16-bit values as floats."""

# Limit for settings from an untrusted manifest: frames of a window, times the approximate cost of
# each. 60 s at 48 kHz with n_fft=2048 and hop_length=512 is legal; larger windows take minutes and
# gigabytes.
_MAX_WINDOW_COST = 1 << 24
_MAX_STATISTIC, _MIN_SCALE = 1e12, 1e-12  # far beyond any feature, and safe in float32


def check_scaled(peak: float) -> None:
    """Raise `AudioError` for the peak of a signal that is not scaled to ±1."""
    if peak > MAX_PEAK:
        raise AudioError(
            f"has a peak of {peak:.4g}, expected samples within ±1",
            "divide the samples by their full scale",
        )


class Frontend:
    """Place windows over a clip and compute the features of each.

    Parameters
    ----------
    features : FeatureConfig
        Feature settings.
    window : WindowConfig
        Length and placement of the windows.

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
        """Compute the features of all windows of a clip.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            The clip, at the sample rate of the features.

        Returns
        -------
        features : np.ndarray [shape=(n_windows, n_frames, n_columns), dtype=float32]
        starts : np.ndarray [shape=(n_windows,), dtype=int64]
            First sample of each window.

        Raises
        ------
        AudioError
            If the clip is silent, empty, not finite, or not scaled to ±1.
        """
        starts = self.starts(samples)
        return np.stack([self.window_features(samples, start) for start in starts]), starts

    def starts(self, samples: NDArray[np.float32]) -> NDArray[np.int64]:
        """Check the level of a clip and return the first sample of each window."""
        levels = FrameLevels(self._extract.config.sample_rate)
        levels.feed(samples)
        return self.place(levels)

    def place(self, levels: FrameLevels) -> NDArray[np.int64]:
        """Do the same for a clip of which only the levels are known."""
        peak = levels.peak
        if peak < MIN_PEAK:
            raise AudioError(
                f"is silent: its peak is {peak:.2g} of full scale, expected at least {MIN_PEAK:g}",
                "check the microphone and its gain",
            )
        check_scaled(peak)
        return place_windows(levels, self.window, self._extract.config.sample_rate)

    def window_features(self, samples: NDArray[np.float32], start: int) -> NDArray[np.float32]:
        """Compute the features of the window at ``start`` [shape=(n_frames, n_columns)]."""
        return self._extract(cut_window(samples, start, self.window_samples))


@dataclass(frozen=True)
class InputConfig:
    """Features, layout and standardisation of the network's input.

    Parameters
    ----------
    features : FeatureConfig
        Feature settings.
    window : WindowConfig
        Length and placement of the windows.
    layout : {"sequence", "flat"}
        Shape (frames, columns), or the published vector of shape (frames * columns, 1).
    mean, scale : tuple of float
        Subtracted from each column (``"sequence"``) or element (``"flat"``), and its divisor.
    """

    features: FeatureConfig
    window: WindowConfig
    layout: str
    mean: tuple[float, ...] = field(repr=False)
    scale: tuple[float, ...] = field(repr=False)

    def __post_init__(self) -> None:
        check_choice("layout", self.layout, LAYOUTS)
        frames, columns = self.window_shape
        max_frames = _MAX_WINDOW_COST // (self.features.n_fft + 2 * self.features.n_mels + 256)
        if not 1 <= frames <= max_frames:
            raise ConfigError(
                f"a window of duration_s={self.window.duration_s} has {frames} frames, expected 1 "
                f"to {max_frames}",
                "choose another duration_s or hop_length",
            )
        n_values = columns if self.layout == "sequence" else frames * columns
        for name, values, low in (
            ("mean", self.mean, -_MAX_STATISTIC),
            ("scale", self.scale, _MIN_SCALE),
        ):
            if len(values) != n_values:
                raise ConfigError(f"{name} has {len(values)} values, expected {n_values}")
            for position, value in enumerate(values):
                check_number(f"{name}[{position}]", value, low, _MAX_STATISTIC)

    @property
    def window_samples(self) -> int:
        """Length of one window in samples."""
        return self.window.n_samples(self.features.sample_rate)

    @property
    def window_shape(self) -> tuple[int, int]:
        """Frames and columns of one window's features."""
        return self.features.n_frames(self.window_samples), len(self.features.columns)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the network's input for one window."""
        frames, columns = self.window_shape
        return (frames, columns) if self.layout == "sequence" else (frames * columns, 1)

    @cached_property
    def _statistics(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.asarray(self.mean, np.float32), np.asarray(self.scale, np.float32)

    def network_inputs(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Lay out and standardise features [shape=(n_windows, n_frames, n_columns)]."""
        mean, scale = self._statistics
        laid_out = features if self.layout == "sequence" else flatten(features, self.features)
        return np.asarray((laid_out - mean) / scale).reshape(-1, *self.shape)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> InputConfig:
        """Create it from JSON, as `dataclasses.asdict` wrote it. Raises `ConfigError`."""
        try:
            return cls(
                features=FeatureConfig.from_dict(settings["features"]),
                window=WindowConfig.from_dict(settings["window"]),
                layout=settings["layout"],
                mean=tuple(settings["mean"]),
                scale=tuple(settings["scale"]),
            )
        except KeyError as error:
            raise ConfigError(f"the input settings have no entry {error}") from None
        except TypeError as error:
            raise ConfigError(f"the input settings have the wrong type: {error}") from None
