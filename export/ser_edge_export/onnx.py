"""ONNX files: float32 as written here, int8 by ONNX Runtime's static quantisation.

The graph works on (1, channels, 1, time): ONNX Runtime runs a 2-D convolution in half the time of a
1-D one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ser_edge.backends.onnx import import_onnxruntime
from ser_edge.graph import Graph, Op

OPSET = 17
IR_VERSION = 8  # the pair that ONNX Runtime reads from 1.15 on


def onnx_model(graph: Graph, name: str) -> onnx.ModelProto:
    """Write a graph as a float32 ONNX model.

    Parameters
    ----------
    graph : Graph
        The network.
    name : str
        Name of the ONNX graph.

    Returns
    -------
    model : onnx.ModelProto
        Input ``features`` [shape=(1, *graph.input_shape)], output ``logits``
        [shape=(1, n_outputs)], both float32.
    """
    n_frames, n_channels = graph.input_shape
    writer = _Writer()
    writer.node("Transpose", ["features"], "channels_first", perm=[0, 2, 1])
    shape = writer.constant("input_shape", np.array([1, n_channels, 1, n_frames], np.int64))
    writer.node("Reshape", ["channels_first", shape], "input")
    for op in graph.ops:
        _OPS[op.kind](writer, op)
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, *graph.input_shape])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, graph.n_outputs])
    model = helper.make_model(
        helper.make_graph(writer.nodes, name, [features], [logits], writer.initializers),
        producer_name="ser-edge",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class _Writer:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _conv(writer: _Writer, op: Op) -> None:
    weight = op.arrays["weight"].transpose(2, 1, 0)[:, :, None, :]
    inputs = [
        op.inputs[0],
        writer.constant(f"{op.output}_weight", weight),
        writer.constant(f"{op.output}_bias", op.arrays["bias"]),
    ]
    writer.node(
        "Conv",
        inputs,
        op.output,
        kernel_shape=[1, weight.shape[3]],
        strides=[1, op.settings["stride"]],
        pads=[0, op.settings["left"], 0, op.settings["right"]],
        group=op.settings["groups"],
    )


def _maxpool(writer: _Writer, op: Op) -> None:
    writer.node(
        "MaxPool",
        list(op.inputs),
        op.output,
        kernel_shape=[1, op.settings["size"]],
        strides=[1, op.settings["stride"]],
        pads=[0, op.settings["left"], 0, op.settings["right"]],
    )


def _affine(writer: _Writer, op: Op) -> None:
    source = op.inputs[0]
    if not np.array_equal(op.arrays["gain"], np.ones_like(op.arrays["gain"])):
        gain = writer.constant(f"{op.output}_gain", op.arrays["gain"][None, :, None, None])
        writer.node("Mul", [source, gain], f"{op.output}_scaled")
        source = f"{op.output}_scaled"
    offset = writer.constant(f"{op.output}_offset", op.arrays["offset"][None, :, None, None])
    writer.node("Add", [source, offset], op.output)


def _flatten(writer: _Writer, op: Op) -> None:
    # Keras flattens (time, channels); the transpose is cheap beside the dense layer to come.
    writer.node("Transpose", list(op.inputs), f"{op.output}_time_major", perm=[0, 3, 2, 1])
    writer.node("Flatten", [f"{op.output}_time_major"], op.output, axis=1)


def _dense(writer: _Writer, op: Op) -> None:
    weight = writer.constant(f"{op.output}_weight", op.arrays["weight"])
    bias = writer.constant(f"{op.output}_bias", op.arrays["bias"])
    writer.node("Gemm", [op.inputs[0], weight, bias], op.output)


def _reduce(kind: str) -> Callable[[_Writer, Op], None]:
    def write(writer: _Writer, op: Op) -> None:
        writer.node(kind, list(op.inputs), op.output, axes=[2, 3], keepdims=0)

    return write


_OPS: dict[str, Callable[[_Writer, Op], None]] = {
    "conv": _conv,
    "maxpool": _maxpool,
    "affine": _affine,
    "flatten": _flatten,
    "dense": _dense,
    "mean": _reduce("ReduceMean"),
    "max": _reduce("ReduceMax"),
    "relu": lambda writer, op: writer.node("Relu", list(op.inputs), op.output),
    "add": lambda writer, op: writer.node("Add", list(op.inputs), op.output),
    "concat": lambda writer, op: writer.node("Concat", list(op.inputs), op.output, axis=1),
}


def quantised(model: onnx.ModelProto, calibration: NDArray[np.float32]) -> onnx.ModelProto:
    """Quantise weights and activations to int8: static, QDQ, signed, weights per channel.

    Parameters
    ----------
    model : onnx.ModelProto
        `onnx_model`'s result.
    calibration : np.ndarray [shape=(n, *input_shape), dtype=float32]
        Standardised features of training windows.

    Returns
    -------
    model : onnx.ModelProto
        Float32 input and output, int8 in between.
    """
    import_onnxruntime()
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._windows: Iterator[NDArray[np.float32]] = iter(calibration)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            window = next(self._windows, None)
            return None if window is None else {"features": window[None]}

    # It advises a pre-processing that the graph, folded and shape-checked, has had.
    logging.getLogger().addFilter(_no_preprocessing_advice)
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder, "int8.onnx")
            quantize_static(
                onnx.ModelProto.FromString(model.SerializeToString()),  # it changes what it gets
                str(path),
                Reader(),
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
            )
            return onnx.load(str(path))
    finally:
        logging.getLogger().removeFilter(_no_preprocessing_advice)


def _no_preprocessing_advice(record: logging.LogRecord) -> bool:
    return "pre-processing" not in record.getMessage()
