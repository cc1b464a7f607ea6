"""``.npz`` files, run by NumPy alone: for platforms without a wheel of any interpreter.

`ser_edge.backends.graph_file` describes the file. Windows are computed one at a time: batches were
not faster, since one window's tensors stay in the cache, and a window's logits do not depend on the
others in its batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from numpy.typing import NDArray

from ser_edge.backends.graph import Graph, Op
from ser_edge.backends.graph_file import read_graph
from ser_edge.backends.interpreters import check_inputs

Array = NDArray[np.float32]


class NumericModel:
    """A graph, run by NumPy. It has no state between calls, so threads may share it."""

    def __init__(self, graph: Graph, source: str | os.PathLike[str]) -> None:
        self._graph = graph
        self._source = source
        self.version = f"numpy {np.__version__}"

    def run(self, inputs: Array) -> Array:
        """Compute the logits of each input; see `ser_edge.backends.Backend.run`."""
        check_inputs(self._source, inputs, self._graph.input_shape)
        logits = np.empty((len(inputs), self._graph.n_outputs), np.float32)
        # The caller checks the logits, where an overflow shows.
        with np.errstate(over="ignore", invalid="ignore"):
            for row, window in zip(logits, inputs, strict=True):
                row[:] = self.tensors(window)["logits"]
        return logits

    def tensors(self, window: Array) -> dict[str, Array]:
        """Compute the outputs of all operations for one input, by tensor name."""
        tensors = {"input": window}
        for op in self._graph.ops:
            tensors[op.output] = _KERNELS[op.kind](op, *(tensors[name] for name in op.inputs))
        return tensors


def _conv(op: Op, x: Array) -> Array:
    """Convolve over time: y[t] = sum over k of x[stride * t + k] @ weight[k], plus bias."""
    weight, groups, stride = op.arrays["weight"], op.settings["groups"], op.settings["stride"]
    size, n_in, n_out = weight.shape
    x = _padded(op, x, 0)
    n_frames, (frame, column) = (len(x) - size) // stride + 1, x.strides
    # patches[t, k] = x[stride * t + k], a view
    patches = as_strided(x, (n_frames, size, x.shape[1]), (stride * frame, frame, column))
    y: Array
    if n_in == 1 and groups == n_out:
        # Depthwise: y[t, c] = sum over k of patches[t, k, c] * weight[k, c]. One matrix product
        # per channel would cost more in calls than in arithmetic.
        y = np.einsum("tkc,kc->tc", patches, weight[:, 0])
    else:
        # One matrix product per group (im2col): (t, k * n_in) @ (k * n_in, n_out / groups).
        # The patches are copied, since BLAS does not accept overlapping rows.
        rows = patches.reshape(n_frames, size, groups, n_in).transpose(2, 0, 1, 3).copy()
        parts = weight.reshape(size, n_in, groups, -1).transpose(2, 0, 1, 3)
        y = rows.reshape(groups, n_frames, -1) @ parts.reshape(groups, size * n_in, -1)
        y = y.transpose(1, 0, 2).reshape(n_frames, n_out)
    y += op.arrays["bias"]
    return y


def _maxpool(op: Op, x: Array) -> Array:
    size, stride = op.settings["size"], op.settings["stride"]
    patches = sliding_window_view(_padded(op, x, -np.inf), size, axis=0)[::stride]
    return np.asarray(patches.max(axis=-1))


def _padded(op: Op, x: Array, value: float | Array) -> Array:
    left, right = op.settings["left"], op.settings["right"]
    if left == right == 0:
        return x
    y = np.empty((left + len(x) + right, x.shape[1]), np.float32)
    y[:left] = y[left + len(x) :] = value
    y[left : left + len(x)] = x
    return y


def _affine(op: Op, x: Array) -> Array:
    # A batch normalisation that no convolution could absorb: y = gain * x + offset.
    y = x * op.arrays["gain"]
    y += op.arrays["offset"]
    return y


_KERNELS: dict[str, Callable[..., Array]] = {
    "conv": _conv,
    "maxpool": _maxpool,
    "pad": lambda op, x: _padded(op, x, op.arrays["value"]),
    "affine": _affine,
    "dense": lambda op, x: x @ op.arrays["weight"] + op.arrays["bias"],
    "relu": lambda _op, x: np.maximum(x, 0),
    "add": lambda _op, x, y: x + y,
    "concat": lambda _op, *parts: np.concatenate(parts, axis=-1),
    "flatten": lambda _op, x: x.reshape(-1),
    "mean": lambda _op, x: x.mean(axis=0),
    "max": lambda _op, x: x.max(axis=0),
    "std": lambda _op, x: x.std(axis=0),
}


def open_model(content: bytes, source: str | os.PathLike[str], **_: Any) -> NumericModel:
    """Open a ``.npz`` file.

    The number of threads is set by the environment (``OPENBLAS_NUM_THREADS``), which the linear
    algebra library reads when NumPy is imported.

    Raises
    ------
    BackendError
        If the file is damaged or of another kind.
    """
    return NumericModel(read_graph(content, source), source)
