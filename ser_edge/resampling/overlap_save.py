"""Filter a signal and change its rate by L/M with FFTs, block by block (overlap-save).

M input samples last as long as L output samples. A block of k such periods has kM samples before
and kL after, and the first bins of both spectra mean the same frequencies, so that the change of
rate is one FFT, one product with the filter's gain G at those bins, and one inverse FFT of the
other length:

    y = irfft(G * rfft(x, kM), kL) * L / M

The FFT wraps around; only outputs further from the block's ends than the filter reaches are kept,
and blocks overlap by that much, so the result is that of one filter over the whole signal.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Samples transformed in one call: few enough to stay in the cache.
_BATCH = 1 << 15


@dataclass(frozen=True, eq=False)
class BlockFilter:
    """A filter, a ratio of rates, and the blocks in which they are applied.

    Parameters
    ----------
    up, down : int > 0
        The ratio L/M.
    periods : int > 0
        Length k of a block, of which ``guard`` at either end are within the filter's reach.
    guard : int >= 0
        ``2 * guard < periods``.
    gain : np.ndarray [shape=(periods * min(up, down) // 2 + 1,), dtype=float64]
        The gain G at the bins that a block has both before and after.
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
    """A `BlockFilter` at work on one signal.

    Parameters
    ----------
    block_filter : BlockFilter
        What to apply.
    lead : int >= 0
        Where the result begins: so many periods ahead of the signal.

    Examples
    --------
    >>> import numpy as np
    >>> from ser_edge.resampling.overlap_save import BlockFilter, OverlapSave
    >>> keep_all = BlockFilter(up=1, down=1, periods=8, guard=2, gain=np.ones(5))
    >>> process = OverlapSave(keep_all, lead=1)
    >>> list(process(np.ones(2, np.float32))), list(process(np.ones(5, np.float32)))
    ([], [array([0., 1., 1., 1.], dtype=float32)])
    """

    def __init__(self, block_filter: BlockFilter, lead: int = 0) -> None:
        self._filter = block_filter
        # What no block was over yet, and what the next overlaps the last by.
        self._pending = np.zeros((block_filter.guard + lead) * block_filter.down, np.float32)
        # A product of real numbers is exact to one rounding, whatever the length of the loop: a
        # signal gives the same bits in pieces of any length.
        self._gain = np.repeat(block_filter.gain * (block_filter.up / block_filter.down), 2)

    def __call__(self, samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Take in the next samples, and yield what they complete."""
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
            # In float64: NumPy's float32 transforms are slower, or none.
            spectra = np.fft.rfft(blocks[first : first + at_once].astype(np.float64))
            shared = spectra.view(np.float64)[:, : self._gain.size]
            shared *= self._gain
            y = np.fft.irfft(spectra, f.periods * f.up)
            kept = y[:, f.guard * f.up : (f.periods - f.guard) * f.up]
            yield kept.astype(np.float32).reshape(-1)
