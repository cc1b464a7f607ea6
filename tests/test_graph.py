"""Keras to plain operations to ONNX and NumPy, and equalisation for int8: all exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from ser_edge.backends.graph import Graph
from ser_edge.backends.graph_file import graph_bytes
from ser_edge.backends.numeric import NumericModel, open_model
from ser_edge_export.calibration import calibrate
from ser_edge_export.equalise import equalised
from ser_edge_export.keras_graph import graph_of
from ser_edge_export.onnx_writer import Int8, onnx_model
from ser_edge_export.tflite_writer import tflite_model
from ser_edge_train.keras_backend import keras
from ser_edge_train.networks import build_network

pytestmark = pytest.mark.training

layers = keras.layers

# Short vectors keep the seed network small here: the dense layer grows with their length.
SHAPES = {"edge": (130, 22), "seed": (200, 1)}


def trained_like(name: str, rng: np.random.Generator, sign: int = 1) -> Any:
    """Build a network like a trained one: some units rarely active, one gain of another sign.

    The batch normalisations have the statistics of their inputs.
    """
    keras.utils.set_random_seed(0)
    network = build_network(name, SHAPES[name], 7)
    for layer in network.layers:
        if getattr(layer, "bias", None) is not None and layer.name != "logits":
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, rng.choice([0.0, -2.0], len(bias), p=[0.7, 0.3])])
        if type(layer).__name__ == "BatchNormalization":
            gamma, beta, *statistics = layer.get_weights()
            gamma = rng.uniform(0.5, 1.5, len(gamma))
            gamma[1] *= sign
            layer.set_weights([gamma, rng.normal(0, 0.1, len(beta)), *statistics])
    for _ in range(60):
        network(inputs_of(name, rng, 32), training=True)
    return network


def inputs_of(name: str, rng: np.random.Generator, n: int = 8) -> NDArray[np.float32]:
    return rng.standard_normal((n, *SHAPES[name])).astype(np.float32)


def run_onnx(
    model: onnx.ModelProto, inputs: NDArray[np.float32], *, at_once: bool = False
) -> NDArray[np.float32]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")  # as our backend does
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    batches = [inputs] if at_once else [x[None] for x in inputs]
    return np.concatenate([session.run(None, {"features": batch})[0] for batch in batches])


def run_tflite(content: bytes, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for window in inputs:
        interpreter.set_tensor(source["index"], window[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"])[0])
    return np.stack(outputs)


def run_numeric(graph: Graph, inputs: NDArray[np.float32], folder: Path) -> NDArray[np.float32]:
    path = folder / "model.float32.npz"
    path.write_bytes(graph_bytes(graph))
    return open_model(path.read_bytes(), path).run(inputs)


def deviation(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found - expected).max() / expected.std())


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["edge", "seed"])
def test_float_models_equal_keras(
    name: str, sign: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    network, inputs = trained_like(name, rng, sign), inputs_of(name, rng)
    expected = network.predict(inputs, verbose=0)
    graph = graph_of(network)
    assert deviation(run_onnx(onnx_model(graph, name), inputs), expected) < 1e-4
    assert deviation(run_numeric(graph, inputs, tmp_path), expected) < 1e-4
    assert deviation(run_tflite(tflite_model(graph, "float32"), inputs), expected) < 1e-4


def random_network(rng: np.random.Generator) -> Any:
    """Build a network of all supported layers, with odd lengths, strides and paddings."""

    def one_of(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    def sliding() -> dict[str, Any]:
        return {"strides": one_of(1, 2, 3), "padding": one_of("same", "valid")}

    def normalised(x: Any) -> Any:
        layer = layers.BatchNormalization(scale=one_of(True, False), center=one_of(True, False))
        x = layer(x)
        weights = [rng.uniform(0.5, 2, w.shape) * one_of(1, -1) for w in layer.get_weights()]
        layer.set_weights([*weights[:-1], np.abs(weights[-1])])
        return x

    x = inputs = keras.Input((int(rng.integers(41, 60)), 2 * int(rng.integers(1, 4))))
    for _ in range(2):
        groups, bias = one_of(1, 2), one_of(True, False)
        x = layers.Conv1D(6, one_of(1, 2, 5), groups=groups, use_bias=bias, **sliding())(x)
        x = one_of(normalised, layers.Activation("relu"), lambda x: normalised(layers.ReLU()(x)))(x)
        y = layers.DepthwiseConv1D(one_of(1, 3, 4), padding="same", activation="relu")(x)
        x = one_of(layers.Add(), layers.Concatenate())([normalised(y), x])
        x = layers.MaxPooling1D(one_of(2, 3), **sliding())(x)
    means, maxima = layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)
    x = layers.Concatenate()([layers.Flatten()(x), layers.Dropout(0.5)(means), maxima])
    x = normalised(layers.Dense(9, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(3, use_bias=one_of(True, False))(x))


@pytest.mark.parametrize("seed", range(12))
def test_other_networks(seed: int, tmp_path: Path) -> None:
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    inputs = rng.standard_normal((3, *network.input_shape[1:])).astype(np.float32)
    expected = np.asarray(network(inputs))
    graph = graph_of(network)
    assert deviation(run_onnx(onnx_model(graph, "random"), inputs), expected) < 1e-5
    batch = onnx_model(graph, "random", batch=True)
    assert deviation(run_onnx(batch, inputs, at_once=True), expected) < 1e-5
    assert deviation(run_numeric(graph, inputs, tmp_path), expected) < 1e-5
    assert deviation(run_tflite(tflite_model(graph, "float32"), inputs), expected) < 1e-5
    assert deviation(run_numeric(equalised(graph, inputs), inputs, tmp_path), expected) < 1e-4


def test_no_normalisation_is_left(rng: np.random.Generator) -> None:
    kinds = [op.kind for op in graph_of(trained_like("edge", rng)).ops]
    assert "affine" not in kinds
    assert kinds.count("conv") == 7
    kinds = [op.kind for op in graph_of(trained_like("seed", rng)).ops]
    assert "affine" not in kinds
    assert kinds.count("pad") == 2  # the published order puts a convolution behind it
    model = onnx_model(graph_of(trained_like("edge", rng)), "edge")
    assert [n.op_type for n in model.graph.node].count("Transpose") == 1


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["edge", "seed"])
def test_equalising_changes_no_logit(
    name: str, sign: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    graph, inputs = graph_of(trained_like(name, rng, sign)), inputs_of(name, rng)
    before = graph_bytes(graph)
    even = equalised(graph, inputs)
    assert graph_bytes(graph) == before
    expected = run_numeric(graph, inputs, tmp_path)
    assert deviation(run_numeric(even, inputs, tmp_path), expected) < 1e-4


def test_equalising_leaves_gains_of_one(rng: np.random.Generator) -> None:
    even = equalised(graph_of(trained_like("seed", rng, -1)), inputs_of("seed", rng))
    gains = [op.arrays["gain"] for op in even.ops if op.kind == "affine"]
    assert len(gains) == 3
    for gain in gains:
        assert set(gain.tolist()) == {1, -1}


def unevenness(graph: Graph, inputs: NDArray[np.float32]) -> float:
    """Mean over tensors of the largest channel's peak over the median one's."""
    tensors = [NumericModel(graph, "").tensors(x) for x in inputs]
    ratios = []
    for name in {op.output for op in graph.ops if op.kind == "conv"}:
        peaks = np.max([np.abs(values[name]).max(axis=0) for values in tensors], axis=0)
        ratios.append(peaks.max() / np.median(peaks))
    return float(np.mean(ratios))


def test_equalising_makes_channels_even(rng: np.random.Generator) -> None:
    graph, inputs = graph_of(trained_like("edge", rng)), inputs_of("edge", rng)
    # Measured: 2.0 to 1.5.
    assert unevenness(equalised(graph, inputs), inputs) < 0.85 * unevenness(graph, inputs)


def int8_errors(graph: Graph, inputs: NDArray[np.float32], expected: Any) -> NDArray[np.float64]:
    """Deviation of the int8 logits in ONNX Runtime and in LiteRT."""
    ranges = calibrate(graph, inputs)
    found = (
        run_onnx(onnx_model(graph, "int8", int8=Int8(ranges)), inputs),
        run_tflite(tflite_model(graph, "int8", ranges), inputs),
    )
    return np.array([np.sqrt(np.mean((one - expected) ** 2)) for one in found])


def test_int8_of_the_published_order_needs_equalising(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    graph, inputs = graph_of(trained_like("seed", rng)), inputs_of("seed", rng, 64)
    expected = run_numeric(graph, inputs, tmp_path)
    naive = int8_errors(graph, inputs, expected)
    even = int8_errors(equalised(graph, inputs), inputs, expected)
    # Measured, in units of the logits' deviation: 0.15, equalised 0.099, in both. A trained network
    # is worse off: docs/decisions.md.
    assert (even < 0.12 * expected.std()).all()
    assert (even < 0.8 * naive).all()


def test_one_calibration_stands_behind_both_int8_files(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    graph, inputs = graph_of(trained_like("edge", rng)), inputs_of("edge", rng, 32)
    ranges = calibrate(graph, inputs)
    as_onnx = run_onnx(onnx_model(graph, "edge", int8=Int8(ranges)), inputs)
    as_tflite = run_tflite(tflite_model(graph, "int8", ranges), inputs)
    step = (ranges["logits"][1] - ranges["logits"][0]) / 255
    # Rounding within a kernel may differ: measured, not at all, or by a step on 1 % of them.
    assert np.abs(as_onnx - as_tflite).max() < 1.5 * step
    assert (np.abs(as_onnx - as_tflite) < 0.5 * step).mean() > 0.9
