"""The networks, in Keras. They output logits; the classifier applies temperature and softmax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ser_edge_train.keras_backend import keras

layers = keras.layers

_MOMENTUM = 0.9  # of batch normalisation; Keras's 0.99 needs more steps than a small corpus has


def build_network(name: str, input_shape: Sequence[int], n_labels: int) -> keras.Model:
    """Build an untrained network of `NETWORKS` for an `InputConfig.shape`."""
    inputs = keras.Input(tuple(input_shape), name="features")
    logits = _NETWORKS[name](inputs, n_labels)
    return keras.Model(inputs, logits, name=name)


def load_network(path: Path) -> keras.Model:
    """Load a stored network. Importing this module registers its layer with Keras.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        By Keras, if the file is missing or damaged, or has an unknown layer.
    """
    return keras.models.load_model(path, compile=False)


def averaged(networks: Sequence[keras.Model]) -> keras.Model:
    """Join trained networks of one kind into a network whose logits are the mean of theirs.

    They run in parallel and share the last, linear layer. A single network is returned as it is.
    """
    if len(networks) == 1:
        return networks[0]
    first = networks[0]
    inputs = keras.Input(first.input_shape[1:], name="features")
    bodies = []
    for number, network in enumerate(networks):
        head = network.get_layer("logits")
        body = keras.Model(network.input, head.input)
        bodies.append(_copied(body, inputs, f"network{number}_"))
    kernels, biases = zip(
        *(network.get_layer("logits").get_weights() for network in networks), strict=True
    )
    head = layers.Dense(len(biases[0]), name="logits")
    logits = head(layers.Concatenate()(bodies))
    head.set_weights([np.concatenate(kernels) / len(networks), np.mean(biases, axis=0)])
    return keras.Model(inputs, logits, name=first.name)


def _copied(network: keras.Model, inputs: Any, prefix: str) -> Any:
    """Copy a network's layers and weights onto another input, with a prefix to their names."""

    def copy(layer: Any) -> Any:
        config = layer.get_config()
        return type(layer).from_config({**config, "name": prefix + config["name"]})

    twin = keras.models.clone_model(network, input_tensors=inputs, clone_function=copy)
    twin.set_weights(network.get_weights())
    return twin.output


@keras.saving.register_keras_serializable("ser_edge")
class GlobalStdPooling1D(keras.layers.Layer):  # type: ignore[misc]
    """Standard deviation over time; Keras has only mean and maximum."""

    def call(self, x: Any) -> Any:
        """Map [shape=(n, time, channels)] to [shape=(n, channels)]."""
        # The gradient of the square root is infinite at 0, the variance of a silent unit.
        return keras.ops.sqrt(keras.ops.var(x, axis=1) + 1e-10)

    def compute_output_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Drop the time axis."""
        return (shape[0], shape[-1])


def _edge(inputs: Any, n_labels: int) -> Any:
    """Build a stem, three depthwise-separable blocks, and statistics over time."""
    x = layers.Conv1D(64, 5, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.ReLU()(layers.BatchNormalization(momentum=_MOMENTUM)(x))
    for filters in (96, 96, 128):
        y = layers.DepthwiseConv1D(5, padding="same", use_bias=False)(x)
        y = layers.Conv1D(filters, 1, use_bias=False)(y)
        y = layers.ReLU()(layers.BatchNormalization(momentum=_MOMENTUM)(y))
        x = layers.Add()([x, y]) if x.shape[-1] == filters else y
    statistics = layers.GlobalAveragePooling1D, GlobalStdPooling1D, layers.GlobalMaxPooling1D
    x = layers.Concatenate()([statistic()(x) for statistic in statistics])
    return layers.Dense(n_labels, name="logits")(layers.Dropout(0.3)(x))


def _seed(inputs: Any, n_labels: int) -> Any:
    """Build the published network, with its order of layers."""
    x = inputs
    for filters in (256, 128, 64):
        x = layers.Conv1D(filters, 5, padding="same", activation="relu")(x)
        x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
        x = layers.MaxPooling1D(5, strides=2, padding="same")(x)
    x = layers.Dense(512, activation="relu")(layers.Flatten()(x))
    x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
    return layers.Dense(n_labels, name="logits")(x)


def _seed_kaggle(inputs: Any, n_labels: int) -> Any:
    """Build the five-block predecessor of the published network."""
    x = inputs
    blocks = ((512, 5, 5, 0.0), (512, 5, 5, 0.2), (256, 5, 5, 0.0), (256, 3, 5, 0.2))
    for filters, size, pool, dropout in (*blocks, (128, 3, 3, 0.2)):
        x = layers.Conv1D(filters, size, padding="same", activation="relu")(x)
        x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
        x = layers.MaxPooling1D(pool, strides=2, padding="same")(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    x = layers.Dense(512, activation="relu")(layers.Flatten()(x))
    x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
    return layers.Dense(n_labels, name="logits")(x)


_NETWORKS: dict[str, Callable[[Any, int], Any]] = {
    "edge": _edge,
    "seed": _seed,
    "seed-kaggle": _seed_kaggle,
}
