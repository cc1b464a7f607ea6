"""ONNX files with samples as input and probabilities as output."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partialmethod
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from ser_edge.frontend import InputConfig
from ser_edge_export.waveform import waveform_inputs

_PREFIX = "audio_"  # of the added tensors; no tensor of the network has it


def with_audio(network: bytes, config: InputConfig, temperature: float) -> bytes:
    """Put the front end before a network, and temperature and softmax after it.

    The input ``features`` [shape=(1, *config.shape)] becomes ``samples`` [shape=(1, n_samples)].
    The output ``logits`` becomes ``probabilities``. All are float32.

    Raises
    ------
    ConfigError
        If the input has a descriptor that a graph cannot compute.
    """
    n_samples = config.window_samples
    writer = _Writer()
    samples = writer.reshape(_Tensor(writer, "samples"), (n_samples,))
    features = waveform_inputs(writer, samples, config)
    writer.node("Identity", [features], output="features")
    after = _Writer(f"{_PREFIX}softmax_")
    scaled = _Tensor(after, "logits") * np.float32(1 / temperature)
    after.node("Softmax", [scaled], output="probabilities", axis=1)

    model = onnx.ModelProto.FromString(network)
    graph = model.graph
    n_labels = graph.output[0].type.tensor_type.shape.dim[1].dim_value
    nodes = [*writer.nodes, *graph.node, *after.nodes]
    for field in (graph.node, graph.input, graph.output):
        del field[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*writer.initializers, *after.initializers])
    of = helper.make_tensor_value_info
    graph.input.append(of("samples", TensorProto.FLOAT, [1, n_samples]))
    graph.output.append(of("probabilities", TensorProto.FLOAT, [1, n_labels]))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


class _Tensor:
    """A tensor of the graph; arithmetic on it adds nodes."""

    __array_ufunc__ = None  # so that `array @ tensor` calls `__rmatmul__`

    def __init__(self, writer: _Writer, name: str) -> None:
        self.writer, self.name = writer, name

    def _combine(self, kind: str, other: Any) -> _Tensor:
        return self.writer.node(kind, [self, other])

    __add__ = partialmethod(_combine, "Add")
    __sub__ = partialmethod(_combine, "Sub")
    __mul__ = partialmethod(_combine, "Mul")
    __truediv__ = partialmethod(_combine, "Div")
    __matmul__ = partialmethod(_combine, "MatMul")

    def __rmatmul__(self, other: Any) -> _Tensor:
        return self.writer.node("MatMul", [other, self])


class _Writer:
    """The operations of `ser_edge_export.waveform.Ops` as ONNX nodes."""

    def __init__(self, prefix: str = _PREFIX) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._prefix = prefix

    def node(
        self, kind: str, inputs: Sequence[Any], output: str = "", **attributes: Any
    ) -> _Tensor:
        names = [x.name if isinstance(x, _Tensor) else self._constant(x) for x in inputs]
        output = output or f"{self._prefix}{len(self.nodes)}_{kind.lower()}"
        self.nodes.append(helper.make_node(kind, names, [output], name=output, **attributes))
        return _Tensor(self, output)

    def _constant(self, values: ArrayLike) -> str:
        name = f"{self._prefix}constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def _apply(self, kind: str, *inputs: Any) -> _Tensor:
        return self.node(kind, inputs)

    larger = partialmethod(_apply, "Max")
    smaller = partialmethod(_apply, "Min")
    absolute = partialmethod(_apply, "Abs")
    sqrt = partialmethod(_apply, "Sqrt")
    log = partialmethod(_apply, "Log")
    exp = partialmethod(_apply, "Exp")

    def reshape(self, x: _Tensor, shape: Sequence[int]) -> _Tensor:
        return self.node("Reshape", [x, np.array(shape, np.int64)])

    def take(self, x: _Tensor, which: NDArray[np.int32], axis: int = 0) -> _Tensor:
        return self.node("Gather", [x, which], axis=axis)

    def part(self, x: _Tensor, start: int, stop: int) -> _Tensor:
        return self.node("Slice", [x, np.array([start], np.int64), np.array([stop], np.int64)])

    def pad(self, x: _Tensor, left: int, right: int) -> _Tensor:
        return self.node("Pad", [x, np.array([left, right], np.int64)])

    def total(self, x: _Tensor) -> _Tensor:
        return self.node("ReduceSum", [x, np.array([-1], np.int64)], keepdims=0)

    def largest(self, x: _Tensor) -> _Tensor:
        return self.node("ReduceMax", [x], keepdims=0)

    def largest_of_row(self, x: _Tensor) -> _Tensor:
        return self.node("ReduceMax", [x], axes=[-1], keepdims=0)

    def below(self, x: _Tensor, limit: float) -> _Tensor:
        return self.node("Cast", [self.node("Less", [x, np.float32(limit)])], to=TensorProto.FLOAT)

    def join(self, parts: Sequence[_Tensor], axis: int) -> _Tensor:
        return self.node("Concat", parts, axis=axis)
