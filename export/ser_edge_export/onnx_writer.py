"""ONNX files, written operation by operation for speed, not converted.

Tensors are (batch, channels, 1, time): ONNX Runtime runs a 2-D convolution in half the time of a
1-D one. Static int8 is QDQ: QuantizeLinear and DequantizeLinear around int8 operations, which ONNX
Runtime fuses into int8 kernels and every other runtime can read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from ser_edge.backends.graph import Graph, Op
from ser_edge_export.calibration import Range, quantised_weights

OPSET = 17
IR_VERSION = 8  # with opset 17 readable by ONNX Runtime 1.15 and later


@dataclass(frozen=True)
class Int8:
    """Integers of a static int8 file.

    Parameters
    ----------
    ranges : mapping of str to (float, float)
        Range of every int8 tensor; see `ser_edge_export.calibration.calibrate`. Operations whose
        input has no range stay in float32.
    unsigned : bool
        uint8 activations (U8S8) instead of int8 (S8S8).
    reduce_range : bool
        Weights of 7 bits: x86 processors without VNNI add pairs of 8-bit products in 16 bits, where
        8-bit weights can overflow.
    """

    ranges: Mapping[str, Range]
    unsigned: bool = False
    reduce_range: bool = False


def onnx_model(
    graph: Graph,
    name: str,
    *,
    int8: Int8 | None = None,
    batch: bool = False,
) -> onnx.ModelProto:
    """Write a graph as an ONNX model, in float32 or static int8.

    Its input is ``features`` [shape=(1, *graph.input_shape)] and its output ``logits``
    [shape=(1, n_outputs)], both float32. With `batch` the number of windows is open (``N``).
    """
    n_frames, n_channels = graph.input_shape
    writer = _Writer(graph, int8, batch=batch)
    writer.node("Transpose", ["features"], "channels_first", perm=[0, 2, 1])
    # 0 keeps the number of windows, open or not.
    shape = writer.constant("input_shape", np.array([0, n_channels, 1, n_frames], np.int64))
    writer.node("Reshape", ["channels_first", shape], "input")
    writer.quantise("input")
    for op in graph.ops:
        _OPS[op.kind](writer, op)
        writer.quantise(op.output)
    first = "N" if batch else 1
    features = helper.make_tensor_value_info(
        "features", TensorProto.FLOAT, [first, *graph.input_shape]
    )
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [first, graph.n_outputs])
    writer.name_output("logits")
    model = helper.make_model(
        helper.make_graph(writer.nodes, name, [features], [logits], writer.initializers),
        producer_name="ser-edge",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class _Writer:
    """Collects nodes and constants; routes int8 tensors through their dequantised names."""

    def __init__(self, graph: Graph, int8: Int8 | None, *, batch: bool) -> None:
        self._batch = batch
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._int8 = int8
        self._ranges = int8.ranges if int8 else {}
        self._final = {op.inputs[0]: op.output for op in graph.ops if op.kind == "relu"}
        self._dequantised: dict[str, str] = {}

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        names = [self._dequantised.get(name, name) for name in inputs]
        self.nodes.append(helper.make_node(kind, names, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: ArrayLike) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def for_each_window(self, tensor: str) -> str:
        """Repeat a constant for each window of a batch."""
        if not self._batch:
            return tensor
        number = self.node("Shape", ["features"], f"{tensor}_windows", start=0, end=1)
        ones = self.constant(f"{tensor}_ones", np.ones(3, np.int64))
        shape = self.node("Concat", [number, ones], f"{tensor}_shape", axis=0)
        return self.node("Expand", [tensor, shape], f"{tensor}_repeated")

    def quantise(self, tensor: str) -> None:
        """Quantise and dequantise a new tensor, if it has a range."""
        if self._int8 is None or tensor not in self._ranges:
            return
        scale = self._scale(tensor)
        kind = np.uint8 if self._int8.unsigned else np.int8
        zero_point = np.round(np.iinfo(kind).min - self._ranges[tensor][0] / scale).astype(kind)
        scales = (
            self.constant(f"{tensor}_scale", scale),
            self.constant(f"{tensor}_zero", zero_point),
        )
        self.node("QuantizeLinear", [tensor, *scales], f"{tensor}_int8")
        self._dequantised[tensor] = self.node(
            "DequantizeLinear", [f"{tensor}_int8", *scales], f"{tensor}_float"
        )

    def name_output(self, tensor: str) -> None:
        """Give the dequantised tensor the name of the output."""
        final = self._dequantised.get(tensor, tensor)
        names = {tensor: f"{tensor}_before", final: tensor} if final != tensor else {}
        for node in self.nodes:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]

    def weights(self, op: Op, weight: NDArray[np.float32], axis: int) -> list[str]:
        """Write weights and bias, as integers if input and output are int8.

        Each output channel, along `axis` of the weights, has its own scale.
        """
        name, bias = f"{op.output}_weight", op.arrays["bias"]
        if not self._is_int8(op):
            return [self.constant(name, weight), self.constant(f"{op.output}_bias", bias)]
        assert self._int8 is not None
        max_level = 63 if self._int8.reduce_range else 127
        levels, scale = quantised_weights(weight, axis, max_level=max_level)
        bias_scale = scale * self._scale(op.inputs[0])
        # The scale of a unit that never fires may be near 0; clip its bias to int32.
        biases = np.clip(np.round(bias / bias_scale.astype(np.float64)), -(2**31), 2**31 - 1)
        return [
            self._int(name, levels, scale, axis),
            self._int(f"{op.output}_bias", biases.astype(np.int32), bias_scale, 0),
        ]

    def vector(self, op: Op, name: str, values: NDArray[np.float32]) -> str:
        """Write a number per channel, as int8 if input and output are int8."""
        if not self._is_int8(op):
            return self.constant(name, values)
        scale = np.float32(max(np.abs(values).max(), 1e-9) / 127)
        return self._int(name, np.round(values / scale).astype(np.int8), scale)

    def _scale(self, tensor: str) -> np.float32:
        low, high = self._ranges[tensor]
        return np.float32(max(high - low, 1e-9) / 255)

    def _is_int8(self, op: Op) -> bool:
        return (
            op.inputs[0] in self._ranges and self._final.get(op.output, op.output) in self._ranges
        )

    def _int(self, name: str, values: NDArray[Any], scale: Any, axis: int = 0) -> str:
        scale = np.asarray(scale, np.float32)
        inputs = [
            self.constant(f"{name}_int", values),
            self.constant(f"{name}_scale", scale),
            self.constant(f"{name}_zero", np.zeros(scale.shape, values.dtype)),
        ]
        along = {"axis": axis} if scale.ndim else {}
        return self.node("DequantizeLinear", inputs, name, **along)


def _conv(writer: _Writer, op: Op) -> None:
    weight = op.arrays["weight"].transpose(2, 1, 0)[:, :, None, :]
    writer.node(
        "Conv",
        [op.inputs[0], *writer.weights(op, weight, axis=0)],
        op.output,
        kernel_shape=[1, weight.shape[3]],
        strides=[1, op.settings["stride"]],
        pads=[0, op.settings["left"], 0, op.settings["right"]],
        group=op.settings["groups"],
    )


def _maxpool(writer: _Writer, op: Op) -> None:
    writer.node(
        "MaxPool",
        op.inputs,
        op.output,
        kernel_shape=[1, op.settings["size"]],
        strides=[1, op.settings["stride"]],
        pads=[0, op.settings["left"], 0, op.settings["right"]],
    )


def _pad(writer: _Writer, op: Op) -> None:
    parts = [op.inputs[0]]
    for side, place in (("left", 0), ("right", 1)):
        if n_frames := op.settings[side]:
            frames = np.repeat(op.arrays["value"][None, :, None, None], n_frames, axis=3)
            name = writer.vector(op, f"{op.output}_{side}", frames)
            parts.insert(place * len(parts), writer.for_each_window(name))
    writer.node("Concat", parts, op.output, axis=3)


def _affine(writer: _Writer, op: Op) -> None:
    source = op.inputs[0]
    gain, offset = (op.arrays[name][None, :, None, None] for name in ("gain", "offset"))
    if (gain != 1).any():
        gains = writer.vector(op, f"{op.output}_gain", gain)
        source = writer.node("Mul", [source, gains], f"{op.output}_scaled")
    writer.node("Add", [source, writer.vector(op, f"{op.output}_offset", offset)], op.output)


def _flatten(writer: _Writer, op: Op) -> None:
    # Keras flattens (time, channels); the transpose is cheap compared with the dense layer.
    ordered = writer.node("Transpose", op.inputs, f"{op.output}_time_major", perm=[0, 3, 2, 1])
    writer.node("Flatten", [ordered], op.output, axis=1)


def _dense(writer: _Writer, op: Op) -> None:
    weights = writer.weights(op, op.arrays["weight"], axis=1)
    writer.node("Gemm", [op.inputs[0], *weights], op.output)


def _over_time(kind: str) -> Callable[[_Writer, Op], None]:
    def write(writer: _Writer, op: Op) -> None:
        pooled = writer.node(kind, op.inputs, f"{op.output}_pooled")
        writer.node("Flatten", [pooled], op.output, axis=1)

    return write


def _std(writer: _Writer, op: Op) -> None:
    """Write the standard deviation over time; the intermediate tensors stay in float32."""
    mean = writer.node("GlobalAveragePool", op.inputs, f"{op.output}_mean")
    rest = writer.node("Sub", [op.inputs[0], mean], f"{op.output}_rest")
    square = writer.node("Mul", [rest, rest], f"{op.output}_square")
    variance = writer.node("GlobalAveragePool", [square], f"{op.output}_variance")
    root = writer.node("Sqrt", [variance], f"{op.output}_root")
    writer.node("Flatten", [root], op.output, axis=1)


def _write(writer: _Writer, op: Op, kind: str, **attributes: Any) -> None:
    writer.node(kind, op.inputs, op.output, **attributes)


_OPS: dict[str, Callable[[_Writer, Op], None]] = {
    "conv": _conv,
    "maxpool": _maxpool,
    "pad": _pad,
    "affine": _affine,
    "flatten": _flatten,
    "dense": _dense,
    "mean": _over_time("GlobalAveragePool"),
    "max": _over_time("GlobalMaxPool"),
    "std": _std,
    "relu": lambda writer, op: _write(writer, op, "Relu"),
    "add": lambda writer, op: _write(writer, op, "Add"),
    "concat": lambda writer, op: _write(writer, op, "Concat", axis=1),
}
