"""Run model files; each interpreter is imported only when it opens one."""

from ser_edge.backends.interpreters import INTERPRETERS, Backend, Interpreter
from ser_edge.backends.opening import open_model

__all__ = ["INTERPRETERS", "Backend", "Interpreter", "open_model"]
