"""The calibration kernel: a fixed piece of NumPy work, in whose times all others are told as well.

A machine that is twice as fast, or whose processor has just been slowed down, does the kernel and
the rest in half, or more, of the time: what is left, when one is divided by the other, is the
code. It does what the features do, Fourier transforms of 32 frames and a matrix product, and takes
about as long for each; see ``docs/benchmarking.md``. To change it is to change a unit of measure,
and with it the version of the schema.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Kernel:
    """The work, with its numbers at hand.

    Examples
    --------
    >>> Kernel()().shape
    (192, 192)
    """

    def __init__(self) -> None:
        # No random numbers: NumPy promises those of a seed for its old generators alone, and
        # these take any value as fast as any other.
        self._frames = np.sin(np.arange(32 * 2048, dtype=np.float64)).reshape(32, 2048)
        self._matrix = np.cos(np.arange(192 * 192, dtype=np.float32)).reshape(192, 192)

    def __call__(self) -> NDArray[np.float32]:
        """Transform the frames and multiply the matrix by itself."""
        np.fft.rfft(self._frames)
        return np.asarray(self._matrix @ self._matrix)
