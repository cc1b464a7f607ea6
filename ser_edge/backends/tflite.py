"""TFLite files, run by LiteRT (``ai_edge_litert``) or the older tflite-runtime.

Both packages have the same ``Interpreter`` class.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.interpreters import NotPicklable, check_inputs, check_model, loading, refusal


class TFLiteModel(NotPicklable):
    """A TFLite model with one input, a batch of one, and one output.

    `new_interpreter` opens the model; it is called again in a process that was forked from this
    one. tflite-runtime's threads are missing there, and it would wait for them for ever.
    """

    def __init__(
        self,
        new_interpreter: Callable[[], Any],
        source: str | os.PathLike[str],
        package: str,
    ) -> None:
        self._new_interpreter = new_interpreter
        self._interpreter = interpreter = new_interpreter()
        self._source = source
        self._package = package
        self._lock = threading.Lock()
        _models.add(self)
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        check_model(source, len(inputs), len(outputs))
        self._input, self._output = inputs[0], outputs[0]

    @property
    def version(self) -> str:
        """The interpreter's package and version."""
        # This import takes longer than opening the model.
        from importlib.metadata import version

        distribution = self._package.replace("_", "-")
        return f"{distribution} {version(distribution)}"

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the logits of each input; see `ser_edge.backends.Backend.run`."""
        check_inputs(self._source, inputs, self._input["shape"][1:].tolist())
        try:
            # The interpreter has one set of tensors, so one thread at a time may use it. An
            # interpreter per thread was not faster, and each has a copy of the weights.
            with self._lock:
                self._interpreter = self._interpreter or self._new_interpreter()
                return np.stack([self._run_one(window) for window in inputs])
        except (ValueError, RuntimeError) as error:
            raise refusal(f"{self._package} fails on it", error, self._source) from None

    def _run_one(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        self._interpreter.set_tensor(self._input["index"], quantise(window, self._input)[None])
        self._interpreter.invoke()
        return dequantise(self._interpreter.get_tensor(self._output["index"])[0], self._output)


_models: weakref.WeakSet[TFLiteModel] = weakref.WeakSet()
_of_parent: list[Any] = []  # to delete such an interpreter would wait for its threads, too


def _after_fork() -> None:
    for model in _models:
        _of_parent.append(model._interpreter)
        model._interpreter = None
        model._lock = threading.Lock()  # a thread of the parent may have held the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def quantise(values: NDArray[np.float32], tensor: dict[str, Any]) -> NDArray[Any]:
    """Convert floats to a tensor's type, with the scale and zero point of the model."""
    dtype = np.dtype(tensor["dtype"])
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(dtype)
    # q = round(x / scale + zero_point), clipped to the integer's range (Jacob et al. 2018)
    levels = np.clip(np.round(values / scale + zero_point), limits.min, limits.max)
    return np.asarray(levels, dtype)


def dequantise(values: NDArray[Any], tensor: dict[str, Any]) -> NDArray[np.float32]:
    """Convert a tensor's values to float32; the inverse of `quantise` up to rounding."""
    if values.dtype.kind == "f":
        return values.astype(np.float32, copy=False)
    scale, zero_point = tensor["quantization"]
    # x = scale * (q - zero_point)
    return np.asarray(scale * (values.astype(np.float32) - zero_point), np.float32)


def open_model(
    content: bytes, source: str | os.PathLike[str], *, package: str, threads: int
) -> TFLiteModel:
    """Open a TFLite file with the interpreter of ``package``.

    Raises
    ------
    BackendError
        If the package is not installed, does not load or cannot open the file.
    """
    with loading(package):
        module = import_module(f"{package}.interpreter")

    # tflite-runtime 2.14 crashes on a truncated file; `Bundle.model_bytes` refuses those.
    def new_interpreter() -> Any:
        try:
            interpreter = module.Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise refusal(f"{package} cannot open it", error, source) from None
        return interpreter

    return TFLiteModel(new_interpreter, source, package)
