"""Run a job in a process of its own, which may crash or hang without harm."""

from ser_edge.isolated.process import Outcome, run_isolated

__all__ = ["Outcome", "run_isolated"]
