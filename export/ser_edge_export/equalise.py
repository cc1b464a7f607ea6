"""Rewrite a trained network so that int8 can hold it, without changing what it computes.

Where batch normalisation follows the activation, as in the published network, its gain cannot be
folded into the layer before, and the gains differ by orders of magnitude: a unit that is nearly
dead has a variance near zero and so a huge gain, and a quantiser with one scale for all of them
rounds the others away. But ReLU commutes with a positive factor, relu(g x) = g relu(x), so the gain
can be moved ahead of the activation, into weights that have a scale for each channel (Nagel et al.
2019, "Data-free quantization through weight equalization and bias correction"). What remains is a
gain of 1, or -1 where it was negative.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge_train.engine import keras

_DEAD = 1e-6


def equalised(network: Any, calibration: NDArray[np.float32]) -> Any:
    """Move the gain of every batch normalisation that follows a ReLU into the layer before it.

    A unit that no calibration window activates has no gain worth keeping: its output is made the
    constant that it is on all of them.

    Parameters
    ----------
    network : keras.Model
        Functional. It is left as it is.
    calibration : np.ndarray [shape=(n, *input_shape), dtype=float32]
        Standardised features of training windows.

    Returns
    -------
    network : keras.Model
        A copy with other weights; the network itself where it has no such pair.
    """
    pairs = [(a.name, b.name) for a, b in _relu_then_normalised(network)]
    if not pairs:
        return network
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    activations = keras.Model(copy.input, [copy.get_layer(name).output for name, _ in pairs])
    outputs = activations.predict(calibration, batch_size=64, verbose=0)
    outputs = outputs if isinstance(outputs, list) else [outputs]
    peaks = [out.reshape(-1, out.shape[-1]).max(axis=0) for out in outputs]
    for (layer_name, norm_name), peak in zip(pairs, peaks, strict=True):
        _move_gain(copy.get_layer(layer_name), copy.get_layer(norm_name), peak)
    return copy


def _move_gain(layer: Any, norm: Any, peak: NDArray[np.float32]) -> None:
    gamma, beta, mean, variance = norm.get_weights()
    gain = gamma / np.sqrt(variance + norm.epsilon)
    offset = beta - mean * gain
    factor = np.where(peak > _DEAD, np.abs(gain), 0)
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * factor, bias * factor])
    unit_variance = np.full_like(variance, 1 - norm.epsilon)
    norm.set_weights([np.sign(gain), offset, np.zeros_like(mean), unit_variance])


def _relu_then_normalised(network: Any) -> Iterator[tuple[Any, Any]]:
    for layer in network.layers:
        if type(layer).__name__ != "BatchNormalization":
            continue
        before = layer.input._keras_history.operation
        activation = getattr(getattr(before, "activation", None), "__name__", None)
        if activation == "relu" and hasattr(before, "kernel"):
            yield before, layer
