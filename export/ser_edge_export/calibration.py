"""Over which range each tensor of a graph goes: what int8 has to be told of activations.

The ranges are computed here once, by the NumPy backend over training windows, and the ONNX and the
TFLite file are both written with them, so that one calibration stands behind every int8 form.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.graph import Graph
from ser_edge.backends.numeric import NumericModel

Range = tuple[float, float]

_BINS = 8192
# What these give lies on the scale of what they take: no interpreter computes anything there.
_SCALE_KEEPING = ("maxpool", "max", "pad", "flatten", "concat")


def calibrate(
    graph: Graph, windows: NDArray[np.float32], *, percentile: float | None = None
) -> dict[str, Range]:
    """Measure the range of each tensor that an int8 form quantises.

    Parameters
    ----------
    graph : Graph
        The network.
    windows : np.ndarray [shape=(n, *input_shape), dtype=float32]
        Standardised features of training windows; ``n > 0``.
    percentile : float in (50, 100), optional
        Clip each tensor's values there and at the same share from below, instead of at the smallest
        and the largest that occur.

    Returns
    -------
    ranges : dict of str to (float, float)
        Lowest and highest value by tensor, 0 within. A tensor that only a ReLU takes is left out,
        as every interpreter computes it and the ReLU in one step.
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
    takers = Counter(name for op in graph.ops for name in op.inputs)
    fused = {op.inputs[0] for op in graph.ops if op.kind == "relu" and takers[op.inputs[0]] == 1}
    return ["input", *(op.output for op in graph.ops if op.output not in fused)]


def _clipped(
    model: NumericModel,
    windows: NDArray[np.float32],
    lows: dict[str, float],
    highs: dict[str, float],
    percentile: float,
) -> tuple[dict[str, float], dict[str, float]]:
    """Find the percentiles in histograms: all values at once would not fit into memory."""
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
    """Name for each tensor one that stands for all on its scale."""
    root = {name: name for name in names}
    for op in graph.ops:
        if op.kind in _SCALE_KEEPING:
            joined = {root[name] for name in (op.output, *op.inputs)}
            root |= {name: root[op.output] for name in names if root[name] in joined}
    return root
