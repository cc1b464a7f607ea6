"""TFLite files, by TensorFlow's converter from the same plain operations as the ONNX file.

The graph works on (1, 1, time, channels): from a 1-D convolution the converter makes a 2-D one
between reshapes. The batch of one is fixed: with an open batch tflite-runtime hands nothing to
XNNPACK.
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
    """Convert a graph.

    Parameters
    ----------
    graph : Graph
        The network.
    precision : str
        One of `ser_edge.manifest.PRECISIONS`.
    ranges : mapping of str to (float, float), optional
        Of every tensor that is int8 (`ser_edge_export.calibration.calibrate`); for ``"int8"`` and
        ``"int8-io"``, and only for them. Operations whose input has none stay in float32.

    Returns
    -------
    content : bytes
        Of a ``.tflite`` file with input and output of float32, or of int8 in ``"int8-io"``.
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
    """Convert a TensorFlow function of one tensor.

    Parameters
    ----------
    function : callable
        What is converted.
    name, shape : str, sequence of int
        Of its float32 input.
    settings : callable
        Sets the converter.

    Returns
    -------
    content : bytes
        Of a ``.tflite`` file.
    """
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
        # tflite-runtime 2.14 does not read the version of FULLY_CONNECTED that has them.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    if precision == "int8-io":
        converter.inference_input_type = converter.inference_output_type = tf.int8


def computed(
    graph: Graph,
    features: Any,
    ranges: Mapping[str, Range],
    weights: Mapping[str, Mapping[str, Any]] | None = None,
) -> Any:
    """Compute a graph's logits by TensorFlow, as it will be in int8.

    Parameters
    ----------
    graph : Graph
        The network.
    features : tf.Tensor [shape=(n, *graph.input_shape), dtype=float32]
        The input.
    ranges : mapping of str to (float, float)
        Tensors that pass through a fake quantisation, which the converter takes as their scale.
    weights : mapping of str to mapping of str to tf.Tensor, optional
        Arrays by name, by operation, instead of the graph's own.

    Returns
    -------
    logits : tf.Tensor [shape=(n, n_outputs), dtype=float32]
    """

    def marked(name: str, values: Any) -> Any:
        if name not in ranges:
            return values
        low, high = ranges[name]
        return tf.quantization.fake_quant_with_min_max_args(values, low, max(high, low + 1e-9))

    shape = (features.shape[0] or -1, 1, *graph.input_shape)
    tensors = {"input": marked("input", tf.reshape(features, shape))}
    for op in graph.ops:
        arrays = op.arrays if weights is None else weights[op.output]
        inputs = [tensors[name] for name in op.inputs]
        tensors[op.output] = marked(op.output, _OPS[op.kind](op, arrays, *inputs))
    return tensors["logits"]


def _conv(op: Op, arrays: Mapping[str, Any], x: Any) -> Any:
    weight, stride = arrays["weight"], op.settings["stride"]
    size, n_in, n_out = weight.shape
    x, padding = _padded(op, x, size, 0.0)
    if n_in == 1 and op.settings["groups"] == n_out:
        # One row high, so that a stride along it changes nothing; both have to be the same.
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
    """Leave the padding to the operation where it is what TensorFlow calls "SAME"."""
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
    """Measure the deviation over time; its parts have no range, and so stay in float32."""
    mean = tf.reduce_mean(x, (1, 2), keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(x, mean), (1, 2))
    return tf.sqrt(variance + 1e-10)  # as in training: the root's slope at 0 is infinite


def _affine(op: Op, arrays: Mapping[str, Any], x: Any) -> Any:
    # int8 would spend a multiplication on gains of 1, and round once more.
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
