"""Read a trained Keras network as the plain operations of `ser_edge.graph`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import SerEdgeError
from ser_edge.graph import Graph, Op


def graph_of(network: Any) -> Graph:
    """Read a Keras model.

    Parameters
    ----------
    network : keras.Model
        Functional, of the layers that `ser_edge_train.networks` uses, with one input and logits.

    Returns
    -------
    graph : Graph
        Batch normalisation folded into a neighbour wherever that is exact.

    Raises
    ------
    SerEdgeError
        If it holds another layer.
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
                f"the network has the layer {layer.name!r} of type {kind}; expected only "
                f"{', '.join(_READERS)}"
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
            raise SerEdgeError(f"{layer.name}: depth_multiplier is not 1")
        weight = weight.transpose(0, 2, 1)
    if layer.padding == "causal" or layer.dilation_rate != (1,):
        raise SerEdgeError(f"{layer.name}: causal padding or dilation; expected neither")
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
    activation = layer.activation.__name__
    if activation == "linear":
        return [op]
    if activation == "relu":
        return [op, Op("relu", (op.output,), f"{op.output}_relu")]
    raise SerEdgeError(f"{layer.name}: activation {activation}; expected relu or none")


def _maxpool(layer: Any, inputs: tuple[str, ...]) -> list[Op]:
    size, stride = layer.pool_size[0], layer.strides[0]
    left, right = _padding(layer, size, stride)
    settings = {"size": size, "stride": stride, "left": left, "right": right}
    return [Op("maxpool", inputs, layer.name, {}, settings)]


def _batch_norm(layer: Any, inputs: tuple[str, ...]) -> list[Op]:
    gain = np.asarray(layer.gamma) / np.sqrt(np.asarray(layer.moving_variance) + layer.epsilon)
    offset = np.asarray(layer.beta) - np.asarray(layer.moving_mean) * gain
    return [Op("affine", inputs, layer.name, {"gain": gain, "offset": offset})]


def _offset(layer: Any, inputs: tuple[str, ...]) -> list[Op]:
    offset = np.asarray(layer.offset)
    return [Op("affine", inputs, layer.name, {"gain": np.ones_like(offset), "offset": offset})]


def _plain(kind: str) -> Callable[[Any, tuple[str, ...]], list[Op]]:
    return lambda layer, inputs: [Op(kind, inputs, layer.name)]


_READERS: dict[str, Callable[[Any, tuple[str, ...]], list[Op]]] = {
    "Conv1D": _conv,
    "DepthwiseConv1D": _conv,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "Offset": _offset,
    "MaxPooling1D": _maxpool,
    "ReLU": _plain("relu"),
    "Add": _plain("add"),
    "Concatenate": _plain("concat"),
    "Flatten": _plain("flatten"),
    "GlobalAveragePooling1D": _plain("mean"),
    "GlobalMaxPooling1D": _plain("max"),
    "Dropout": lambda _layer, _inputs: [],
}


def _padding(layer: Any, size: int, stride: int) -> tuple[int, int]:
    """Pad as TensorFlow's ``"same"`` does, with the odd sample on the right."""
    if layer.padding == "valid":
        return 0, 0
    length = layer.input.shape[1]
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def _fold(ops: list[Op]) -> tuple[Op, ...]:
    """Merge each affine into the convolution before it, or into the dense layer after it.

    An affine between a ReLU and a convolution stays: the convolution pads its result with zeros,
    which folding would change.
    """
    consumers: dict[str, int] = {}
    for op in ops:
        for name in op.inputs:
            consumers[name] = consumers.get(name, 0) + 1
    folded: list[Op] = []
    for op in ops:
        before = next((o for o in folded if o.output in op.inputs), None)
        if before is None or consumers[before.output] > 1:
            folded.append(op)
        elif op.kind == "affine" and before.kind in ("conv", "dense"):
            gain, offset = op.arrays["gain"], op.arrays["offset"]
            arrays = {
                "weight": before.arrays["weight"] * gain,
                "bias": before.arrays["bias"] * gain + offset,
            }
            folded[folded.index(before)] = replace(before, arrays=arrays, output=op.output)
        elif op.kind == "dense" and before.kind == "affine":
            weight = op.arrays["weight"]
            arrays = {
                "weight": before.arrays["gain"][:, None] * weight,
                "bias": op.arrays["bias"] + before.arrays["offset"] @ weight,
            }
            folded.remove(before)
            folded.append(replace(op, arrays=arrays, inputs=before.inputs))
        else:
            folded.append(op)
    return tuple(folded)
