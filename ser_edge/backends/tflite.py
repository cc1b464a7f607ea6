"""TFLite files, run by LiteRT (``ai_edge_litert``) or the older tflite-runtime.

Both packages hold the same ``Interpreter`` class under two names.
"""

from __future__ import annotations

import threading
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import BackendError


class TFLiteModel:
    """A TFLite model with one input, a batch of one, and one output."""

    def __init__(self, interpreter: Any, name: str, package: str) -> None:
        self._interpreter = interpreter
        self._name = name
        self._package = package
        self._lock = threading.Lock()
        (self._input,) = interpreter.get_input_details()
        (self._output,) = interpreter.get_output_details()

    @property
    def version(self) -> str:
        """The interpreter's package and version."""
        distribution = self._package.replace("_", "-")
        return f"{distribution} {version(distribution)}"

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the logits of each input; see `ser_edge.backends.Backend.run`."""
        expected = tuple(self._input["shape"][1:])
        if inputs.shape[1:] != expected:
            raise BackendError(
                f"{self._name} takes inputs of shape {expected}, not {inputs.shape[1:]}; "
                "the manifest beside it belongs to another model"
            )
        # The interpreter owns one set of tensors, so one thread at a time may use it.
        with self._lock:
            return np.stack([self._run_one(window) for window in inputs])

    def _run_one(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        self._interpreter.set_tensor(self._input["index"], quantise(window, self._input)[None])
        self._interpreter.invoke()
        return dequantise(self._interpreter.get_tensor(self._output["index"])[0], self._output)


def quantise(values: NDArray[np.float32], tensor: dict[str, Any]) -> NDArray[Any]:
    """Turn floats into what a tensor holds, by the scale and zero point that the model states."""
    dtype = np.dtype(tensor["dtype"])
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(dtype)
    levels = np.clip(np.round(values / scale + zero_point), limits.min, limits.max)
    return np.asarray(levels, dtype)


def dequantise(values: NDArray[Any], tensor: dict[str, Any]) -> NDArray[np.float32]:
    """Turn what a tensor holds into floats; the inverse of `quantise` up to rounding."""
    if values.dtype.kind == "f":
        return values.astype(np.float32, copy=False)
    scale, zero_point = tensor["quantization"]
    return np.asarray(scale * (values.astype(np.float32) - zero_point), np.float32)


def open_model(path: Path, *, package: str, threads: int) -> TFLiteModel:
    """Open a TFLite file with the interpreter of ``package``.

    Raises
    ------
    BackendError
        If the interpreter refuses the file.
    ModuleNotFoundError
        If the package is not installed.
    """
    module = import_module(f"{package}.interpreter")
    try:
        interpreter = module.Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise BackendError(
            f"{package} cannot open {path.name}: {first_line(error)}; "
            "export it again, or choose another --backend"
        ) from None
    return TFLiteModel(interpreter, path.name, package)


def first_line(error: Exception) -> str:
    """Return the first line of an interpreter's message, which may run over many."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
