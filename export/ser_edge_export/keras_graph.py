"""Conversion of a Keras network to the plain operations of `ser_edge.backends.graph`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.graph import Graph, Op
from ser_edge.errors import SerEdgeError

_REMEDY = "convert the network to ONNX, and export that file"


def graph_of(network: Any) -> Graph:
    """Convert a functional Keras model that ends in logits.

    Batch normalisations are folded into a neighbour where that is exact.

    Raises
    ------
    SerEdgeError
        If it has a layer or a setting that is not supported.
    """
    names: dict[int, str] = {}
    ops: list[Op] = []
    for layer in network.layers:
        kind = type(layer).__name__
        output = layer.output
        if kind == "InputLayer":
            names[id(output)] = "input"
            continue
        if kind not in _READERS:
            raise SerEdgeError(
                f"the layer {layer.name!r} is a {kind}, expected {', '.join(_READERS)}",
                _REMEDY,
            )
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs = tuple(names[id(tensor)] for tensor in tensors)
        read = _READERS[kind](layer, inputs)
        ops += read
        names[id(output)] = read[-1].output if read else inputs[0]
    *inner, last = _fold(ops)
    shape, n_outputs = network.input_shape[1:], network.output_shape[-1]
    return Graph(tuple(shape), int(n_outputs), (*inner, replace(last, output="logits")))


def _conv(layer: Any, inputs: tuple[str, ...]) -> list[Op]:
    depthwise = type(layer).__name__ == "DepthwiseConv1D"
    weight = np.asarray(layer.kernel)
    if depthwise:
        if layer.depth_multiplier != 1:
            raise SerEdgeError(
                f"depth_multiplier={layer.depth_multiplier}, expected 1", _REMEDY, layer.name
            )
        weight = weight.transpose(0, 2, 1)
    if layer.padding == "causal" or layer.dilation_rate != (1,):
        setting = f"padding={layer.padding!r} and dilation_rate={layer.dilation_rate[0]}"
        raise SerEdgeError(
            f"{setting}, expected no causal padding and no dilation", _REMEDY, layer.name
        )
    n_out = weight.shape[2]
    size, stride = layer.kernel_size[0], layer.strides[0]
    left, right = _padding(layer, size, stride)
    settings = {
        "stride": stride,
        "groups": n_out if depthwise else layer.groups,
        "left": left,
        "right": right,
    }
    arrays = {"weight": weight, "bias": _bias(layer, n_out)}
    return _activated(layer, Op("conv", inputs, layer.name, arrays, settings))


def _dense(layer: Any, inputs: tuple[str, ...]) -> list[Op]:
    arrays = {"weight": np.asarray(layer.kernel), "bias": _bias(layer, layer.units)}
    return _activated(layer, Op("dense", inputs, layer.name, arrays))


def _bias(layer: Any, n_out: int) -> NDArray[np.float32]:
    return np.asarray(layer.bias) if layer.use_bias else np.zeros(n_out, np.float32)


def _activated(layer: Any, op: Op) -> list[Op]:
    return [op, *_activation(layer, (op.output,))]


def _activation(layer: Any, inputs: tuple[str, ...]) -> list[Op]:
    activation = layer.activation.__name__
    if activation == "linear":
        return []
    if activation != "relu":
        raise SerEdgeError(
            f"activation={activation!r}, expected 'relu' or none", _REMEDY, layer.name
        )
    return [Op("relu", inputs, f"{layer.name}_relu")]


def _maxpool(layer: Any, inputs: tuple[str, ...]) -> list[Op]:
    size, stride = layer.pool_size[0], layer.strides[0]
    left, right = _padding(layer, size, stride)
    settings = {"size": size, "stride": stride, "left": left, "right": right}
    return [Op("maxpool", inputs, layer.name, {}, settings)]


def _batch_norm(layer: Any, inputs: tuple[str, ...]) -> list[Op]:
    gain = 1 / np.sqrt(np.asarray(layer.moving_variance) + np.float32(layer.epsilon))
    if layer.gamma is not None:
        gain *= np.asarray(layer.gamma)
    offset = -np.asarray(layer.moving_mean) * gain
    if layer.beta is not None:
        offset += np.asarray(layer.beta)
    return [Op("affine", inputs, layer.name, {"gain": gain, "offset": offset})]


def _plain(kind: str) -> Callable[[Any, tuple[str, ...]], list[Op]]:
    return lambda layer, inputs: [Op(kind, inputs, layer.name)]


_READERS: dict[str, Callable[[Any, tuple[str, ...]], list[Op]]] = {
    "Conv1D": _conv,
    "DepthwiseConv1D": _conv,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "MaxPooling1D": _maxpool,
    "ReLU": _plain("relu"),
    "Add": _plain("add"),
    "Concatenate": _plain("concat"),
    "Flatten": _plain("flatten"),
    "GlobalAveragePooling1D": _plain("mean"),
    "GlobalMaxPooling1D": _plain("max"),
    "GlobalStdPooling1D": _plain("std"),
    "Dropout": lambda _layer, _inputs: [],
    "SpatialDropout1D": lambda _layer, _inputs: [],
    "GaussianNoise": lambda _layer, _inputs: [],
    "Activation": lambda layer, inputs: _activation(layer, inputs),
}


def _padding(layer: Any, size: int, stride: int) -> tuple[int, int]:
    """Return the padding of TensorFlow's ``"same"``: an odd sample goes to the right."""
    if layer.padding == "valid":
        return 0, 0
    length = layer.input.shape[1]
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def _fold(ops: list[Op]) -> list[Op]:
    """Fold each affine into the layer before or after it, where that is exact."""
    while True:
        readers = {name: [o for o in ops if name in o.inputs] for o in ops for name in o.inputs}
        for affine in (op for op in ops if op.kind == "affine"):
            before = next((op for op in ops if op.output == affine.inputs[0]), None)
            alone = len(readers[affine.inputs[0]]) == 1
            if before is not None and before.kind in ("conv", "dense") and alone:
                ops = _folded_into_previous(ops, affine, before)
                break
            between, after = _next_layer(affine, readers)
            positive = (affine.arrays["gain"] > 0).all()
            if after is not None and (positive or (not between and affine.arrays["gain"].all())):
                ops = _folded_into_next(ops, affine, between, after)
                break
        else:
            return ops


