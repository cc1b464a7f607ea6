"""How often each call is measured, after MLPerf Tiny and LiteRT's benchmark tool."""

from __future__ import annotations

from dataclasses import dataclass

from ser_edge.checks import check_number
from ser_edge.choices import MAX_THREADS

QUICK = {"processes": 1, "warmup_runs": 2, "warmup_s": 0.0, "runs": 20, "seconds": 0.0}
"""The settings of ``--quick``: for a look, too few for a comparison."""

MIN_PROCESSES = 3
"""Fewest processes of a run that is compared: they show how much processes differ by chance."""


@dataclass(frozen=True)
class Plan:
    """How often each call is measured: until both the number of runs and the time are reached."""

    threads: int = 1  # of one inference, and of NumPy's matrix products
    processes: int = 3  # fresh processes, one after the other
    warmup_runs: int = 10  # discarded runs of each process
    warmup_s: float = 0.5  # discarded time of each variant
    runs: int = 200  # measured runs of each process
    seconds: float = 2.0  # measured time of each variant

    def __post_init__(self) -> None:
        check_number("threads", self.threads, 1, MAX_THREADS, integer=True)
        check_number("processes", self.processes, 1, 100, integer=True)
        check_number("warmup_runs", self.warmup_runs, 0, 1_000_000, integer=True)
        check_number("warmup_s", self.warmup_s, 0, 3600, unit="seconds")
        check_number("runs", self.runs, 1, 1_000_000, integer=True)
        check_number("seconds", self.seconds, 0, 3600)
