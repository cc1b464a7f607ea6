"""One Keras layer, read as plain operations of `ser_edge.backends.graph`.

Every option of a layer is honoured, has no effect on predictions, or is refused by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.graph import Op
from ser_edge.errors import SerEdgeError

_REMEDY = "convert the network to ONNX, and export that file"
_FLOAT32 = (
    "set keras.config.set_dtype_policy('float32'), build the network anew, load its weights and "
    "save it"
)

_ONLY_TRAINING = {
    *("name", "trainable", "dtype", "rate", "stddev", "seed", "noise_shape", "momentum"),
    *("synchronized", "renorm", "renorm_clipping", "renorm_momentum"),
}
_ONLY_TRAINING_ENDINGS = ("_initializer", "_regularizer", "_constraint")
_HONOURED = {
    "InputLayer": {"batch_shape"},
    "Conv1D": {"filters", "kernel_size", "strides", "padding", "groups", "activation", "use_bias"},
    "DepthwiseConv1D": {
        *("kernel_size", "strides", "padding", "depth_multiplier", "activation", "use_bias"),
    },
    "Dense": {"units", "activation", "use_bias"},
    "BatchNormalization": {"epsilon", "center", "scale"},
    "MaxPooling1D": {"pool_size", "strides", "padding"},
    "Activation": {"activation"},
}


def refused(layer: Any, problem: str, remedy: str = _REMEDY) -> SerEdgeError:
    """Make the error for a layer that cannot be exported."""
    return SerEdgeError(f"the layer {layer.name!r} ({type(layer).__name__}) {problem}", remedy)


def read_layer(layer: Any, inputs: tuple[str, ...], name: str) -> list[Op]:
    """Return the operations of a layer that is called once; none where it changes nothing.

    Parameters
    ----------
    layer : keras.layers.Layer
    inputs : tuple of str
        Tensors that it reads.
    name : str
        Begins the names of its tensors; a layer's own may be of any kind.

    Raises
    ------
    SerEdgeError
        If the layer, or an option of it, is not supported.
    """
    kind = type(layer).__name__
    if kind not in _READERS:
        raise refused(layer, f"is not supported, expected {', '.join(_READERS)}")
    _check_call(layer)
    _check_options(layer, kind)
    return _READERS[kind](layer, inputs, name)


def _check_call(layer: Any) -> None:
    """Refuse layers that share weights, and such as are always in training."""
    calls = layer._inbound_nodes
    if len(calls) != 1:
        raise refused(layer, f"is used {len(calls)} times, expected once")
    arguments = calls[0].arguments
    more = [("argument 2", value) for value in arguments.args[1:]]
    for name, value in (*more, *arguments.kwargs.items()):
        if value is not None and value is not False and not hasattr(value, "shape"):
            raise refused(layer, f"is called with {name}={value!r}, expected its input alone")


def _check_options(layer: Any, kind: str) -> None:
    """Refuse every option that is neither honoured nor for training alone, except its default."""
    for dtype in (layer.dtype_policy.name, layer.output.dtype):
        if dtype != "float32":
            raise refused(layer, f"has dtype={dtype!r}, expected 'float32'", _FLOAT32)
    defaults = inspect.signature(type(layer).__init__).parameters
    for name, value in layer.get_config().items():
        if (
            name in _HONOURED.get(kind, ())
            or name in _ONLY_TRAINING
            or name.endswith(_ONLY_TRAINING_ENDINGS)
        ):
            continue
        expected = defaults[name].default if name in defaults else None
        if name == "data_format":
            expected = "channels_last"
        if name == "axis":  # of the channels
            value = value[0] if isinstance(value, list | tuple) else value
            value = -1 if value == len(layer.output.shape) - 1 else value
        if isinstance(value, list | tuple) and len(value) == 1:
            value = value[0]
        if value != expected and not (value is False and expected is None):
            raise refused(layer, f"has {name}={value!r}, expected {expected!r}")


def _conv(layer: Any, inputs: tuple[str, ...], name: str) -> list[Op]:
    weight = np.asarray(layer.kernel)
    groups = getattr(layer, "groups", 1)
    if type(layer).__name__ == "DepthwiseConv1D":
        groups = weight.shape[1]
        # (k, in, multiplier): the outputs of an input channel lie side by side.
        weight = weight.reshape(len(weight), 1, -1)
    size, _, n_out = weight.shape
    left, right = _padding(layer, size)
    settings = {"stride": layer.strides[0], "groups": groups, "left": left, "right": right}
    arrays = {"weight": weight, "bias": _bias(layer, n_out)}
    return _activated(layer, Op("conv", inputs, name, arrays, settings))


def _dense(layer: Any, inputs: tuple[str, ...], name: str) -> list[Op]:
    weight, bias = np.asarray(layer.kernel), _bias(layer, layer.units)
    if len(layer.output.shape) == 2:
        return _activated(layer, Op("dense", inputs, name, {"weight": weight, "bias": bias}))
    # On (time, channels) it is a convolution of one frame.
    settings = {"stride": 1, "groups": 1, "left": 0, "right": 0}
    arrays = {"weight": weight[None], "bias": bias}
    return _activated(layer, Op("conv", inputs, name, arrays, settings))


def _bias(layer: Any, n_out: int) -> NDArray[np.float32]:
    return np.asarray(layer.bias) if layer.use_bias else np.zeros(n_out, np.float32)


def _activated(layer: Any, op: Op) -> list[Op]:
    return [op, *_activation(layer, (op.output,), op.output)]


def activation_name(layer: Any) -> str:
    """Return the name of a layer's activation, which may be a layer itself; empty without one."""
    activation = getattr(layer, "activation", None)
    return "" if activation is None else getattr(activation, "__name__", type(activation).__name__)


