"""The end of an ONNX network: logits in place of probabilities, whatever follows its softmax."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ser_edge.backends.onnx import import_onnxruntime
from ser_edge.errors import SerEdgeError
from ser_edge.prediction import softmax

_MIN_PROBABILITY = 1e-12  # lower bound before a logarithm
_ROUNDING = 1e-3  # of probabilities, and of their sum
_N_TRIALS = 16
# They copy values or change their shape, and keep their order.
_NO_OPS = ("Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Dropout")


def end_in_logits(path: Path, model: onnx.ModelProto, shape: Sequence[int]) -> onnx.ModelProto:
    """Return a model whose output is logits, with the same probabilities.

    A softmax is removed where only operations without effect follow it. Other probabilities, such
    as the mean of several softmaxes, are followed by a logarithm, which a softmax undoes. The
    output on random inputs tells probabilities from logits.

    Parameters
    ----------
    path : Path
        The model's file, for error messages.
    model : onnx.ModelProto
        With one input and one output.
    shape : sequence of int
        Shape of the input, without the number of windows.

    Raises
    ------
    SerEdgeError
        If ONNX Runtime cannot run it, or its output is neither logits nor probabilities.
    """
    inputs = np.random.default_rng(0).standard_normal((_N_TRIALS, *shape)).astype(np.float32)
    output = run(path, model, inputs)
    declared = tuple(d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim[1:])
    if output.shape != (_N_TRIALS, *declared):
        raise SerEdgeError(
            f"returns the shape {output.shape[1:]} for a window, expected {declared} as declared",
            "export it to ONNX again",
            path,
        )
    if not np.isfinite(output).all():
        raise SerEdgeError("returns NaN or infinity for random inputs", "train it again", path)
    last = _last(model.graph)
    if last.op_type in ("Sigmoid", "HardSigmoid"):
        raise SerEdgeError(
            f"ends in {last.op_type}, a probability for each label alone, expected logits or a "
            "softmax",
            "export it without its last operation, if it was trained with a softmax",
            path,
        )
    is_probability = (output >= -_ROUNDING).all() and np.allclose(
        output.sum(axis=-1), 1, rtol=0, atol=_ROUNDING
    )
    if not is_probability:
        return model
    if last.op_type == "Softmax":
        logits = _without(model, last)
        if np.allclose(softmax(run(path, logits, inputs)), output, rtol=0, atol=_ROUNDING):
            return logits
    return _with_logarithm(model)


def run(path: Path, model: onnx.ModelProto, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a model in ONNX Runtime, window by window.

    Raises
    ------
    SerEdgeError
        If ONNX Runtime cannot open or run it.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        name = session.get_inputs()[0].name
        return np.concatenate([session.run(None, {name: x[None]})[0] for x in inputs])
    # Each of ONNX Runtime's exceptions is a private class, derived from Exception alone.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SerEdgeError(
            f"cannot be run by ONNX Runtime ({reason})", "export it to ONNX again", path
        ) from None


def _last(graph: onnx.GraphProto) -> onnx.NodeProto:
    """Return the last operation that has an effect."""
    makers = {name: node for node in graph.node for name in node.output}
    node = makers[graph.output[0].name]
    while node.op_type in _NO_OPS and node.input[0] in makers:
        node = makers[node.input[0]]
    return node


def _without(model: onnx.ModelProto, node: onnx.NodeProto) -> onnx.ModelProto:
    """Copy a model without an operation of one input and one output."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    graph = copy.graph
    graph.node.remove(node)
    (old,), (new,) = node.output, node.input
    for reader in graph.node:
        reader.input[:] = [new if name == old else name for name in reader.input]
    if graph.output[0].name == old:
        graph.output[0].name = new
    return copy


def _with_logarithm(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model, with the logarithm of its output as output."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    graph = copy.graph
    name = graph.output[0].name
    limit = numpy_helper.from_array(np.float32(_MIN_PROBABILITY), f"{name}_minimum")
    graph.initializer.append(limit)
    graph.node.append(helper.make_node("Max", [name, limit.name], [f"{name}_positive"]))
    graph.node.append(helper.make_node("Log", [f"{name}_positive"], [f"{name}_log"]))
    graph.output[0].name = f"{name}_log"
    return copy


def check_float32(path: Path, values: Sequence[Any]) -> None:
    """Refuse inputs and outputs of another type than float32.

    Raises
    ------
    SerEdgeError
        Naming the type.
    """
    for value in values:
        kind = value.type.tensor_type.elem_type
        if kind != TensorProto.FLOAT:
            raise SerEdgeError(
                f"{value.name!r} is {TensorProto.DataType.Name(kind).lower()}, expected float",
                "export the network with inputs and outputs in float32",
                path,
            )
