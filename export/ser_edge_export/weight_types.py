"""The types of a file's weights: what is called int8 has int8 weights."""

from __future__ import annotations

import math

import onnx
from onnx import TensorProto

from ser_edge.errors import SerEdgeError
from ser_edge_export.variants import ModelVariant

# Of constants with two axes or more; biases, scales and shapes have one.
Counts = tuple[int, int]


def check_weights(variant: ModelVariant, counts: Counts, *, left: int | None = None) -> None:
    """Refuse a file that quantisation did not touch.

    Parameters
    ----------
    variant : ModelVariant
        The file.
    counts : (int, int)
        Its weights of the variant's type, and its float32 weights.
    left : int, optional
        How many were left in float32 on purpose; all by default.

    Raises
    ------
    SerEdgeError
        If no weight has the variant's type, or more than half of those that should have it do not.
    """
    n_quantised, n_float = counts
    if n_quantised == 0 or (left is not None and n_float - left > n_quantised):
        kind = "float16" if variant.precision == "float16" else "int8"
        raise SerEdgeError(
            f"{variant.file} would have {n_quantised} weights in {kind} and {n_float} in float32",
            f"choose another --precision than {variant.precision}; it needs layers with constant "
            "weights (Conv, Gemm, MatMul), and int8 leaves the last one in float32",
        )


def onnx_counts(model: onnx.ModelProto, precision: str) -> Counts:
    """Count the weights of an ONNX model by type; see `check_weights`."""
    kinds = (
        (TensorProto.FLOAT16,) if precision == "float16" else (TensorProto.INT8, TensorProto.UINT8)
    )
    weights = [i for i in model.graph.initializer if len(i.dims) > 1]
    return (
        sum(math.prod(i.dims) for i in weights if i.data_type in kinds),
        sum(math.prod(i.dims) for i in weights if i.data_type == TensorProto.FLOAT),
    )


def tflite_counts(content: bytes, precision: str) -> Counts:
    """Count the weights of a TFLite file by type; see `check_weights`."""
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    kind = schema.TensorType.FLOAT16 if precision == "float16" else schema.TensorType.INT8
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    (graph,) = model.subgraphs
    weights = [
        tensor
        for tensor in graph.tensors
        if tensor.shape is not None
        and len(tensor.shape) > 1
        and model.buffers[tensor.buffer].data is not None
    ]
    return (
        sum(math.prod(map(int, t.shape)) for t in weights if t.type == kind),
        sum(math.prod(map(int, t.shape)) for t in weights if t.type == schema.TensorType.FLOAT32),
    )