def _activation(layer: Any, inputs: tuple[str, ...], name: str) -> list[Op]:
    activation = activation_name(layer)
    if activation == "linear":
        return []
    if activation != "relu":
        raise refused(layer, f"has activation={activation!r}, expected 'relu' or 'linear'")
    return [Op("relu", inputs, f"{name}_relu")]


def _maxpool(layer: Any, inputs: tuple[str, ...], name: str) -> list[Op]:
    size, stride = layer.pool_size[0], layer.strides[0]
    left, right = _padding(layer, size)
    settings = {"size": size, "stride": stride, "left": left, "right": right}
    return [Op("maxpool", inputs, name, {}, settings)]


def _padding(layer: Any, size: int) -> tuple[int, int]:
    """Return the padding of TensorFlow's ``"same"``: an odd sample goes to the right."""
    if layer.padding == "valid":
        return 0, 0
    if layer.padding == "causal":
        return size - 1, 0
    length, stride = layer.input.shape[1], layer.strides[0]
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def _batch_norm(layer: Any, inputs: tuple[str, ...], name: str) -> list[Op]:
    gain = 1 / np.sqrt(np.asarray(layer.moving_variance) + np.float32(layer.epsilon))
    if layer.gamma is not None:
        gain *= np.asarray(layer.gamma)
    offset = -np.asarray(layer.moving_mean) * gain
    if layer.beta is not None:
        offset += np.asarray(layer.beta)
    return [Op("affine", inputs, name, {"gain": gain, "offset": offset})]


def _add(layer: Any, inputs: tuple[str, ...], name: str) -> list[Op]:
    shapes = {tensor.shape for tensor in layer.input}
    if len(shapes) != 1:
        raise refused(layer, f"adds tensors of the shapes {sorted(map(str, shapes))}, expected one")
    ops: list[Op] = []
    total, *others = inputs
    for number, other in enumerate(others):
        ops.append(Op("add", (total, other), f"{name}_{number}"))
        total = ops[-1].output
    return ops


def _flatten(layer: Any, inputs: tuple[str, ...], name: str) -> list[Op]:
    return [] if len(layer.input.shape) == 2 else [Op("flatten", inputs, name)]


def _plain(kind: str) -> Callable[[Any, tuple[str, ...], str], list[Op]]:
    return lambda _layer, inputs, name: [Op(kind, inputs, name)]


def _nothing(_layer: Any, _inputs: tuple[str, ...], _name: str) -> list[Op]:
    return []


_READERS: dict[str, Callable[[Any, tuple[str, ...], str], list[Op]]] = {
    "InputLayer": _nothing,
    "Conv1D": _conv,
    "DepthwiseConv1D": _conv,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "MaxPooling1D": _maxpool,
    "ReLU": _plain("relu"),
    "Add": _add,
    "Concatenate": _plain("concat"),
    "Flatten": _flatten,
    "GlobalAveragePooling1D": _plain("mean"),
    "GlobalMaxPooling1D": _plain("max"),
    "GlobalStdPooling1D": _plain("std"),
    "Dropout": _nothing,
    "SpatialDropout1D": _nothing,
    "GaussianNoise": _nothing,
    "Identity": _nothing,
    "Activation": _activation,
}
IDENTITIES = tuple(kind for kind, reader in _READERS.items() if reader is _nothing)
"""Layers that predict what they are given."""
