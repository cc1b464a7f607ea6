"""The stopwatch, and the calibration kernel as a unit of time."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

_SCHEDSTAT = "/proc/self/schedstat"


class Kernel:
    """A fixed piece of NumPy work. Times are given in milliseconds and in times of this kernel.

    On a faster machine, or at a lower clock, kernel and code change alike: their ratio shows the
    code alone. Like the features it does Fourier transforms of 32 frames and a matrix product, each
    about half of the time. To change it needs another format version of the JSON.

    Examples
    --------
    >>> Kernel()().shape
    (192, 192)
    """

    def __init__(self) -> None:
        # No random numbers: NumPy may change its generators. The values do not change the time.
        self._frames = np.sin(np.arange(32 * 2048, dtype=np.float64)).reshape(32, 2048)
        self._matrix = np.cos(np.arange(192 * 192, dtype=np.float32)).reshape(192, 192)

    def __call__(self) -> NDArray[np.float32]:
        np.fft.rfft(self._frames)
        return np.asarray(self._matrix @ self._matrix)


class Stopwatch:
    """Measures a call's wall-clock time, and the same without waiting for the CPU.

    On a busy machine the system takes the CPU away, often for longer than a call. Linux counts how
    long a thread was ready to run and had to wait (`_SCHEDSTAT`, second number, in ns). Waiting for
    a disk or a lock is not subtracted. On other systems both times are the same.

    Examples
    --------
    >>> wall_s, own_s = Stopwatch().time(lambda: sum(range(1000)))
    >>> 0 < own_s <= wall_s
    True
    """

    def __init__(self) -> None:
        self._file: int | None = None
        try:
            self._file = os.open(_SCHEDSTAT, os.O_RDONLY)
            self.waited_s()
        except (OSError, ValueError, IndexError):  # not Linux, or a kernel without these counters
            self._file = None
        self.counts_waiting = self._file is not None

    def time(self, call: Callable[[], object]) -> tuple[float, float]:
        """Call, and return its wall-clock time and that without waiting for the CPU [s]."""
        waited_s = self.waited_s()
        start_s = perf_counter()
        call()
        wall_s = perf_counter() - start_s
        # The clocks are read one after the other, so the waiting may seem longer than the call.
        return wall_s, max(wall_s - (self.waited_s() - waited_s), 1e-9)

    def waited_s(self) -> float:
        """Return how long this thread has waited for the CPU since its start [s]."""
        if self._file is None:
            return 0.0
        return 1e-9 * int(os.pread(self._file, 128, 0).split()[1])
