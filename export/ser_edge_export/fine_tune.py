"""Quantisation-aware fine-tuning: a short training with weights and activations rounded to int8.

Gradients skip the rounding (straight-through estimator; Jacob et al. 2018, "Quantization and
training of neural networks for efficient integer-arithmetic-only inference"). The targets are the
float32 network's probabilities, so no labels are needed (Hinton et al. 2015, "Distilling the
knowledge in a neural network"). Inputs are training windows, half of them mixed in pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.graph import Graph
from ser_edge_export.calibration import Range
from ser_edge_export.tflite_writer import computed
from ser_edge_train.keras_backend import keras, set_seed, tf
from ser_edge_train.progress import progress_bar

STEPS = 400
"""Number of batches: about a minute for a small network."""

_BATCH = 64  # as in training
_LEARNING_RATE = 1e-5  # with 2e-4 the accuracy falls; see docs/decisions.md


def fine_tuned(
    graph: Graph,
    ranges: Mapping[str, Range],
    windows: NDArray[np.float32],
    *,
    temperature: float,
) -> Graph:
    """Fine-tune a graph's weights for int8, with constant ranges of the activations.

    Parameters
    ----------
    graph : Graph
    ranges : mapping of str to (float, float)
        Range of every int8 tensor.
    windows : np.ndarray [shape=(n, *graph.input_shape), dtype=float32]
        Inputs of training windows; ``n > 0``.
    temperature : float > 0
        Divides the logits before the softmax.
    """
    set_seed(0)
    rng = np.random.default_rng(0)
    variables = {
        op.output: {name: tf.Variable(array) for name, array in op.arrays.items()}
        for op in graph.ops
    }
    # Gains of 1 are not computed (`tflite_writer`) and have no gradient.
    trained = [
        variable
        for arrays in variables.values()
        for name, variable in arrays.items()
        if name != "gain"
    ]
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, STEPS))

    @tf.function(input_signature=[tf.TensorSpec((None, *graph.input_shape), tf.float32)])  # type: ignore[untyped-decorator]
    def step(inputs: Any) -> Any:
        expected = tf.nn.softmax(computed(graph, inputs, {}) / temperature)
        with tf.GradientTape() as tape:
            rounded = {name: _rounded(arrays) for name, arrays in variables.items()}
            found = computed(graph, inputs, ranges, rounded) / temperature
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(expected, found))
        optimizer.apply_gradients(zip(tape.gradient(loss, trained), trained, strict=True))
        return loss

    with progress_bar() as bar:
        task = bar.add_task("fine-tuning for int8", total=STEPS)
        for _ in range(STEPS):
            step(_mixed(windows, rng))
            bar.advance(task)
    learned = {
        name: {array: variable.numpy() for array, variable in arrays.items()}
        for name, arrays in variables.items()
    }
    return replace(graph, ops=tuple(replace(op, arrays=learned[op.output]) for op in graph.ops))


def _mixed(windows: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a batch, half of it mixed in pairs."""
    one, other = windows[rng.integers(len(windows), size=(2, _BATCH))]
    share = np.where(rng.random(_BATCH) < 0.5, 1, rng.random(_BATCH)).astype(np.float32)
    share = share.reshape(-1, *[1] * (windows.ndim - 1))
    return np.asarray(share * one + (1 - share) * other)


def _rounded(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Round weights to 255 levels per output channel; biases have 32 bits."""
    if "weight" not in arrays:
        return dict(arrays)
    weight = arrays["weight"]
    axes = list(range(len(weight.shape) - 1))
    limit = tf.maximum(tf.stop_gradient(tf.reduce_max(tf.abs(weight), axes)), 1e-9)
    rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
        weight, -limit, limit, narrow_range=True
    )
    return {**arrays, "weight": rounded}
