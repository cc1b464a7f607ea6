"""Rewrite a trained network so that int8 can hold it, without changing what it computes.

Where batch normalisation follows the activation, as in the published network, its gain cannot be
folded into the layer before, and the gains differ by orders of magnitude: a unit that is rarely
active has a small variance and so a large gain, and a quantiser with one scale for all units rounds
the others away. But a ReLU commutes with positive factors, relu(s x) = s relu(x), so that gain can
be moved ahead of it, or past it, to where it does least harm (Nagel et al. 2019, "Data-free
quantization through weight equalization and bias correction"):

- ahead of a convolution's ReLU, into weights that have a scale for each channel; a gain of 1 or -1
  and the offset remain;
- between two dense layers past it, into the second layer, where the offset goes too; then both
  layers share the factor s = sqrt(largest weight / largest activation) of each unit, which makes
  the ranges of activations and weights equally uneven.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge_train.engine import keras


def equalised(network: Any, calibration: NDArray[np.float32]) -> Any:
    """Move the gain of every batch normalisation that follows a ReLU.

    Parameters
    ----------
    network : keras.Model
        Functional. It is left as it is.
    calibration : np.ndarray [shape=(n, *input_shape), dtype=float32]
        Standardised features of training windows.

    Returns
    -------
    network : keras.Model
        A copy with other weights, and an `Offset` in place of each of these normalisations that
        had no negative gain; the network itself where no normalisation follows a ReLU.
    """
    pairs = list(_relu_then_normalised(network))
    if not pairs:
        return network
    replaced = {norm.name for _, norm in pairs if (_gain_and_offset(norm)[0] > 0).all()}

    def clone(layer: Any) -> Any:
        if layer.name in replaced:
            return Offset(name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=clone)
    for layer in network.layers:
        if layer.name not in replaced:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    for layer, norm in pairs:
        own_layer, own_norm = copy.get_layer(layer.name), copy.get_layer(norm.name)
        follower = _dense_after(norm)
        if follower is None:
            _move_ahead(own_layer, norm, own_norm)
        else:
            peaks = keras.Model(network.input, layer.output).predict(calibration, verbose=0).max(0)
            _move_past(own_layer, norm, own_norm, copy.get_layer(follower.name), peaks)
    return copy


class Offset(keras.layers.Layer):  # type: ignore[misc]
    """Adds a number to each channel: what is left of a normalisation whose gain was moved.

    A normalisation with a gain of 1 would do, but int8 TFLite spends a multiplication on it, and
    rounds once more.
    """

    def build(self, input_shape: Any) -> None:
        """Make the weight [shape=(channels,)]."""
        self.offset = self.add_weight(shape=(input_shape[-1],), initializer="zeros")

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        """Add it; the other arguments are there because a normalisation is called with them."""
        return inputs + self.offset


def _move_ahead(layer: Any, norm: Any, remaining: Any) -> None:
    gain, offset = _gain_and_offset(norm)
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel * np.abs(gain), bias * np.abs(gain)])
    _set(remaining, np.sign(gain), offset)


def _move_past(
    layer: Any, norm: Any, remaining: Any, follower: Any, peaks: NDArray[np.float32]
) -> None:
    gain, offset = _gain_and_offset(norm)
    kernel, bias = layer.get_weights()
    next_kernel, next_bias = follower.get_weights()
    moved = gain[:, None] * next_kernel
    # A unit that calibration never activates counts as the least active of the others.
    alive = peaks > 0
    peaks = np.where(alive, peaks, peaks[alive].min() if alive.any() else 1)
    largest = np.abs(moved).max(axis=1)
    share = np.sqrt(np.where(largest > 0, largest, 1) / peaks)
    layer.set_weights([kernel * share, bias * share])
    follower.set_weights([moved / share[:, None], next_bias + offset @ next_kernel])
    _set(remaining, np.ones_like(gain), np.zeros_like(offset))


def _set(remaining: Any, gain: NDArray[np.float32], offset: NDArray[np.float32]) -> None:
    if isinstance(remaining, Offset):
        remaining.set_weights([offset])
    else:
        unit_variance = np.full_like(gain, 1 - remaining.epsilon)
        remaining.set_weights([gain, offset, np.zeros_like(gain), unit_variance])


def _gain_and_offset(norm: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    gamma, beta, mean, variance = norm.get_weights()
    gain = gamma / np.sqrt(variance + norm.epsilon)
    return gain, beta - mean * gain


def _relu_then_normalised(network: Any) -> Iterator[tuple[Any, Any]]:
    for layer in network.layers:
        if type(layer).__name__ != "BatchNormalization":
            continue
        before = layer.input._keras_history.operation
        activation = getattr(getattr(before, "activation", None), "__name__", None)
        if activation == "relu" and hasattr(before, "kernel"):
            yield before, layer


def _dense_after(norm: Any) -> Any | None:
    """Return the dense layer that alone takes what a normalisation gives, if it is one."""
    followers = [node.operation for node in norm._outbound_nodes]
    if len(followers) == 1 and type(followers[0]).__name__ == "Dense":
        return followers[0]
    return None
