"""Windows of fixed length, placed over a clip of any length.

Features are computed from the samples of one window only. So a clip, a stream and a model with
audio input see the same numbers. Several windows cover a long clip. A short clip is repeated to
fill one window; padding with zeros would reveal the clip's length to the network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.checks import check_choice, check_number
from ser_edge.errors import ConfigError
from ser_edge.levels import FrameLevels

PLACEMENTS = ("offset", "speech")

_MAX_S = 60.0  # bounds memory and time for settings from an untrusted file
_SPEECH_RANGE_DB = 30.0  # below the loudest frame; the rest counts as pause


@dataclass(frozen=True)
class WindowConfig:
    """Length and placement of windows.

    Parameters
    ----------
    duration_s : float in [0.1, 60]
        Length of a window [s].
    hop_s : float in [0.05, 60]
        Maximum time between the starts of two windows of a clip [s].
    placement : {"offset", "speech"}
        The part of a clip to cover: ``"offset"`` is everything from ``offset_s`` on (the published
        recipe), ``"speech"`` is from the first to the last frame within 30 dB of the loudest.
    offset_s : float in [0, 60]
        Start of placement ``"offset"`` [s]; earlier if the clip is too short.

    Raises
    ------
    ConfigError
        If a value is out of range.

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
        for name, low in (("duration_s", 0.1), ("hop_s", 0.05), ("offset_s", 0.0)):
            check_number(name, getattr(self, name), low, _MAX_S, unit="seconds")
        check_choice("placement", self.placement, PLACEMENTS)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> WindowConfig:
        """Create it from JSON; missing settings keep their default. Raises `ConfigError`."""
        names = [field.name for field in fields(cls)]
        if not isinstance(settings, Mapping) or not set(settings) <= set(names):
            raise ConfigError(f"the window settings are {settings!r}, expected {', '.join(names)}")
        return cls(**settings)

    def n_samples(self, sample_rate: int) -> int:
        """Return the length of a window in samples."""
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
        Length and placement.
    sample_rate : int > 0
        In Hz.

    Returns
    -------
    starts : np.ndarray [shape=(n_windows,), dtype=int64]
        First sample of each window, ascending; one window at 0 if the clip is not longer than it.

    Examples
    --------
    >>> config = WindowConfig(duration_s=2.0, hop_s=1.0)
    >>> window_starts(np.ones(50, np.float32), config, sample_rate=10).tolist()
    [0, 10, 20, 30]
    """
    levels = FrameLevels(sample_rate)
    levels.feed(samples)
    return place_windows(levels, config, sample_rate)


def place_windows(levels: FrameLevels, config: WindowConfig, sample_rate: int) -> NDArray[np.int64]:
    """Place windows over a clip of which only the levels are known; see `window_starts`."""
    length = config.n_samples(sample_rate)
    last = levels.n_samples - length
    if last <= 0:
        return np.zeros(1, dtype=np.int64)
    if config.placement == "offset":
        first, stop = min(round(config.offset_s * sample_rate), last), levels.n_samples
    else:
        first, stop = _speech_span(levels)
    spare = stop - first - length
    if spare <= 0:
        middle = (first + stop - length) // 2
        return np.array([min(max(middle, 0), last)], dtype=np.int64)
    count = 1 + math.ceil(spare / round(config.hop_s * sample_rate))
    return np.linspace(first, stop - length, count).astype(np.int64)


def cut_window(samples: NDArray[np.float32], start: int, length: int) -> NDArray[np.float32]:
    """Return one window; repeat the samples if the clip ends too early.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,), dtype=float32]
        The clip.
    start : int in [0, n)
        First sample of the window.
    length : int > 0
        Length of the window in samples.

    Returns
    -------
    window : np.ndarray [shape=(length,), dtype=float32]
        A view of the clip if that is long enough.

    Examples
    --------
    >>> cut_window(np.array([1, 2, 3], np.float32), 0, 7)
    array([1., 2., 3., 1., 2., 3., 1.], dtype=float32)
    """
    if start + length <= len(samples):
        return samples[start : start + length]
    return np.resize(samples[start:], length)


def cut_windows(
    pieces: Iterable[NDArray[np.float32]], starts: NDArray[np.int64], length: int
) -> Iterator[NDArray[np.float32]]:
    """Cut windows from a clip that arrives in pieces, in constant memory.

    Parameters
    ----------
    pieces : iterable of np.ndarray [shape=(n,), dtype=float32]
        The clip.
    starts : np.ndarray [shape=(n_windows,), dtype=int64]
        First sample of each window, ascending.
    length : int > 0
        Length of a window in samples.

    Yields
    ------
    window : np.ndarray [shape=(length,), dtype=float32]
        As `cut_window` returns it.
    """
    remaining = iter(pieces)
    begin, kept = 0, np.empty(0, np.float32)
    for start in starts.tolist():
        parts, end = [kept], begin + len(kept)
        while end < start + length and (piece := next(remaining, None)) is not None:
            if end <= start:
                parts, begin = [], end
            parts.append(piece)
            end += len(piece)
        kept = np.concatenate(parts)[start - begin :]
        begin = start
        yield cut_window(kept, 0, length)


def _speech_span(levels: FrameLevels) -> tuple[int, int]:
    frame, energy = levels.frame_length, levels.energies()
    loud = np.flatnonzero(energy >= energy.max() * 10 ** (-_SPEECH_RANGE_DB / 10))
    return int(loud[0]) * frame, min(int(loud[-1] + 1) * frame, levels.n_samples)
