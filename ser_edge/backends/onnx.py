"""ONNX files, run by ONNX Runtime on the CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.tflite import first_line
from ser_edge.errors import BackendError


class OnnxModel:
    """An ONNX model with one float input, a batch of one, and one float output."""

    def __init__(self, session: Any, name: str, version: str) -> None:
        self._session = session
        self._name = name
        self._input = session.get_inputs()[0]
        self.version = f"onnxruntime {version}"

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the logits of each input; see `ser_edge.backends.Backend.run`."""
        expected = tuple(self._input.shape[1:])
        if inputs.shape[1:] != expected:
            raise BackendError(
                f"{self._name} takes inputs of shape {expected}, not {inputs.shape[1:]}; "
                "the manifest beside it belongs to another model"
            )
        return np.concatenate(
            [self._session.run(None, {self._input.name: window[None]})[0] for window in inputs]
        )


def open_model(path: Path, *, package: str, threads: int) -> OnnxModel:
    """Open an ONNX file.

    Raises
    ------
    BackendError
        If ONNX Runtime refuses the file.
    ModuleNotFoundError
        If onnxruntime is not installed.
    """
    # From 1.29 on, ONNX Runtime sends telemetry from Linux unless this is set before the import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    # Its exceptions derive from Exception alone, each in its own class of a private module.
    except Exception as error:
        raise BackendError(
            f"{package} cannot open {path.name}: {first_line(error)}; "
            "export it again, or choose another --backend"
        ) from None
    return OnnxModel(session, path.name, onnxruntime.__version__)
