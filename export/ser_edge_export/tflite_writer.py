"""TFLite files, by TensorFlow's converter from the same plain operations as the ONNX file.

Tensors are (1, 1, time, channels): the converter puts reshapes around 1-D convolutions. The batch
is fixed at one: with an open batch tflite-runtime does not use XNNPACK.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ser_edge.backends.graph import Graph, Op
from ser_edge_export.calibration import Range
from ser_edge_train.keras_backend import quiet_stderr, tf


def tflite_model(graph: Graph, precision: str, ranges: Mapping[str, Range] | None = None) -> bytes:
    """Convert a graph to a ``.tflite`` file; its input and output are int8 only for ``"int8-io"``.

    ``"int8"`` and ``"int8-io"`` take the range of every int8 tensor
    (`ser_edge_export.calibration.calibrate`). Operations whose input has no range stay in float32.
    """
    return converted(
        lambda features: computed(graph, features, ranges or {}),
        "features",
        (1, *graph.input_shape),
        lambda converter: _set(converter, precision),
    )


def converted(
    function: Callable[[Any], Any],
    name: str,
    shape: Sequence[int],
    settings: Callable[[Any], None] = lambda _converter: None,
) -> bytes:
    """Convert a TensorFlow function of one float32 tensor of this name and shape."""
    module = tf.Module()
    module.serve = tf.function(
        function, input_signature=[tf.TensorSpec(shape, tf.float32, name=name)]
    )
    with TemporaryDirectory() as folder, quiet_stderr():
        signatures = {"serve": module.serve.get_concrete_function()}
        tf.saved_model.save(module, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        settings(converter)
        return bytes(converter.convert())


def _set(converter: Any, precision: str) -> None:
    if precision == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "dynamic":
        # tflite-runtime 2.14 cannot read the version of FULLY_CONNECTED with such weights.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if precision == "int8-io":
        converter.inference_input_type = converter.inference_output_type = tf.int8


def computed(
    graph: Graph,
    features: Any,
    ranges: Mapping[str, Range],
    weights: Mapping[str, Mapping[str, Any]] | None = None,
) -> Any:
    """Compute a graph's logits in TensorFlow, with activations rounded as in int8.

    Tensors with a range get fake quantisation, from which the converter reads their scale. Arrays
    in `weights`, by output of the operation and name, replace the graph's arrays.
    """

    def quantised(name: str, values: Any) -> Any:
        if name not in ranges:
            return values
        low, high = ranges[name]
        return tf.quantization.fake_quant_with_min_max_args(values, low, max(high, low + 1e-9))

    shape = (features.shape[0] or -1, 1, *graph.input_shape)
    tensors = {"input": quantised("input", tf.reshape(features, shape))}
    for op in graph.ops:
        arrays = op.arrays if weights is None else weights[op.output]
        inputs = [tensors[name] for name in op.inputs]
        tensors[op.output] = quantised(op.output, _OPS[op.kind](op, arrays, *inputs))
    return tensors["logits"]


def _conv(op: Op, arrays: Mapping[str, Any], x: Any) -> Any:
    weight, stride = arrays["weight"], op.settings["stride"]
    size, n_in, n_out = weight.shape
    x, padding = _padded(op, x, size, 0.0)
    if n_in == 1 and op.settings["groups"] == n_out:
        # The two strides must be equal; the first has no effect on one row.
        filters = tf.transpose(weight, (0, 2, 1))[None]
        y = tf.nn.depthwise_conv2d(x, filters, (1, stride, stride, 1), padding)
    else:
        y = tf.nn.conv2d(x, weight[None], (1, 1, stride, 1), padding)
    return tf.nn.bias_add(y, arrays["bias"])


def _maxpool(op: Op, _arrays: Mapping[str, Any], x: Any) -> Any:
    size, stride = op.settings["size"], op.settings["stride"]
    x, padding = _padded(op, x, size, float(np.finfo(np.float32).min))
    return tf.nn.max_pool2d(x, (1, size), (1, stride), padding)


def _padded(op: Op, x: Any, size: int, value: float) -> tuple[Any, str]:
    """Use TensorFlow's "SAME" where it is this padding, else pad explicitly."""
    left, right = op.settings["left"], op.settings["right"]
    if left == right == 0:
        return x, "VALID"
    n_frames, stride = x.shape[2], op.settings["stride"]
    total = max((-(-n_frames // stride) - 1) * stride + size - n_frames, 0)
    if (left, right) == (total // 2, total - total // 2):
        return x, "SAME"
    return tf.pad(x, ((0, 0), (0, 0), (left, right), (0, 0)), constant_values=value), "VALID"


def _pad(op: Op, arrays: Mapping[str, Any], x: Any) -> Any:
    frame = tf.broadcast_to(arrays["value"], (tf.shape(x)[0], 1, 1, x.shape[3]))
    left, right = (tf.repeat(frame, op.settings[side], axis=2) for side in ("left", "right"))
    return tf.concat([left, x, right], 2)


def _std(x: Any) -> Any:
    """Compute the standard deviation over time; the intermediate tensors stay in float32."""
    mean = tf.reduce_mean(x, (1, 2), keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(x, mean), (1, 2))
    return tf.sqrt(variance + 1e-10)  # as in training, where the gradient at 0 must be finite


def _affine(op: Op, arrays: Mapping[str, Any], x: Any) -> Any:
    # A multiplication by 1 would cost time and a rounding in int8.
    return (x * arrays["gain"] if (op.arrays["gain"] != 1).any() else x) + arrays["offset"]


_OPS: dict[str, Callable[..., Any]] = {
    "conv": _conv,
    "maxpool": _maxpool,
    "pad": _pad,
    "affine": _affine,
    "flatten": lambda _op, _arrays, x: tf.reshape(x, (x.shape[0] or -1, x.shape[2] * x.shape[3])),
    "dense": lambda _op, arrays, x: tf.matmul(x, arrays["weight"]) + arrays["bias"],
    "mean": lambda _op, _arrays, x: tf.reduce_mean(x, (1, 2)),
    "max": lambda _op, _arrays, x: tf.reduce_max(x, (1, 2)),
    "std": lambda _op, _arrays, x: _std(x),
    "relu": lambda _op, _arrays, x: tf.nn.relu(x),
    "add": lambda _op, _arrays, x, y: x + y,
    "concat": lambda _op, _arrays, *parts: tf.concat(parts, -1),
}
