"""``.npz`` files, run by NumPy alone: for where no interpreter has a wheel.

`ser_edge.backends.graph_file` tells what is in such a file. A window goes through the network by itself:
many at a time were no faster, since what one needs stays in the processor's cache, and so no window
changes the last digit of another's logits.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from numpy.typing import NDArray

from ser_edge.backends import check_inputs
from ser_edge.backends.graph import Graph, Op
from ser_edge.backends.graph_file import read_graph

Array = NDArray[np.float32]


class NumericModel:
    """A graph. It keeps nothing of what it computes, so threads may share it."""

    def __init__(self, graph: Graph, name: str) -> None:
        self._graph = graph
        self._name = name
        self.version = f"numpy {np.__version__}"

    def run(self, inputs: Array) -> Array:
        """Compute the logits of each input; see `ser_edge.backends.Backend.run`."""
        check_inputs(self._name, inputs, self._graph.input_shape)
        logits = np.empty((len(inputs), self._graph.n_outputs), np.float32)
        # Overflow shows in the logits, which the caller looks at.
        with np.errstate(over="ignore", invalid="ignore"):
            for row, window in zip(logits, inputs, strict=True):
                row[:] = self.tensors(window)["logits"]
        return logits

    def tensors(self, window: Array) -> dict[str, Array]:
        """Compute what every operation makes of one input, by the tensor's name."""
        tensors = {"input": window}
        for op in self._graph.ops:
            tensors[op.output] = _KERNELS[op.kind](op, *(tensors[name] for name in op.inputs))
        return tensors


def _conv(op: Op, x: Array) -> Array:
    """Convolve: an output frame is the frames that it sees, in a row, times the weights."""
    weight, groups, stride = op.arrays["weight"], op.settings["groups"], op.settings["stride"]
    size, n_in, n_out = weight.shape
    x = _padded(op, x, 0)
    n_frames, (frame, column) = (len(x) - size) // stride + 1, x.strides
    seen = as_strided(x, (n_frames, size, x.shape[1]), (stride * frame, frame, column))
    y: Array
    if n_in == 1 and groups == n_out:
        # Depthwise: a product for each channel would be too small to be worth its call.
        y = np.einsum("tkc,kc->tc", seen, weight[:, 0])
    else:
        # Copied, since BLAS does not take rows that overlap.
        rows = seen.reshape(n_frames, size, groups, n_in).transpose(2, 0, 1, 3).copy()
        parts = weight.reshape(size, n_in, groups, -1).transpose(2, 0, 1, 3)
        y = rows.reshape(groups, n_frames, -1) @ parts.reshape(groups, size * n_in, -1)
        y = y.transpose(1, 0, 2).reshape(n_frames, n_out)
    y += op.arrays["bias"]
    return y


def _maxpool(op: Op, x: Array) -> Array:
    size, stride = op.settings["size"], op.settings["stride"]
    seen = sliding_window_view(_padded(op, x, -np.inf), size, axis=0)[::stride]
    return np.asarray(seen.max(axis=-1))


def _padded(op: Op, x: Array, value: float | Array) -> Array:
    left, right = op.settings["left"], op.settings["right"]
    if left == right == 0:
        return x
    y = np.empty((left + len(x) + right, x.shape[1]), np.float32)
    y[:left] = y[left + len(x) :] = value
    y[left : left + len(x)] = x
    return y


def _affine(op: Op, x: Array) -> Array:
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


def open_model(path: Path, **_: Any) -> NumericModel:
    """Open a ``.npz`` file.

    How many threads a product may use is the linear algebra library's, which reads its environment
    (``OPENBLAS_NUM_THREADS``) when NumPy is imported; so there is nothing to set here.

    Raises
    ------
    BackendError
        If the file is damaged, or not a graph's.
    """
    return NumericModel(read_graph(path), path.name)
