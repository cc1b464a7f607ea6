"""Where the network listens: windows of fixed length, laid over a clip of any length.

A window is a stretch of samples, and features are computed inside it, so that a clip, a stream and
a graph that takes the waveform see the same numbers. A clip longer than the window is covered by
several; a shorter one is repeated to fill it, which, unlike zeros, does not tell the network how
long the recording was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import ConfigError

PLACEMENTS = ("offset", "speech")

_MOST_S = 60.0
_LEVEL_FRAME_S = 0.025
_SPEECH_RANGE_DB = 30.0


@dataclass(frozen=True)
class WindowConfig:
    """How windows are laid over a clip.

    Parameters
    ----------
    duration_s : float in [0.1, 60]
        Length of a window [s].
    hop_s : float in [0.05, 60]
        At most this far apart are the starts of two windows on one clip [s].
    placement : {"offset", "speech"}
        What has to be covered: all from ``offset_s`` on, as the published recipe takes it, or the
        part from the first to the last frame within 30 dB of the loudest.
    offset_s : float in [0, 60]
        Where placement ``"offset"`` starts [s]; earlier where the clip is too short for it.

    Raises
    ------
    ConfigError
        For a value outside these ranges.

    Examples
    --------
    >>> WindowConfig(duration_s=3.0, hop_s=1.5).n_samples(16000)
    48000
    """

    duration_s: float = 2.5
    hop_s: float = 1.25
    placement: str = "speech"
    offset_s: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("duration_s", 0.1), ("hop_s", 0.05), ("offset_s", 0.0)):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and least <= value <= _MOST_S):
                raise ConfigError(f"{name}={value!r}; expected {least} to {_MOST_S:g} seconds")
        if self.placement not in PLACEMENTS:
            raise ConfigError(f"placement={self.placement!r}; expected one of {PLACEMENTS}")

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> WindowConfig:
        """Make the settings from ``dataclasses.asdict``'s result, read back from JSON.

        Parameters
        ----------
        settings : dict
            Values by name; those left out keep their default.

        Returns
        -------
        config : WindowConfig

        Raises
        ------
        ConfigError
            For an unknown name or a value out of range.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(settings, dict) or not set(settings) <= set(names):
            raise ConfigError(
                f"the window settings do not fit: {settings!r}; expected some of {', '.join(names)}"
            )
        return cls(**settings)

    def n_samples(self, sample_rate: int) -> int:
        """Return the length of a window in samples.

        Parameters
        ----------
        sample_rate : int > 0
            Samples a second [Hz].

        Returns
        -------
        n_samples : int
        """
        return round(self.duration_s * sample_rate)


def window_starts(
    samples: NDArray[np.float32], config: WindowConfig, sample_rate: int
) -> NDArray[np.int64]:
    """Place windows over a clip.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        The clip.
    config : WindowConfig
        Length, distance and placement of the windows.
    sample_rate : int > 0
        Samples a second [Hz].

    Returns
    -------
    starts : np.ndarray [shape=(n_windows,), dtype=int64]
        First sample of each window, ascending. One window, starting at 0, where the clip is not
        longer than a window.

    Examples
    --------
    >>> config = WindowConfig(duration_s=2.0, hop_s=1.0)
    >>> window_starts(np.ones(50, np.float32), config, sample_rate=10).tolist()
    [0, 10, 20, 30]
    """
    length = config.n_samples(sample_rate)
    last = len(samples) - length
    if last <= 0:
        return np.zeros(1, dtype=np.int64)
    if config.placement == "offset":
        first, stop = min(round(config.offset_s * sample_rate), last), len(samples)
    else:
        first, stop = _speech_span(samples, sample_rate)
    spare = stop - first - length
    if spare <= 0:
        middle = (first + stop - length) // 2
        return np.array([min(max(middle, 0), last)], dtype=np.int64)
    count = 1 + math.ceil(spare / round(config.hop_s * sample_rate))
    return np.linspace(first, stop - length, count).astype(np.int64)


def cut_window(samples: NDArray[np.float32], start: int, length: int) -> NDArray[np.float32]:
    """Take a window out of a clip; a clip that ends before is repeated.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        The clip.
    start : int in [0, n)
        The window's first sample.
    length : int > 0
        The window's length, in samples.

    Returns
    -------
    window : np.ndarray [shape=(length,), dtype=float32]
        A view of the clip, where that is long enough.

    Examples
    --------
    >>> cut_window(np.array([1, 2, 3], np.float32), 0, 7)
    array([1., 2., 3., 1., 2., 3., 1.], dtype=float32)
    """
    if start + length <= len(samples):
        return samples[start : start + length]
    return np.resize(samples[start:], length)


def _speech_span(samples: NDArray[np.float32], sample_rate: int) -> tuple[int, int]:
    frame = max(1, round(_LEVEL_FRAME_S * sample_rate))
    n_frames = math.ceil(len(samples) / frame)
    squares = np.zeros(n_frames * frame)
    np.multiply(samples, samples, out=squares[: len(samples)], dtype=np.float64)
    energy = squares.reshape(n_frames, frame).sum(axis=1)
    loud = np.flatnonzero(energy >= energy.max() * 10 ** (-_SPEECH_RANGE_DB / 10))
    return int(loud[0]) * frame, min(int(loud[-1] + 1) * frame, len(samples))
