"""ONNX files, run by ONNX Runtime on the CPU."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.interpreters import NotPicklable, check_inputs, check_model, loading, refusal


class OnnxModel(NotPicklable):
    """An ONNX model with one float input, a batch of one or of any size, and one float output."""

    def __init__(self, session: Any, source: str | os.PathLike[str], version: str) -> None:
        check_model(source, len(session.get_inputs()), len(session.get_outputs()))
        self._session = session
        self._source = source
        self._input = session.get_inputs()[0]
        self._any_batch = not isinstance(self._input.shape[0], int)
        self.version = f"onnxruntime {version}"

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the logits of each input; see `ser_edge.backends.Backend.run`."""
        check_inputs(self._source, inputs, self._input.shape[1:])
        batches = [inputs] if self._any_batch else [window[None] for window in inputs]
        try:
            return np.concatenate(
                [self._session.run(None, {self._input.name: batch})[0] for batch in batches]
            )
        # Each of ONNX Runtime's exceptions is a private class, derived from Exception alone.
        except Exception as error:
            raise refusal("onnxruntime fails on it", error, self._source) from None


def import_onnxruntime() -> Any:
    """Import ONNX Runtime with its telemetry off; every other import of it comes after this one.

    From 1.29 on it sends usage data on Linux too, unless ``ORT_DISABLE_TELEMETRY`` is set before
    the import. A value that the user has set is kept.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def open_model(
    content: bytes, source: str | os.PathLike[str], *, package: str, threads: int
) -> OnnxModel:
    """Open an ONNX file.

    Raises
    ------
    BackendError
        If ONNX Runtime is not installed, does not load or cannot open the file.
    """
    with loading(package):
        onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Without this, sums of int8 products saturate on x86 without VNNI, and the logits differ.
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        # The fallback would be the same provider, with a message on stdout.
        session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
    except Exception as error:  # as in run
        raise refusal(f"{package} cannot open it", error, source) from None
    return OnnxModel(session, source, onnxruntime.__version__)
