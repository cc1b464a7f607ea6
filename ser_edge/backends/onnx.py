"""ONNX files, run by ONNX Runtime on the CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends import NotPicklable, check_inputs, check_model, first_line, loading
from ser_edge.errors import BackendError


class OnnxModel(NotPicklable):
    """An ONNX model with one float input, of one window or of any number, and one float output."""

    def __init__(self, session: Any, name: str, version: str) -> None:
        check_model(name, len(session.get_inputs()), len(session.get_outputs()))
        self._session = session
        self._name = name
        self._input = session.get_inputs()[0]
        self._any_number = not isinstance(self._input.shape[0], int)
        self.version = f"onnxruntime {version}"

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the logits of each input; see `ser_edge.backends.Backend.run`."""
        check_inputs(self._name, inputs, self._input.shape[1:])
        windows = [inputs] if self._any_number else [window[None] for window in inputs]
        try:
            return np.concatenate(
                [self._session.run(None, {self._input.name: window})[0] for window in windows]
            )
        # ONNX Runtime's exceptions derive from Exception alone, each in its own private class.
        except Exception as error:
            raise BackendError(
                f"{self._name} fails: {first_line(error)}; export it again, or choose another "
                "--backend"
            ) from None


def import_onnxruntime() -> Any:
    """Import ONNX Runtime, which is imported nowhere else, with its telemetry off.

    From 1.29 on it reports to its makers from Linux too, unless ``ORT_DISABLE_TELEMETRY`` is set
    before the import. A value that is set already stays: whoever sets it to 0 means it.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def open_model(path: Path, *, package: str, threads: int) -> OnnxModel:
    """Open an ONNX file.

    Raises
    ------
    BackendError
        If ONNX Runtime is not installed or does not load, or refuses the file.
    """
    with loading(package):
        onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # On x86 without VNNI sums of int8 products would saturate, and answers be other ones.
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        # What it would fall back to is the same provider, and it would print that.
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # as in run
        raise BackendError(
            f"{package} cannot open {path.name}: {first_line(error)}; "
            "export it again, or choose another --backend"
        ) from None
    return OnnxModel(session, path.name, onnxruntime.__version__)
