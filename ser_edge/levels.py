"""Levels of a recording's frames, and which of them are speech.

`ser_edge.streaming.voice_activity` does this for live audio. Here the whole recording is known: the
noise floor of a frame is the lowest level of the seconds before and after it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.025  # a usual frame of speech analysis

MIN_SPEECH_S = 0.2
"""A recording with less speech has no label. Each of 9704 clips of 7 corpora, of single words and
of sentences, has 0.4 s or more."""

_MARGIN_DB = 6.0  # white noise varies by 2 dB; speech at 5 dB above noise passes
_FLOOR_S = 5.0  # before and after a frame; speech pauses more often than that
_ZERO = 1e-14  # -140 dB: digital silence, also as float; 16-bit noise is louder


class FrameLevels:
    """Levels of a recording that arrives in pieces; a few bytes for each frame.

    Parameters
    ----------
    sample_rate : int > 0
        In Hz.

    Attributes
    ----------
    frame_length : int
        Samples of a frame.
    n_samples : int
        Number of samples so far.
    peak : float
        Their highest absolute value.

    Examples
    --------
    >>> noise = 0.01 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    >>> levels = FrameLevels(16000)
    >>> levels.feed(noise)
    >>> levels.state
    'silence'
    >>> levels.feed(8 * noise)
    >>> levels.state, int(levels.speech().sum())
    ('speech', 40)
    """

    def __init__(self, sample_rate: int) -> None:
        self.frame_length = max(1, round(FRAME_S * sample_rate))
        self.n_samples = 0
        self.peak = 0.0
        self._rest = np.empty(0, np.float32)
        self._sums: list[NDArray[np.float64]] = []  # of the squares and of the samples

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Process the next samples."""
        self.n_samples += len(samples)
        self.peak = max(self.peak, float(np.abs(samples).max(initial=0)))
        samples = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        n_whole = len(samples) // self.frame_length * self.frame_length
        self._rest = samples[n_whole:].copy()
        if n_whole:
            self._sums.append(self._sums_of(samples[:n_whole]))

    def _sums_of(self, samples: NDArray[np.float32]) -> NDArray[np.float64]:
        frames = samples.reshape(-1, self.frame_length).astype(np.float64)
        squares = (frames * frames).sum(axis=1)
        return np.stack([squares, frames.sum(axis=1)], axis=1)

    def energies(self) -> NDArray[np.float64]:
        """Return the sum of squares of each frame; the last frame may be shorter."""
        padded = np.zeros(self.frame_length, np.float32)
        padded[: len(self._rest)] = self._rest
        last = [self._sums_of(padded)] if len(self._rest) else []
        sums = np.concatenate([np.empty((0, 2)), *self._sums, *last])
        return np.ascontiguousarray(sums[:, 0])

    def speech(
        self, margin_db: float = _MARGIN_DB, min_level_db: float = -math.inf
    ) -> NDArray[np.bool_]:
        """Detect speech in each whole frame.

        Parameters
        ----------
        margin_db : float
            Level of speech above the noise floor [dB].
        min_level_db : float
            Level below which nothing is speech [dB of full scale].

        Returns
        -------
        speech : np.ndarray [shape=(n_frames,), dtype=bool]
        """
        if not self._sums:
            return np.zeros(0, np.bool_)
        sums = np.concatenate(self._sums) / self.frame_length
        levels = sums[:, 0] - sums[:, 1] ** 2  # without an offset
        # Digital silence is no noise floor, and a frame beside it may be silent in part.
        zero = np.pad(levels < _ZERO, 1)
        near_zero = zero[:-2] | zero[1:-1] | zero[2:]
        reach = round(_FLOOR_S / FRAME_S)
        noise = np.pad(np.where(near_zero, np.inf, levels), reach, constant_values=np.inf)
        around = np.lib.stride_tricks.sliding_window_view(noise, 2 * reach + 1)
        threshold = np.maximum(around.min(axis=1) * 10 ** (margin_db / 10), _ZERO)
        return np.asarray(levels > np.maximum(threshold, 10 ** (min_level_db / 10)))

    @property
    def state(self) -> str:
        """``"speech"``, ``"uncertain"`` if there is too little, ``"silence"`` if there is none."""
        speech = self.speech()
        if speech.sum() * FRAME_S >= MIN_SPEECH_S - 1e-9:
            return "speech"
        # A recording that is too short for speech cannot be distinguished from silence.
        long_enough = len(speech) * FRAME_S >= MIN_SPEECH_S
        return "silence" if long_enough and not speech.any() else "uncertain"
