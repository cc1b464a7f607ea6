"""Keras networks of other people: exported exactly, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from raising import raises
from test_graph import run_numeric, run_onnx, run_tflite

from ser_edge.errors import SerEdgeError
from ser_edge.prediction import softmax
from ser_edge_export.keras_network import KerasNetwork
from ser_edge_export.onnx_writer import onnx_model
from ser_edge_export.quantisation_search import QuantConfig
from ser_edge_export.tflite_writer import tflite_model
from ser_edge_export.variants import ModelVariant
from ser_edge_train.keras_backend import keras
from ser_edge_train.networks import GlobalStdPooling1D

pytestmark = pytest.mark.training

L = keras.layers
N_LABELS = 3


def opened(network: Any, folder: Path) -> KerasNetwork:
    path = folder / "foreign.keras"
    network.save(path)
    return KerasNetwork.open(path, network.input_shape[1:], network.output_shape[-1])


def inputs_of(network: Any, n: int = 4) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, *network.input_shape[1:])).astype(np.float32)


@dataclass
class Builder:
    """Adds random layers to a network; the options that must be refused are in `odd`."""

    data: st.DataObject
    may_be_odd: bool
    odd: list[str] = field(default_factory=list)

    def one_of(self, *values: Any) -> Any:
        return self.data.draw(st.sampled_from(values))

    def options(self, usual: dict[str, Any], **odd: Any) -> dict[str, Any]:
        """Add one of the odd options, seldom."""
        if self.may_be_odd and odd and self.one_of(True, False):
            name = self.one_of(*odd)
            self.odd.append(f"{name}={odd[name]!r}")
            usual[name] = odd[name]
        return usual

    def conv(self, x: Any) -> Any:
        usual = {
            "padding": self.one_of("same", "causal", "valid" if x.shape[1] > 12 else "same"),
            "strides": self.one_of(1, 2, 3),
            "use_bias": self.one_of(True, False),
            "activation": self.one_of(None, "relu"),
            "groups": self.one_of(1, 2) if x.shape[-1] % 2 == 0 else 1,
        }
        odd = {"activation": self.one_of("tanh", "gelu")}
        if usual["strides"] == 1:  # Keras has no other together with dilation
            odd["dilation_rate"] = 2
        return L.Conv1D(self.one_of(2, 4, 6), self.one_of(1, 2, 5), **self.options(usual, **odd))(x)

    def depthwise(self, x: Any) -> Any:
        usual = {
            "padding": self.one_of("same", "valid" if x.shape[1] > 12 else "same"),
            "depth_multiplier": self.one_of(1, 2),
            "use_bias": self.one_of(True, False),
            "strides": self.one_of(1, 2),
        }
        return L.DepthwiseConv1D(self.one_of(1, 3, 4), **self.options(usual, activation="elu"))(x)

    def frames_dense(self, x: Any) -> Any:
        usual = {"use_bias": self.one_of(True, False), "activation": self.one_of(None, "relu")}
        return L.Dense(self.one_of(3, 4), **self.options(usual, activation="sigmoid"))(x)

    def normalisation(self, x: Any) -> Any:
        usual = {
            "scale": self.one_of(True, False),
            "center": self.one_of(True, False),
            "epsilon": self.one_of(1e-3, 0.5),
            "axis": self.one_of(-1, len(x.shape) - 1),
            "momentum": 0.5,
            "synchronized": False,
        }
        odd = {"axis": 1} if len(x.shape) == 3 else {}
        return L.BatchNormalization(**self.options(usual, **odd))(x)

    def relu(self, x: Any) -> Any:
        odd = {"negative_slope": 0.2, "max_value": 1.0, "threshold": 0.3}
        return L.ReLU(**self.options({}, **odd))(x)

    def pooled(self, x: Any) -> Any:
        usual = {
            "padding": self.one_of("same", "valid" if x.shape[1] > 3 else "same"),
            "strides": self.one_of(None, 1, 2),
        }
        odd = {"data_format": "channels_first"} if x.shape[-1] >= 3 else {}
        return L.MaxPooling1D(self.one_of(2, 3), **self.options(usual, **odd))(x)

    def dropped(self, x: Any) -> Any:
        layer = self.one_of(L.Dropout(0.5), L.SpatialDropout1D(0.2), L.GaussianNoise(0.1))
        call = {"training": True} if self.may_be_odd and self.one_of(True, False) else {}
        self.odd += ["training=True"] * bool(call)
        return layer(x, **call)

    def joined(self, x: Any) -> Any:
        branches = [x, L.ReLU()(x), L.BatchNormalization()(x)][: self.one_of(2, 3)]
        if self.one_of(True, False):
            return L.Add()(branches)
        axis = self.one_of(-1, 2)
        if self.may_be_odd and self.one_of(True, False):
            axis = 1
            self.odd.append("axis=1")
        return L.Concatenate(axis=axis)(branches)

    def over_time(self, x: Any) -> Any:
        return self.one_of(
            L.Flatten(),
            GlobalStdPooling1D(),
            L.GlobalAveragePooling1D(),
            lambda x: L.Concatenate()([L.GlobalMaxPooling1D()(x), L.GlobalAveragePooling1D()(x)]),
        )(x)

    def end(self, x: Any) -> tuple[Any, bool]:
        """Add the last layers; return also whether they give probabilities."""
        if self.one_of(True, False):
            x = self.normalisation(L.Dense(5, activation="relu")(L.Flatten()(x)))
        kind = self.one_of("logits", "option", "activation", "layer", "more layers")
        logits = L.Dense(N_LABELS, activation="softmax" if kind == "option" else None)(x)
        if kind == "activation":
            logits = L.Activation("softmax")(logits)
        if kind in ("layer", "more layers"):
            logits = L.Softmax()(logits)
        if kind == "more layers":
            logits = L.Flatten()(L.Activation("linear")(L.Dropout(0.3)(logits)))
        return logits, kind != "logits"


def random_weights(network: Any, seed: int) -> None:
    """Draw all weights: those of a new network are zero and one where an option would show."""
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        weights = [rng.normal(0, 0.6, w.shape) for w in layer.get_weights()]
        if type(layer).__name__ == "BatchNormalization":
            weights[-1] = np.abs(weights[-1]) + 0.1
        layer.set_weights(weights)


# Without shrinking, which takes minutes here.
@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(data=st.data(), may_be_odd=st.sampled_from([False, False, True]), seed=st.integers(0, 999))
def test_a_network_is_exported_exactly_or_refused_by_name(
    data: st.DataObject, may_be_odd: bool, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    keras.backend.clear_session()
    folder = tmp_path_factory.mktemp("random")
    build = Builder(data, may_be_odd)
    x = inputs = keras.Input((build.one_of(40, 51, 62), build.one_of(2, 4)))
    layers: list[Callable[[Any], Any]] = [
        *(build.conv, build.depthwise, build.frames_dense, build.normalisation, build.relu),
        *(build.pooled, build.dropped, build.joined),
    ]
    for _ in range(build.one_of(3, 4, 5)):
        x = build.one_of(*layers)(x)
    outputs, are_probabilities = build.end(build.over_time(x))
    network = keras.Model(inputs, outputs)
    random_weights(network, seed)

    if build.odd:
        with pytest.raises(SerEdgeError) as caught:
            opened(network, folder)
        assert any(option in caught.value.problem for option in build.odd), caught.value
        return
    windows = inputs_of(network)
    expected = np.asarray(network(windows))
    if not are_probabilities:
        expected = softmax(expected)
    found = opened(network, folder)
    for logits in (
        found.logits(windows),
        run_onnx(onnx_model(found.graph, "random"), windows),
        run_numeric(found.graph, windows, folder),
        run_tflite(tflite_model(found.graph, "float32"), windows),
    ):
        np.testing.assert_allclose(softmax(logits), expected, atol=1e-4)


@pytest.mark.parametrize(
    "layer",
    [
        L.Conv1D(4, 3, padding="causal"),
        L.Conv1D(4, 3, padding="causal", strides=2),
        L.Conv1D(4, 4, padding="same", strides=3, groups=2),
        L.Conv1D(4, 3, use_bias=False, activation="relu"),
        L.DepthwiseConv1D(4, padding="same", depth_multiplier=3, strides=2),
        L.Dense(5, activation="relu"),
        L.BatchNormalization(epsilon=0.5, axis=2, scale=False),
        L.BatchNormalization(center=False, momentum=0.5, renorm=False, synchronized=False),
        L.MaxPooling1D(3, strides=2, padding="same"),
        L.Activation("relu"),
        lambda x: L.Add()([x, L.ReLU()(x), L.Dropout(0.5)(x)]),
        lambda x: L.Concatenate(axis=2)([L.ReLU()(x), L.Identity()(x)]),
    ],
    ids=range(12),
)
def test_what_is_honoured(layer: Callable[[Any], Any], tmp_path: Path) -> None:
    inputs = keras.Input((20, 4))
    network = keras.Model(inputs, L.Dense(N_LABELS)(L.Flatten()(layer(inputs))))
    random_weights(network, 0)
    found, windows = opened(network, tmp_path), inputs_of(network)
    expected = np.asarray(network(windows))
    for logits in (
        found.logits(windows),
        run_onnx(onnx_model(found.graph, "m"), windows),
        run_numeric(found.graph, windows, tmp_path),
    ):
        np.testing.assert_allclose(logits, expected, atol=1e-4)


def called(layer: Any, **options: Any) -> Callable[[Any], Any]:
    return lambda x: layer(x, **options)


SHARED = L.Conv1D(4, 3, padding="same", name="shared")


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (lambda x: x + 1.0, ["keras.ops.Add", "x + 1.0"]),
        (lambda x: x * x, ["keras.ops.Multiply"]),
        (lambda x: SHARED(SHARED(x)), ["'shared'", "2 times"]),
        (L.ReLU(negative_slope=0.2), ["negative_slope=0.2", "expected 0.0"]),
        (L.ReLU(max_value=0.0), ["max_value=0.0"]),
        (L.Conv1D(4, 3, activation=L.ReLU(negative_slope=0.2)), ["activation='ReLU'"]),
        (L.Conv1D(4, 3, dtype="mixed_float16"), ["dtype='mixed_float16'", "float32"]),
        (L.MaxPooling1D(data_format="channels_first"), ["data_format='channels_first'"]),
        (called(L.BatchNormalization(), training=True), ["training=True"]),
        (lambda x: L.Add()([x, L.Conv1D(1, 1)(x)]), ["(None, 20, 1)", "(None, 20, 4)"]),
        (L.Softmax(), ["Softmax"]),
        (L.LSTM(3, return_sequences=True, name="memory"), ["'memory'", "LSTM", "Conv1D"]),
        (keras.Sequential([keras.Input((20, 4)), L.ReLU()]), ["Sequential"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "network",
)
def test_what_is_refused(body: Callable[[Any], Any], values: list[str], tmp_path: Path) -> None:
    inputs = keras.Input((20, 4))
    network = keras.Model(inputs, L.Dense(N_LABELS)(L.GlobalMaxPooling1D()(body(inputs))))
    with raises(SerEdgeError, *values, source=tmp_path / "foreign.keras"):
        opened(network, tmp_path)


def test_an_input_in_float16_is_refused(tmp_path: Path) -> None:
    inputs = keras.Input((20, 4), dtype="float16")
    with raises(SerEdgeError, "InputLayer", "float16", "float32"):
        opened(keras.Model(inputs, L.Dense(N_LABELS)(L.Flatten()(inputs))), tmp_path)


def test_names_of_layers_and_a_fixed_batch_change_nothing(tmp_path: Path) -> None:
    inputs = keras.Input((20, 4), batch_size=3, name="logits")
    x = L.Conv1D(4, 3, name="input", activation="relu")(inputs)
    x = L.GlobalMaxPooling1D(name="input_relu")(x)
    network = keras.Model(inputs, L.Dense(N_LABELS, name="features")(x))
    windows = inputs_of(network, 3)
    found = opened(network, tmp_path)
    expected = np.asarray(network(windows))
    np.testing.assert_allclose(found.logits(windows), expected, atol=1e-5)
    np.testing.assert_allclose(run_onnx(onnx_model(found.graph, "m"), windows), expected, atol=1e-5)


def test_a_file_without_weights_of_its_precision_is_refused(tmp_path: Path) -> None:
    """The only layer is the last, which int8 leaves in float32."""
    inputs = keras.Input((20, 4))
    network = keras.Model(inputs, L.Dense(N_LABELS)(L.Flatten()(inputs)))
    found, windows = opened(network, tmp_path), inputs_of(network)
    for variant in (ModelVariant("onnx", "int8"), ModelVariant("tflite", "int8")):
        found.content(variant, QuantConfig(), windows, 1.0)
        with raises(SerEdgeError, variant.file, "0 weights in int8", 240):
            found.content(variant, QuantConfig(float_layers=("last",)), windows, 1.0)
    # TensorFlow's converter leaves small weights as they are.
    with raises(SerEdgeError, "model.dynamic.tflite", "0 weights in int8"):
        found.content(ModelVariant("tflite", "dynamic"), QuantConfig(), windows, 1.0)
