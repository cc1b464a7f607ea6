"""Times of a call: what it took, and what it would have taken had nobody else wanted the CPU.

On a machine that has other work, the system takes the CPU away for some milliseconds, often for
longer than the call itself takes. Linux counts for each thread how long it was ready to run and
had to wait (``/proc/self/schedstat``), and that is subtracted. Where a call waits of its own
accord, for a disk or a lock, nothing is; nor is what other threads of an interpreter wait.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter

_PATH = "/proc/self/schedstat"


class Stopwatch:
    """Times calls; elsewhere than on Linux, both times of a call are the same.

    Examples
    --------
    >>> wall_s, own_s = Stopwatch().time(lambda: sum(range(1000)))
    >>> 0 < own_s <= wall_s
    True
    """

    def __init__(self) -> None:
        self._file: int | None = None
        try:
            self._file = os.open(_PATH, os.O_RDONLY)
            self.waited_s()
        except (OSError, ValueError, IndexError):  # no Linux, or one that does not count
            self.close()

    @property
    def counts_waiting(self) -> bool:
        """Whether the system tells how long a thread waits."""
        return self._file is not None

    def time(self, call: Callable[[], object]) -> tuple[float, float]:
        """Call it.

        Returns
        -------
        wall_s, own_s : float
            What it took, and that without waiting for the CPU [s].
        """
        waited_s = self.waited_s()
        started = perf_counter()
        call()
        wall_s = perf_counter() - started
        # The two clocks are read one after the other, so it may seem to have waited all along.
        return wall_s, max(wall_s - (self.waited_s() - waited_s), 1e-9)

    def waited_s(self) -> float:
        """Return how long this thread has waited for the CPU since its start [s]."""
        if self._file is None:
            return 0.0
        return 1e-9 * int(os.pread(self._file, 128, 0).split()[1])

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
        self._file = None
