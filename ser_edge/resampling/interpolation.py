"""Interpolate a signal that is oversampled twofold, for any ratio of sample rates.

Each output is a weighted sum of the eight nearest samples. The weights are a Kaiser-Bessel kernel

    k(t) = I0(beta * sqrt(1 - (2t / w)^2)) / I0(beta),  |t| < w / 2,  w = 8

(Jackson et al. 1991, "Selection of a convolution function for Fourier inversion using gridding").
Its gain K falls towards higher frequencies; the filter before it compensates that. From 3/4 of the
sample rate on, where the images of a signal below 1/4 begin, K is nearly zero.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

WIDTH = 8
"""Samples per output; chosen for speed and the response of soxr HQ, see docs/decisions.md."""

# The main lobe of K ends at about 3/4 of the sample rate (beta = pi w f), where the images begin.
_BETA = 0.75 * math.pi * WIDTH


def kernel_gain(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the gain K at frequencies in cycles per sample, 0 to 0.5.

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.resampling.interpolation import kernel_gain
    >>> gain = kernel_gain(np.array([0.0, 0.25, 0.5]))
    >>> (gain / gain[0]).round(3)
    array([1.   , 0.361, 0.011])
    """
    # The kernel's Fourier transform: w sinh(s) / (s I0(beta)), s = sqrt(beta^2 - (pi w f)^2).
    s = np.sqrt(_BETA**2 - (math.pi * WIDTH * frequencies) ** 2)
    return np.asarray(WIDTH * np.sinh(s) / (s * np.i0(_BETA)))


class Interpolation:
    """Interpolate one signal, piece by piece, at points ``step / parts`` samples apart.

    Parameters
    ----------
    step, parts : int > 0
        The distance of the points. The weights are a table of ``8 * parts`` numbers.
    start : int >= 3
        The sample at which the first point lies.

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.resampling.interpolation import Interpolation, kernel_gain
    >>> phase = 0.1 * np.arange(0.0, 10.0)
    >>> interpolate = Interpolation(step=5, parts=4, start=3)
    >>> y = interpolate(np.sin(phase).astype(np.float32)) / kernel_gain(np.array(0.1 / (2 * np.pi)))
    >>> y.shape, bool(np.abs(y - np.sin([0.3, 0.425, 0.55])).max() < 1e-6)
    ((3,), True)
    """

    def __init__(self, step: int, parts: int, start: int) -> None:
        self._step, self._parts = step, parts
        self._weights = _weights(parts)
        # Samples still needed, and the first one of the next output, in units of 1 / parts.
        self._pending = np.empty(0, np.float32)
        self._at = (start - (WIDTH // 2 - 1)) * parts

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Process the next samples and return the output so far."""
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
    """Return the weights of the nearest samples for every phase [shape=(8, parts)]."""
    weights = np.empty((WIDTH, parts), np.float32)
    # Row by row: `np.i0` needs ten times the memory of its result, 67 MB for 191999 Hz.
    for k, row in enumerate(weights):
        t = k - (WIDTH // 2 - 1) - np.arange(parts) / parts
        root = np.sqrt(np.maximum(0.0, 1.0 - (2 * t / WIDTH) ** 2))
        row[:] = np.i0(_BETA * root) / np.i0(_BETA)
    return weights
