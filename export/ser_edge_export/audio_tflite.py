"""TFLite files that take samples and give probabilities, of built-in operations only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.frontend import InputConfig
from ser_edge_export.tflite_join import join
from ser_edge_export.tflite_writer import converted
from ser_edge_export.waveform import waveform_inputs
from ser_edge_train.keras_backend import tf


def with_audio(network: bytes, config: InputConfig, temperature: float, n_labels: int) -> bytes:
    """Put the front end ahead of a network, and a softmax behind it.

    Parameters
    ----------
    network : bytes
        Of a ``.tflite`` file from float32 features [shape=(1, *config.shape)] to float32 logits
        [shape=(1, n_labels)].
    config : InputConfig
        How its input is made.
    temperature : float > 0
        Divides the logits.
    n_labels : int
        Number of the logits.

    Returns
    -------
    content : bytes
        Of a ``.tflite`` file from float32 samples [shape=(1, n_samples)] to float32 probabilities
        [shape=(1, n_labels)].

    Raises
    ------
    ConfigError
        If the input has a descriptor that a graph cannot compute.
    """
    n_samples = config.window.n_samples(config.features.sample_rate)
    front = converted(
        lambda samples: waveform_inputs(_Ops(), tf.reshape(samples, (n_samples,)), config),
        "samples",
        (1, n_samples),
    )
    back = converted(lambda logits: tf.nn.softmax(logits / temperature), "logits", (1, n_labels))
    return join(join(front, network), back)


class _Ops:
    """The operations of `ser_edge_export.waveform.Ops`, by TensorFlow."""

    def reshape(self, x: Any, shape: Sequence[int]) -> Any:
        return tf.reshape(x, shape)

    def take(self, x: Any, which: NDArray[np.int32], axis: int = 0) -> Any:
        return tf.gather(x, which, axis=axis)

    def part(self, x: Any, start: int, stop: int) -> Any:
        return x[start:stop]

    def pad(self, x: Any, left: int, right: int) -> Any:
        return tf.pad(x, [[left, right]])

    def total(self, x: Any) -> Any:
        return tf.reduce_sum(x, -1)

    def largest(self, x: Any) -> Any:
        return tf.reduce_max(x)

    def largest_of_row(self, x: Any) -> Any:
        return tf.reduce_max(x, -1)

    def larger(self, x: Any, y: Any) -> Any:
        return tf.maximum(x, y)

    def smaller(self, x: Any, y: Any) -> Any:
        return tf.minimum(x, y)

    def below(self, x: Any, limit: float) -> Any:
        return tf.cast(tf.less(x, limit), tf.float32)

    def absolute(self, x: Any) -> Any:
        return tf.abs(x)

    def sqrt(self, x: Any) -> Any:
        return tf.sqrt(x)

    def log(self, x: Any) -> Any:
        return tf.math.log(x)

    def exp(self, x: Any) -> Any:
        return tf.exp(x)

    def join(self, parts: Sequence[Any], axis: int) -> Any:
        return tf.concat(parts, axis)