def _folded_into_previous(ops: list[Op], affine: Op, before: Op) -> list[Op]:
    gain, offset = affine.arrays["gain"], affine.arrays["offset"]
    weight, bias = before.arrays["weight"] * gain, before.arrays["bias"] * gain + offset
    merged = replace(before, arrays={"weight": weight, "bias": bias}, output=affine.output)
    return [merged if op is before else op for op in ops if op is not affine]


def _next_layer(affine: Op, readers: dict[str, list[Op]]) -> tuple[list[Op], Op | None]:
    """Return the only layer that reads an affine's output, and the operations between them."""
    between: list[Op] = []
    name = affine.output
    while len(readers.get(name, [])) == 1:
        (op,) = readers[name]
        if op.kind in ("conv", "dense"):
            return between, op
        if op.kind not in ("maxpool", "flatten"):
            break
        between.append(op)
        name = op.output
    return between, None


def _folded_into_next(ops: list[Op], affine: Op, between: list[Op], after: Op) -> list[Op]:
    """Replace conv(g x + o) by conv'(x), with other weights, bias and padding.

    A convolution pads g x + o with zeros, which is x padded with -o / g.
    """
    gain, offset = affine.arrays["gain"], affine.arrays["offset"]
    weight, bias = after.arrays["weight"], after.arrays["bias"]
    if after.kind == "dense":
        repeats = len(weight) // len(gain)  # a flatten may lie between
        of_input = np.tile(gain, repeats)[:, None]
        added = np.tile(offset, repeats) @ weight
        settings, pads = after.settings, False
    else:
        groups = after.settings["groups"]
        of_input, offsets = (by_group(values, groups, weight.shape[2]) for values in (gain, offset))
        added = (weight * offsets).sum(axis=(0, 1))
        settings = {**after.settings, "left": 0, "right": 0}
        pads = bool(after.settings["left"] or after.settings["right"])
    source = after.inputs[0] if between else affine.inputs[0]
    new = []
    if pads:
        sides = {side: after.settings[side] for side in ("left", "right")}
        new = [Op("pad", (source,), f"{after.output}_pad", {"value": -offset / gain}, sides)]
        source = new[0].output
    arrays = {"weight": weight * of_input, "bias": bias + added}
    new.append(Op(after.kind, (source,), after.output, arrays, settings))
    if between:
        first = between[0]
        ops = [replace(op, inputs=affine.inputs) if op is first else op for op in ops]
    place = ops.index(after)
    return [op for op in [*ops[:place], *new, *ops[place + 1 :]] if op is not affine]


def by_group(
    values: NDArray[np.floating[Any]], groups: int, n_out: int
) -> NDArray[np.floating[Any]]:
    """Arrange a value per input channel like the weights of a convolution.

    In the result [shape=(n_in / groups, n_out)], each output channel has the values of the input
    channels of its group.
    """
    return np.repeat(values.reshape(groups, -1).T, n_out // groups, axis=1)
