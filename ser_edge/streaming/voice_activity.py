"""Voice activity detection (VAD): levels above a floor that follows the noise."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from ser_edge.checks import check_number
from ser_edge.streaming.smoothing import StreamConfig

MIN_LEVEL_DB = -60.0
"""Level below which nothing is speech [dB of full scale]; set by hand."""

_LOWEST_DB = -100.0  # digital silence; 16-bit noise is louder


class VoiceActivityDetector:
    """Detect speech in consecutive hops of a signal.

    The noise floor is the lowest level of the last hops (minimum statistics, Martin 2001): speech
    has pauses, steady noise has none. A block is speech if its level is a margin above the floor.

    Parameters
    ----------
    block_length : int > 0
        Samples over which a level is computed; about 25 ms.
    margin_db : float >= 0
        Level of speech above the noise floor [dB].
    min_level_db : float in [-100, 0]
        Level below which nothing is speech [dB of full scale].
    n_history : int > 0
        Hops over which the noise floor is taken.

    Raises
    ------
    ConfigError
        For a value outside these ranges.

    Attributes
    ----------
    level_db, floor_db : float
        Level of the last hop's loudest block, and the noise floor [dB of full scale].

    Examples
    --------
    >>> vad = VoiceActivityDetector(block_length=100)
    >>> noise = 0.01 * np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    >>> vad(noise), vad(np.concatenate([noise[:2000], 20 * noise[2000:]])), vad(noise)
    (0.0, 0.6, 0.0)
    """

    def __init__(
        self,
        block_length: int,
        margin_db: float = StreamConfig.margin_db,
        min_level_db: float = MIN_LEVEL_DB,
        n_history: int = 20,  # set by hand: 10 s at the default hop
    ) -> None:
        check_number("block_length", block_length, 1, integer=True)
        check_number("margin_db", margin_db, 0)
        check_number("min_level_db", min_level_db, _LOWEST_DB, 0)
        check_number("n_history", n_history, 1, integer=True)
        self._block_length, self._margin_db = block_length, margin_db
        self._min_level_db = min_level_db
        self._lowest: deque[float] = deque(maxlen=n_history)
        self.level_db = self.floor_db = _LOWEST_DB

    def __call__(self, samples: NDArray[np.float32]) -> float:
        """Process the next hop.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            Whole blocks; the remainder is ignored.

        Returns
        -------
        speech : float in [0, 1]
            Fraction of its blocks that are speech.
        """
        n_blocks = len(samples) // self._block_length
        blocks = samples[: n_blocks * self._block_length].reshape(n_blocks, -1)
        # Lists: for so few blocks Python is faster than NumPy.
        energies: list[float] = np.einsum("bn,bn->b", blocks, blocks).tolist()
        self._lowest.append(self._decibels(min(energies)))
        self.floor_db = min(self._lowest)
        self.level_db = self._decibels(max(energies))
        threshold_db = max(self.floor_db + self._margin_db, self._min_level_db)
        threshold = 10 ** (threshold_db / 10) * self._block_length
        return sum(energy > threshold for energy in energies) / n_blocks

    def _decibels(self, energy: float) -> float:
        return 10 * math.log10(max(energy / self._block_length, 10 ** (_LOWEST_DB / 10)))
