"""Conversion of a Keras network to the plain operations of `ser_edge.backends.graph`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.graph import Graph, Op
from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge_export.keras_layers import read_layer


def graph_of(network: Any) -> Graph:
    """Convert a functional Keras model that ends in logits.

    Batch normalisations are folded into a neighbour where that is exact.

    Raises
    ------
    SerEdgeError
        If it has a layer or an option that is not supported.
    """
    names: dict[int, str] = {}
    ops: list[Op] = []
    for number, layer in enumerate(network.operations):
        if not any(layer is one for one in network.layers):
            raise SerEdgeError(
                f"the operation keras.ops.{type(layer).__name__} ({layer.name!r}), as in x + 1.0, "
                "is not supported, expected layers alone",
                "use a layer, or convert the network to ONNX, and export that file",
            )
        call = layer._inbound_nodes[0]
        inputs = tuple(names.get(id(tensor), "") for tensor in call.input_tensors)
        read = read_layer(layer, inputs, f"layer{number}")
        ops += read
        last = read[-1].output if read else "".join(inputs)
        names[id(call.outputs[0])] = last or "input"
    shape, n_outputs = network.input_shape[1:], network.output_shape[-1]
    *inner, final = _fold(ops)
    try:
        return Graph(tuple(shape), int(n_outputs), (*inner, replace(final, output="logits")))
    except ConfigError as error:  # such as a limit of size: not an option of the command
        raise SerEdgeError(error.problem, error.remedy, error.source) from None


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
