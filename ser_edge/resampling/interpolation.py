"""Samples in between samples: any ratio of rates, for a signal that is oversampled twofold.

Each is a weighted sum of the eight samples around it, with a Kaiser-Bessel kernel as weights

    k(t) = I0(beta * sqrt(1 - (2t / w)^2)) / I0(beta),  |t| < w / 2,  w = 8

(Jackson et al. 1991, "Selection of a convolution function for Fourier inversion using gridding").
Its gain K falls towards higher frequencies, which a filter has to undo beforehand, and is next to
nothing from 3/4 of the sample rate on, where the images of a signal below 1/4 of it begin.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

WIDTH = 8
"""How many samples each result is made of."""

_BETA = 0.75 * math.pi * WIDTH


def kernel_gain(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the gain K.

    Parameters
    ----------
    frequencies : np.ndarray [shape=(n,), dtype=float64]
        In cycles per sample, 0 to 0.5.

    Returns
    -------
    np.ndarray [shape=(n,), dtype=float64]

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.resampling.interpolation import kernel_gain
    >>> gain = kernel_gain(np.array([0.0, 0.25, 0.5]))
    >>> (gain / gain[0]).round(3)
    array([1.   , 0.361, 0.011])
    """
    s = np.sqrt(_BETA**2 - (math.pi * WIDTH * frequencies) ** 2)
    return np.asarray(WIDTH * np.sinh(s) / (s * np.i0(_BETA)))


class Interpolation:
    """One signal's samples at equal distances, ``step / parts`` samples apart.

    Parameters
    ----------
    step, parts : int > 0
        The distance; it costs a table of ``8 * parts`` numbers, made once.
    start : int >= 3
        The sample with which the first result coincides.

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.resampling.interpolation import Interpolation, kernel_gain
    >>> slow = 0.1 * np.arange(0.0, 10.0)
    >>> interpolate = Interpolation(step=5, parts=4, start=3)
    >>> y = interpolate(np.sin(slow).astype(np.float32)) / kernel_gain(np.array(0.1 / (2 * np.pi)))
    >>> y.shape, bool(np.abs(y - np.sin([0.3, 0.425, 0.55])).max() < 1e-6)
    ((3,), True)
    """

    def __init__(self, step: int, parts: int, start: int) -> None:
        self._step, self._parts = step, parts
        self._weights = _weights(parts)
        # Samples that are needed still, and the first weighted for the next result, in parts of
        # a sample from the first of them.
        self._pending = np.empty(0, np.float32)
        self._at = (start - (WIDTH // 2 - 1)) * parts

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take in the next samples, and return what they complete."""
        z = np.concatenate((self._pending, samples))
        end = (z.size - WIDTH + 1) * self._parts
        at = np.arange(self._at, end, self._step)
        first = at // self._parts
        phase = at - first * self._parts
        y = np.zeros(at.size, np.float32)
        for k, weights in enumerate(self._weights):
            y += z[k:].take(first) * weights.take(phase)
        at_next = self._at + at.size * self._step
        used = min(at_next // self._parts, z.size)
        self._pending, self._at = z[used:], at_next - used * self._parts
        return y


@lru_cache(maxsize=8)
def _weights(parts: int) -> NDArray[np.float32]:
    """Weights [shape=(8, parts)] of the samples around, for every phase."""
    weights = np.empty((WIDTH, parts), np.float32)
    # Row by row, since `np.i0` takes ten times the memory of its result: for 191999 Hz, 67 MB.
    for k, row in enumerate(weights):
        t = k - (WIDTH // 2 - 1) - np.arange(parts) / parts
        root = np.sqrt(np.maximum(0.0, 1.0 - (2 * t / WIDTH) ** 2))
        row[:] = np.i0(_BETA * root) / np.i0(_BETA)
    return weights
