"""Open a model file with the backend that is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module

import numpy as np

from ser_edge.backends.interpreters import INTERPRETERS, Backend
from ser_edge.checks import check_choice
from ser_edge.errors import BackendError

_MODULES = {".tflite": "tflite", ".onnx": "onnx", ".npz": "numeric"}


def open_model(
    content: bytes, backend: str, source: str | os.PathLike[str], *, threads: int = 1
) -> Backend:
    """Open a model file.

    Parameters
    ----------
    content : bytes
        Content of a ``.tflite``, ``.onnx`` or ``.npz`` file.
    backend : str
        A key of `INTERPRETERS`.
    source : path
        The file, for messages; it is not read.
    threads : int > 0
        Threads per inference; one is fastest for networks of this size. Without effect on
        ``numeric``; see `ser_edge.backends.numeric`.

    Returns
    -------
    model : Backend

    Raises
    ------
    BackendError
        If the interpreter is not installed, does not load or cannot open the file.
    ConfigError
        If there is no such backend.
    """
    check_choice("backend", backend, INTERPRETERS)
    interpreter = INTERPRETERS[backend]
    if interpreter.installed and not interpreter.usable:
        raise BackendError(
            f"{interpreter.package} was built for NumPy {interpreter.max_numpy}, but NumPy is "
            f"{np.__version__}",
            f"pip install 'ser-edge[litert]', or 'numpy<{interpreter.max_numpy + 1}'",
        )
    module = f"ser_edge.backends.{_MODULES[interpreter.suffix]}"
    opener: Callable[..., Backend] = import_module(module).open_model
    return opener(content, source, package=interpreter.package, threads=threads)
