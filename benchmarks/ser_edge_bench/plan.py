"""How much is measured, after MLPerf Tiny and the benchmark tool of LiteRT."""

from __future__ import annotations

from dataclasses import dataclass

from ser_edge.errors import ConfigError

QUICK = {"processes": 1, "warmup_runs": 2, "warmup_s": 0.0, "runs": 20, "seconds": 0.0}
"""What ``--quick`` puts in place of the defaults: for a look, not for figures."""

LEAST_PROCESSES = 3
"""How many processes a run needs to be compared with another."""


@dataclass(frozen=True)
class Plan:
    """How often each thing is run.

    Parameters
    ----------
    threads : int in [1, 64]
        Threads of one inference and of NumPy's products.
    processes : int in [1, 100]
        Fresh processes, one after the other.
    warmup_runs : int in [0, 1000000]
        Runs ahead of those that count, in each process; more where they take less than `warmup_s`.
    warmup_s : float in [0, 3600]
        How long each model file warms up at least [s].
    runs : int in [1, 1000000]
        Runs that count, in each process; more where they take less than `seconds`.
    seconds : float in [0, 3600]
        How long each model file runs at least [s].
    """

    threads: int = 1
    processes: int = 3
    warmup_runs: int = 10
    warmup_s: float = 0.5
    runs: int = 200
    seconds: float = 2.0

    def __post_init__(self) -> None:
        limits = {
            "threads": (1, 64),
            "processes": (1, 100),
            "warmup_runs": (0, 1_000_000),
            "warmup_s": (0, 3600),
            "runs": (1, 1_000_000),
            "seconds": (0, 3600),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ConfigError(f"{name}={value!r}; expected {least} to {most}")
