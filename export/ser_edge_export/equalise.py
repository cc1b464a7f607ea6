"""Cross-layer equalisation: rescale channels for int8, with the same output up to rounding.

An int8 tensor has one scale for all channels, so small channels lose precision. The output channel
c of a layer can be multiplied by f[c] > 0 in its weights and bias, if the weights that read the
channel are divided by f[c]. ReLU, pooling over time, and the addition of tensors with the same
factors commute with positive factors. As in Nagel et al. 2019, "Data-free quantization through
weight equalization and bias correction",

    f = sqrt(w / a)

with w the largest weight that reads the channel and a its largest value in calibration, so that
weights and activations are equally uneven. The weights that write the channel have their own scale
and lose nothing.

A normalisation after the ReLU, as in the published network, cannot be folded into a neighbour. Its
gains differ by orders of magnitude, since rarely active units have a small variance. The absolute
gain moves before the ReLU as a factor, and a gain of 1 or -1 remains.
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
_FIXED = 0  # number of the factor 1, of the input's channels and the logits
_MIN_SHARE = 1e-3  # lower bound of a channel's size, relative to the largest: some units never fire


def equalised(graph: Graph, windows: NDArray[np.float32]) -> Graph:
    """Equalise the channels of each tensor, on windows [shape=(n, *graph.input_shape)]."""
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
            np.fmax.at(weights, channel.number, _log(_largest_weights(op)) - channel.log_share)
    log_factors = np.nan_to_num((weights - activations) / 2)  # 0 where no weight reads the channel
    log_factors[_FIXED] = 0
    factors = {name: np.exp(log_factors[c.number] + c.log_share) for name, c in channels.items()}
    return replace(
        graph,
        ops=tuple(_rescaled(op, factors[op.inputs[0]], factors[op.output]) for op in graph.ops),
    )


@dataclass(frozen=True)
class _Channels:
    """The number of each channel's factor, and the log of a constant that multiplies it."""

    number: NDArray[np.int64]
    log_share: Vector


def _channels(graph: Graph, shapes: dict[str, tuple[int, ...]]) -> tuple[dict[str, _Channels], int]:
    """Assign numbered factors to the channels of every tensor."""
    uses = Counter(name for op in graph.ops for name in op.inputs)
    channels = {"input": _fixed(graph.input_shape[-1])}
    n_factors = 1
    for op in graph.ops:
        inputs = [channels[name] for name in op.inputs]
        if op.kind == "add":
            _unite(channels, *inputs)
            channels[op.output] = channels[op.inputs[0]]
        elif op.kind in _PASSING:
            channels[op.output] = inputs[0]
        elif op.kind == "affine" and uses[op.inputs[0]] == 1:
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
    """Give two tensors the same factors, and all tensors that share factors with them."""
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
    largest = float(values.max())
    if not largest:
        return np.full(len(values), np.nan)
    return np.asarray(np.log(np.maximum(values, _MIN_SHARE * largest)))


def _largest_weights(op: Op) -> NDArray[np.float32]:
    """Return the largest absolute weight of each input channel."""
    weight = np.abs(op.arrays["weight"])
    if op.kind == "dense":
        return np.asarray(weight.max(axis=1))
    groups = op.settings["groups"]
    of_group = weight.max(axis=0).reshape(weight.shape[1], groups, -1).max(axis=2)
    return np.asarray(of_group.T.reshape(-1))


def _rescaled(op: Op, f_in: Vector, f_out: Vector) -> Op:
    """Divide an operation's inputs by factors, and multiply its outputs by others."""
    arrays: dict[str, NDArray[np.float64]] = {}
    if op.kind == "affine":
        arrays["gain"] = op.arrays["gain"] * f_out / f_in
        arrays["offset"] = op.arrays["offset"] * f_out
    elif op.kind == "pad":
        arrays["value"] = op.arrays["value"] * f_out
    elif op.kind in ("conv", "dense"):
        weight = op.arrays["weight"]
        groups = op.settings.get("groups", 1)
        arrays["weight"] = weight / by_group(f_in, groups, weight.shape[-1]) * f_out
        arrays["bias"] = op.arrays["bias"] * f_out
    return replace(op, arrays={name: array.astype(np.float32) for name, array in arrays.items()})
