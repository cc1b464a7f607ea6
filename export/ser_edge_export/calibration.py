"""Calibration for int8: ranges of activations, and scales of weights.

The NumPy backend computes the ranges over training windows. The ONNX and the TFLite files use the
same ranges.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.graph import Graph
from ser_edge.backends.numeric import NumericModel

Range = tuple[float, float]

_BINS = 8192  # of a histogram: percentiles to 1/8192 of the range
# The output has the scale of the input: interpreters move or select int8 values here.
_SCALE_KEEPING = ("maxpool", "max", "pad", "flatten", "concat")


def calibrate(
    graph: Graph, windows: NDArray[np.float32], *, percentile: float | None = None
) -> dict[str, Range]:
    """Measure the range of each tensor that an int8 variant quantises.

    Parameters
    ----------
    graph : Graph
    windows : np.ndarray [shape=(n, *graph.input_shape), dtype=float32]
        Inputs of training windows; ``n > 0``.
    percentile : float in (50, 100), optional
        Clip each tensor's values at this percentile and at 100 minus it, instead of at minimum and
        maximum.

    Returns
    -------
    ranges : dict of str to (float, float)
        Lowest and highest value by tensor; the range contains 0. A tensor that only a ReLU reads is
        left out, as interpreters fuse the ReLU with the operation before it.
    """
    model = NumericModel(graph, "calibration")
    names = _quantised(graph)
    lows, highs = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    for window in windows:
        tensors = model.tensors(window)
        for name in names:
            lows[name] = min(lows[name], float(tensors[name].min()))
            highs[name] = max(highs[name], float(tensors[name].max()))
    if percentile is not None:
        lows, highs = _clipped(model, windows, lows, highs, percentile)
    root = _on_one_scale(graph, names)
    return {
        name: (
            min(lows[other] for other in names if root[other] == root[name]),
            max(highs[other] for other in names if root[other] == root[name]),
        )
        for name in names
    }


def _quantised(graph: Graph) -> list[str]:
    uses = Counter(name for op in graph.ops for name in op.inputs)
    fused = {op.inputs[0] for op in graph.ops if op.kind == "relu" and uses[op.inputs[0]] == 1}
    return ["input", *(op.output for op in graph.ops if op.output not in fused)]


def _clipped(
    model: NumericModel,
    windows: NDArray[np.float32],
    lows: dict[str, float],
    highs: dict[str, float],
    percentile: float,
) -> tuple[dict[str, float], dict[str, float]]:
    """Estimate the percentiles by histograms: all values at once would not fit into memory."""
    counts = {name: np.zeros(_BINS, np.int64) for name in lows}
    for window in windows:
        for name, values in model.tensors(window).items():
            if name in counts:
                ends = lows[name], max(highs[name], lows[name] + 1e-9)
                counts[name] += np.histogram(values, _BINS, ends)[0]
    clipped_lows, clipped_highs = {}, {}
    for name, count in counts.items():
        edges = np.linspace(lows[name], highs[name], _BINS + 1)
        shares = np.cumsum(count) / count.sum()
        below = np.searchsorted(shares, 1 - percentile / 100)
        above = np.searchsorted(shares, percentile / 100)
        clipped_lows[name] = min(0.0, float(edges[below]))
        clipped_highs[name] = max(0.0, float(edges[above + 1]))
    return clipped_lows, clipped_highs


def _on_one_scale(graph: Graph, names: list[str]) -> dict[str, str]:
    """Map each tensor to a representative of all tensors on its scale."""
    root = {name: name for name in names}
    for op in graph.ops:
        if op.kind in _SCALE_KEEPING:
            joined = {root[name] for name in (op.output, *op.inputs)}
            root |= {name: root[op.output] for name in names if root[name] in joined}
    return root


def quantised_weights(
    weight: NDArray[np.float32], axis: int, *, max_level: int = 127
) -> tuple[NDArray[np.int8], NDArray[Any]]:
    """Round weights to int8 with a scale per output channel, and return both.

    ``max_level=63`` gives 7 bits.
    """
    # scale = max |weight| / max_level
    others = tuple(i for i in range(weight.ndim) if i != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scale = np.where(largest > 0, largest, 1) / np.float32(max_level)
    return np.round(weight / scale).astype(np.int8), scale.ravel()
