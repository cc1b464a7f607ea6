"""Which CPUs measured processes are kept on, so that none moves to another, colder one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")


def cpus_for(threads: int) -> tuple[int, ...]:
    """Choose CPUs for so many threads: the fastest there are, and not the first, which has chores.

    Parameters
    ----------
    threads : int > 0
        Threads of the process.

    Returns
    -------
    cpus : tuple of int
        Empty where the system does not let a process choose.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    allowed = os.sched_getaffinity(0)
    return tuple(sorted(allowed, key=lambda cpu: (_highest_khz(cpu), cpu))[-threads:])


@contextmanager
def children_on(cpus: Sequence[int]) -> Iterator[bool]:
    """Let processes that are started in here run on these CPUs alone.

    Yields
    ------
    pinned : bool
        Whether the system allows it.
    """
    if not cpus:
        yield False
        return
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cpus)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setaffinity(0, allowed)


def _highest_khz(cpu: int) -> int:
    """Return the clock that a CPU may reach, 0 where it is unknown."""
    try:
        return int((_CPUS / f"cpu{cpu}" / "cpufreq" / "cpuinfo_max_freq").read_text("ascii"))
    except (OSError, ValueError):
        return 0
