"""Filter a signal and change its rate by L/M with FFTs, block by block (overlap-save).

M input samples last as long as L output samples. A block of k such periods has kM samples at the
input and kL at the output. The first bins of both spectra are the same frequencies. So the change
of rate is one FFT, a product with the filter's gain G at those bins, and an inverse FFT:

    y = irfft(G * rfft(x, kM), kL) * L / M

The FFT wraps around. Outputs nearer to the ends of a block than the filter's half length are
dropped, and blocks overlap by that much; the result is that of one filter over the whole signal.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Samples per FFT call: few enough for the cache.
_BATCH = 1 << 15


@dataclass(frozen=True, eq=False)
class BlockFilter:
    """A filter, a ratio of rates, and the length of the blocks.

    Parameters
    ----------
    up, down : int > 0
        The ratio L/M.
    periods : int > 0
        Length k of a block.
    guard : int >= 0
        Periods dropped at either end, the filter's half length; ``2 * guard < periods``.
    gain : np.ndarray [shape=(periods * min(up, down) // 2 + 1,), dtype=float64]
        The gain G at the bins that both spectra have.
    """

    up: int
    down: int
    periods: int
    guard: int
    gain: NDArray[np.float64]

    @property
    def hop(self) -> int:
        """Input samples from one block to the next."""
        return (self.periods - 2 * self.guard) * self.down


class OverlapSave:
    """Apply a `BlockFilter` to one signal, piece by piece.

    Parameters
    ----------
    block_filter : BlockFilter
        The filter.
    lead : int >= 0
        Number of periods before the signal at which the output starts.

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.resampling.overlap_save import BlockFilter, OverlapSave
    >>> keep_all = BlockFilter(up=1, down=1, periods=8, guard=2, gain=np.ones(5))
    >>> apply = OverlapSave(keep_all, lead=1)
    >>> list(apply(np.ones(2, np.float32))), list(apply(np.ones(5, np.float32)))
    ([], [array([0., 1., 1., 1.], dtype=float32)])
    """

    def __init__(self, block_filter: BlockFilter, lead: int = 0) -> None:
        self._filter = block_filter
        # Samples of the next block that are known already.
        self._pending = np.zeros((block_filter.guard + lead) * block_filter.down, np.float32)
        # Real and imaginary parts are multiplied as real numbers: unlike a complex product, the
        # bits do not depend on the length of the loop, and so not on how the signal is cut.
        self._gain = np.repeat(block_filter.gain * (block_filter.up / block_filter.down), 2)

    def __call__(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Process the next samples and yield the output so far."""
        f = self._filter
        pending = np.concatenate((self._pending, samples))
        length = f.periods * f.down
        n_blocks = max(0, (pending.size - length) // f.hop + 1)
        self._pending = pending[n_blocks * f.hop :]
        strides = (f.hop * pending.itemsize, pending.itemsize)
        shape = n_blocks, length
        blocks: NDArray[np.float32] = np.ndarray(shape, np.float32, pending, strides=strides)
        at_once = max(1, _BATCH // (f.periods * max(f.up, f.down)))
        for first in range(0, n_blocks, at_once):
            # In float64: NumPy's float32 FFT is slower, or missing.
            spectra = np.fft.rfft(blocks[first : first + at_once].astype(np.float64))
            shared = spectra.view(np.float64)[:, : self._gain.size]
            shared *= self._gain
            y = np.fft.irfft(spectra, f.periods * f.up)
            kept = y[:, f.guard * f.up : (f.periods - f.guard) * f.up]
            yield kept.astype(np.float32).reshape(-1)
