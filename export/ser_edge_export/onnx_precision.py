"""Float16, weight-only int8 and dynamic int8 of a float32 ONNX model."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ser_edge.backends.onnx import import_onnxruntime
from ser_edge_export.calibration import quantised_weights


def float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store a float32 model's weights as float16; the runtime casts them to float32 on opening.

    Arithmetic stays in float32: ONNX Runtime has no float16 kernels for CPUs.
    """
    halved = onnx.ModelProto.FromString(model.SerializeToString())
    casts = []
    for constant in halved.graph.initializer:
        if constant.data_type == TensorProto.FLOAT and len(constant.dims) > 1:
            name = constant.name
            values = numpy_helper.to_array(constant).astype(np.float16)
            constant.CopyFrom(numpy_helper.from_array(values, f"{name}_float16"))
            casts.append(
                helper.make_node("Cast", [constant.name], [name], name=name, to=TensorProto.FLOAT)
            )
    nodes = [*casts, *halved.graph.node]
    del halved.graph.node[:]
    halved.graph.node.extend(nodes)
    onnx.checker.check_model(halved, full_check=True)
    return halved


def int8_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store a float32 model's weights as int8, with a scale per output channel.

    The runtime converts them to float32 on opening; arithmetic stays in float32.
    """
    stored = onnx.ModelProto.FromString(model.SerializeToString())
    axes = {}
    for node in stored.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            transposed = any(a.name == "transB" and a.i for a in node.attribute)
            axes[node.input[1]] = 0 if node.op_type == "Conv" or transposed else 1
    constants, nodes = [], []
    for constant in stored.graph.initializer:
        if constant.name not in axes:
            constants.append(constant)
            continue
        name, axis = constant.name, axes[constant.name]
        levels, scale = quantised_weights(numpy_helper.to_array(constant), axis)
        zero = np.zeros(scale.size, np.int8)
        parts = {f"{name}_int8": levels, f"{name}_scale": scale, f"{name}_zero": zero}
        constants += [numpy_helper.from_array(array, part) for part, array in parts.items()]
        nodes.append(
            helper.make_node("DequantizeLinear", list(parts), [name], name=name, axis=axis)
        )
    nodes += stored.graph.node
    del stored.graph.node[:], stored.graph.initializer[:]
    stored.graph.node.extend(nodes)
    stored.graph.initializer.extend(constants)
    onnx.checker.check_model(stored, full_check=True)
    return stored


def dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    """Apply ONNX Runtime's dynamic quantisation, with unsigned weights for older runtimes."""
    import_onnxruntime()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with quantising(), TemporaryDirectory() as folder:
        path = Path(folder, "dynamic.onnx")
        copy = onnx.ModelProto.FromString(model.SerializeToString())  # changed in place
        quantize_dynamic(copy, str(path), weight_type=QuantType.QUInt8, per_channel=True)
        quantised = onnx.load(str(path))
    onnx.checker.check_model(quantised, full_check=True)
    return quantised


@contextmanager
def quantising() -> Iterator[None]:
    """Suppress log messages of ONNX Runtime's quantisation that need no action."""
    harmless = ("pre-processing", "Quantization parameters for tensor")

    def is_relevant(record: logging.LogRecord) -> bool:
        return not any(text in record.getMessage() for text in harmless)

    logging.getLogger().addFilter(is_relevant)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(is_relevant)
