"""TFLite files with samples as input and probabilities as output, of built-in operations."""

from __future__ import annotations

from typing import Any

from ser_edge.frontend import InputConfig
from ser_edge_export.tflite_join import join
from ser_edge_export.tflite_writer import converted
from ser_edge_export.waveform import waveform_inputs
from ser_edge_train.keras_backend import tf


def with_audio(network: bytes, config: InputConfig, temperature: float, n_labels: int) -> bytes:
    """Put the front end before a network, and temperature and softmax after it.

    The input ``features`` [shape=(1, *config.shape)] becomes ``samples`` [shape=(1, n_samples)].
    The output ``logits`` becomes ``probabilities``. All are float32.

    Raises
    ------
    ConfigError
        If the input has a descriptor that a graph cannot compute.
    """
    n_samples = config.window_samples
    front = converted(
        lambda samples: waveform_inputs(_Ops(), tf.reshape(samples, (n_samples,)), config),
        "samples",
        (1, n_samples),
    )
    back = converted(lambda logits: tf.nn.softmax(logits / temperature), "logits", (1, n_labels))
    return join(join(front, network), back)


class _Ops:
    """The operations of `ser_edge_export.waveform.Ops` in TensorFlow."""

    reshape = staticmethod(tf.reshape)
    take = staticmethod(tf.gather)
    larger = staticmethod(tf.maximum)
    smaller = staticmethod(tf.minimum)
    absolute = staticmethod(tf.abs)
    sqrt = staticmethod(tf.sqrt)
    log = staticmethod(tf.math.log)
    exp = staticmethod(tf.exp)
    join = staticmethod(tf.concat)
    largest = staticmethod(tf.reduce_max)

    def largest_of_row(self, x: Any) -> Any:
        return tf.reduce_max(x, -1)

    def total(self, x: Any) -> Any:
        return tf.reduce_sum(x, -1)

    def part(self, x: Any, start: int, stop: int) -> Any:
        return x[start:stop]

    def pad(self, x: Any, left: int, right: int) -> Any:
        return tf.pad(x, [[left, right]])

    def below(self, x: Any, limit: float) -> Any:
        return tf.cast(tf.less(x, limit), tf.float32)
