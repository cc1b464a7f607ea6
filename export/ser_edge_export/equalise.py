"""Rewrite a graph so that int8 can hold it, without changing what it computes.

An int8 tensor has one scale for all its channels, so a channel that is small beside another is
rounded away. But what a layer gives can be multiplied by a positive factor for each channel, in its
weights and bias, and what takes the tensor be divided by the same; a ReLU, pooling over time and an
addition of tensors with the same factors let positive factors pass. The factor is sqrt(w / a), with
w the largest weight that takes the channel and a the largest value that calibration sees in it:
then weights and activations are equally uneven (Nagel et al. 2019, "Data-free quantization through
weight equalization and bias correction"). The weights that give the channel have a scale of their
own for it, and so lose nothing.

Where a normalisation follows the ReLU, as in the published network, its gain cannot be folded into
a neighbour, and gains differ by orders of magnitude: a unit that is rarely active has a small
variance and so a large gain. It goes ahead of the ReLU as a factor; a gain of 1 or -1 remains.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.graph import Graph, Op
from ser_edge.backends.numeric import NumericModel
from ser_edge_export.keras_graph import by_group

Vector = NDArray[np.float64]

_PASSING = ("relu", "maxpool", "pad", "mean", "max", "std")
_FIXED = 0  # the number of the factor that is 1: of the input's channels and the logits
_LEAST = 1e-3  # of the largest in its tensor counts what is smaller, as a unit that never fires


def equalised(graph: Graph, windows: NDArray[np.float32]) -> Graph:
    """Even out how large the channels of each tensor are.

    Parameters
    ----------
    graph : Graph
        The network.
    windows : np.ndarray [shape=(n, *input_shape), dtype=float32]
        Standardised features of training windows; ``n > 0``.

    Returns
    -------
    graph : Graph
        One that computes the same up to rounding.
    """
    model = NumericModel(graph, "calibration")
    shapes = {name: values.shape for name, values in model.tensors(windows[0]).items()}
    channels, n_factors = _channels(graph, shapes)
    peaks = {name: np.zeros(shape[-1]) for name, shape in shapes.items()}
    for window in windows:
        for name, values in model.tensors(window).items():
            largest = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
            np.maximum(peaks[name], largest, out=peaks[name])

    activations, weights = np.full((2, n_factors), np.nan)
    for name, channel in channels.items():
        np.fmax.at(activations, channel.number, _log(peaks[name]) + channel.log_share)
    for op in graph.ops:
        if "weight" in op.arrays:
            channel = channels[op.inputs[0]]
            np.fmax.at(weights, channel.number, _log(_largest_taking(op)) - channel.log_share)
    log_factors = np.nan_to_num((weights - activations) / 2)  # 0 where nothing weighs the channel
    log_factors[_FIXED] = 0
    factors = {name: np.exp(log_factors[c.number] + c.log_share) for name, c in channels.items()}
    return replace(
        graph,
        ops=tuple(_rescaled(op, factors[op.inputs[0]], factors[op.output]) for op in graph.ops),
    )


@dataclass(frozen=True)
class _Channels:
    """Which of the free factors each channel of a tensor has, and what that is multiplied by."""

    number: NDArray[np.int64]
    log_share: Vector


def _channels(graph: Graph, shapes: dict[str, tuple[int, ...]]) -> tuple[dict[str, _Channels], int]:
    """Count the factors that can be chosen freely, and say which tensors have them."""
    takers = Counter(name for op in graph.ops for name in op.inputs)
    channels = {"input": _fixed(graph.input_shape[-1])}
    n_factors = 1
    for op in graph.ops:
        inputs = [channels[name] for name in op.inputs]
        if op.kind == "add":
            _unite(channels, *inputs)
            channels[op.output] = channels[op.inputs[0]]
        elif op.kind in _PASSING:
            channels[op.output] = inputs[0]
        elif op.kind == "affine" and takers[op.inputs[0]] == 1:
            gain = op.arrays["gain"].astype(np.float64)
            log_gain = np.log(np.abs(np.where(gain == 0, 1, gain)))
            channels[op.output] = replace(inputs[0], log_share=inputs[0].log_share - log_gain)
        elif op.kind == "concat":
            channels[op.output] = _Channels(
                np.concatenate([part.number for part in inputs]),
                np.concatenate([part.log_share for part in inputs]),
            )
        elif op.kind == "flatten":
            n_frames = shapes[op.inputs[0]][0]
            channels[op.output] = _Channels(
                np.tile(inputs[0].number, n_frames), np.tile(inputs[0].log_share, n_frames)
            )
        else:
            size = shapes[op.output][-1]
            channels[op.output] = _Channels(n_factors + np.arange(size), np.zeros(size))
            n_factors += size
    _unite(channels, _fixed(graph.n_outputs), channels["logits"])
    return channels, n_factors


def _fixed(size: int) -> _Channels:
    return _Channels(np.full(size, _FIXED), np.zeros(size))


def _unite(channels: dict[str, _Channels], one: _Channels, other: _Channels) -> None:
    """Give two tensors the same factors, and with them all tensors that have either's."""
    for kept, k_share, lost, l_share in zip(
        one.number, one.log_share, other.number, other.log_share, strict=True
    ):
        if lost == _FIXED:
            kept, k_share, lost, l_share = lost, l_share, kept, k_share
        for name, channel in channels.items():
            found = channel.number == lost
            if lost != kept and found.any():
                channels[name] = _Channels(
                    np.where(found, kept, channel.number),
                    np.where(found, channel.log_share + k_share - l_share, channel.log_share),
                )


def _log(values: Vector | NDArray[np.float32]) -> Vector:
    """Logarithm of sizes; what is hardly there counts as the least of what is."""
    largest = float(values.max())
    return np.log(np.maximum(values, _LEAST * largest)) if largest else np.full(len(values), np.nan)


def _largest_taking(op: Op) -> NDArray[np.float32]:
    """Return the largest weight by which each input channel is taken."""
    weight = np.abs(op.arrays["weight"])
    if op.kind == "dense":
        return np.asarray(weight.max(axis=1))
    groups = op.settings["groups"]
    of_group = weight.max(axis=0).reshape(weight.shape[1], groups, -1).max(axis=2)
    return np.asarray(of_group.T.reshape(-1))


def _rescaled(op: Op, taken: Vector, given: Vector) -> Op:
    """Multiply what an operation gives by factors, and divide what it takes by others."""
    arrays: dict[str, NDArray[np.float64]] = {}
    if op.kind == "affine":
        arrays["gain"] = op.arrays["gain"] * given / taken
        arrays["offset"] = op.arrays["offset"] * given
    elif op.kind == "pad":
        arrays["value"] = op.arrays["value"] * given
    elif op.kind in ("conv", "dense"):
        weight = op.arrays["weight"]
        groups = op.settings.get("groups", 1)
        arrays["weight"] = weight / by_group(taken, groups, weight.shape[-1]) * given
        arrays["bias"] = op.arrays["bias"] * given
    return replace(op, arrays={name: array.astype(np.float32) for name, array in arrays.items()})
