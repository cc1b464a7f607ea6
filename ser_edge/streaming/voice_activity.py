"""Where somebody speaks: levels above a floor that follows the noise of the place."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

_LOWEST_DB = -100.0


class VoiceActivityDetector:
    """Tell stretches of equal length with speech in them from those without.

    The floor is the lowest level of the last while (minimum statistics, Martin 2001): speech has
    pauses, and a steady noise has not. What lies a margin above it is speech.

    Parameters
    ----------
    block : int > 0
        Samples over which a level is taken; about 25 ms.
    margin_db : float
        How far speech lies above the floor [dB].
    least_db : float
        What is lower is never speech [dB of full scale].
    n_remembered : int > 0
        For how many stretches a floor is remembered.

    Attributes
    ----------
    level_db, floor_db : float
        Of the stretch heard last: its loudest block, and the floor [dB of full scale].

    Examples
    --------
    >>> gate = VoiceActivityDetector(block=100)
    >>> noise = 0.01 * np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    >>> gate(noise), gate(np.concatenate([noise[:2000], 20 * noise[2000:]])), gate(noise)
    (0.0, 0.6, 0.0)
    """

    def __init__(
        self,
        block: int,
        margin_db: float = 10.0,
        least_db: float = -60.0,
        n_remembered: int = 20,
    ) -> None:
        self._block, self._margin_db, self._least_db = block, margin_db, least_db
        self._lowest: deque[float] = deque(maxlen=n_remembered)
        self.level_db = self.floor_db = _LOWEST_DB

    def __call__(self, samples: NDArray[np.float32]) -> float:
        """Listen to the next stretch.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,), dtype=float32]
            Whole blocks; what is left over is not heard.

        Returns
        -------
        share : float in [0, 1]
            Of its blocks, those with speech.
        """
        blocks = samples[: len(samples) // self._block * self._block].reshape(-1, self._block)
        # So few that Python is quicker than NumPy.
        energies: list[float] = np.einsum("bn,bn->b", blocks, blocks).tolist()
        self._lowest.append(self._in_db(min(energies)))
        self.floor_db = min(self._lowest)
        self.level_db = self._in_db(max(energies))
        least_db = max(self.floor_db + self._margin_db, self._least_db)
        least = 10 ** (least_db / 10) * self._block
        return sum(energy > least for energy in energies) / len(energies)

    def _in_db(self, energy: float) -> float:
        return 10 * math.log10(max(energy / self._block, 10 ** (_LOWEST_DB / 10)))
