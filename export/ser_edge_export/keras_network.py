"""A Keras network, read as plain operations and written from them in every variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.graph import Graph
from ser_edge.backends.graph_file import graph_bytes
from ser_edge.errors import SerEdgeError, error_source, first_line
from ser_edge_export.calibration import Range, calibrate
from ser_edge_export.equalise import equalised
from ser_edge_export.fine_tune import fine_tuned
from ser_edge_export.keras_graph import graph_of
from ser_edge_export.keras_layers import IDENTITIES, activation_name
from ser_edge_export.onnx_precision import dynamic, float16, int8_weights
from ser_edge_export.onnx_writer import Int8, onnx_model
from ser_edge_export.quantisation_search import QuantConfig
from ser_edge_export.tflite_writer import tflite_model
from ser_edge_export.trained_model import check_fits
from ser_edge_export.variants import ModelVariant
from ser_edge_export.weight_types import check_weights, onnx_counts, tflite_counts
from ser_edge_train import fit
from ser_edge_train.keras_backend import keras
from ser_edge_train.networks import load_network

_SOFTMAX = ("softmax", "log_softmax")  # a softmax of log-probabilities is the probabilities
_FLOAT_LAYERS = {"first": "input", "last": "logits"}  # tensors that have no range then


class KerasNetwork:
    """A functional Keras model that ends in logits.

    Parameters
    ----------
    model : keras.Model
        The model.
    name : str
        Name of the graph in ONNX files.
    unsigned, reduce_range : bool
        Integers of static int8 ONNX files; see `ser_edge_export.onnx_writer.Int8`.
    """

    def __init__(
        self, model: Any, name: str, *, unsigned: bool = False, reduce_range: bool = False
    ) -> None:
        self._model, self._name = model, name
        self._onnx_options = {"unsigned": unsigned, "reduce_range": reduce_range}
        self.n_parameters = int(model.count_params())
        self._quantised: dict[QuantConfig, tuple[Graph, Mapping[str, Range]]] = {}

    @classmethod
    def open(
        cls, path: Path, shape: Sequence[int], n_labels: int, **onnx_options: bool
    ) -> KerasNetwork:
        """Read a ``.keras`` or ``.h5`` file; a softmax at its end is removed.

        Raises
        ------
        SerEdgeError
            If it cannot be read, or does not have this input shape and number of outputs.
        """
        try:
            model = load_network(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SerEdgeError(
                f"cannot be read as a Keras model ({first_line(error)})",
                "save it again with Keras 3",
                path,
            ) from None
        inputs, outputs = ([t.shape[1:] for t in ts] for ts in (model.inputs, model.outputs))
        check_fits(path, inputs, outputs, shape, n_labels)
        with error_source(path):
            network = cls(_ending_in_logits(model), path.stem, **onnx_options)
            _ = network.graph  # an unsupported layer is found before the clips are read
        return network

    @cached_property
    def graph(self) -> Graph:
        """The network as plain operations."""
        return graph_of(self._model)

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the Keras model; see `ser_edge_export.trained_model.Network`."""
        return fit.logits(self._model, inputs)

    def check(self, variant: ModelVariant, *, fine_tune: bool) -> None:
        """Accept every variant."""

    def content(
        self,
        variant: ModelVariant,
        config: QuantConfig,
        calibration: NDArray[np.float32],
        temperature: float,
    ) -> bytes:
        """Return a model file; see `ser_edge_export.trained_model.Network`."""
        graph = self.graph
        ranges: Mapping[str, Range] = {}
        if variant.precision == "dynamic":
            graph = equalised(self.graph, calibration[: config.windows])
        elif variant.precision in ("int8", "int8-io"):
            if config not in self._quantised:
                self._quantised[config] = self._quantise(config, calibration, temperature)
            graph, ranges = self._quantised[config]
        if variant.format == "npz":
            return graph_bytes(graph)
        if variant.format == "tflite":
            content = tflite_model(graph, variant.precision, ranges)
            if variant.precision != "float32":
                check_weights(variant, tflite_counts(content, variant.precision))
            return content
        int8 = Int8(ranges, **self._onnx_options) if ranges else None
        model = onnx_model(graph, self._name, int8=int8, batch=variant.input_kind == "batch")
        if variant.precision == "float16":
            model = float16(model)
        if variant.precision == "dynamic":
            model = int8_weights(model) if config.weight_only else dynamic(model)
        if variant.precision != "float32":
            check_weights(variant, onnx_counts(model, variant.precision))
        return bytes(model.SerializeToString(deterministic=True))

    def _quantise(
        self, config: QuantConfig, calibration: NDArray[np.float32], temperature: float
    ) -> tuple[Graph, Mapping[str, Range]]:
        windows = calibration[: config.windows]
        graph = equalised(self.graph, windows)
        ranges = calibrate(graph, windows, percentile=config.percentile)
        for layer in config.float_layers:
            del ranges[_FLOAT_LAYERS[layer]]
        if config.fine_tuned:
            graph = fine_tuned(graph, ranges, calibration, temperature=temperature)
        return graph, ranges


def _ending_in_logits(model: Any) -> Any:
    """Copy a model as a functional one, without a softmax at its end."""
    last = _softmax_at_the_end(model)

    def copy(layer: Any) -> Any:
        config = layer.get_config()
        if layer is last and "activation" in config:
            config["activation"] = "linear"
        return type(layer).from_config(config)

    # A layer of a sequential model may have been called several times, a copy's layers only once.
    functional = keras.Model(model.inputs, model.outputs)
    copied = keras.models.clone_model(functional, clone_function=copy)
    copied.set_weights(model.get_weights())
    if type(last).__name__ == "Softmax":
        return keras.Model(copied.inputs, copied.get_layer(last.name).input)
    return copied


def _softmax_at_the_end(model: Any) -> Any:
    """Return the layer with the softmax whose output the model returns; None without one."""
    (tensor,) = model.outputs
    while True:
        layer, number, _ = tensor._keras_history
        kind, activation = type(layer).__name__, activation_name(layer)
        if activation in _SOFTMAX or (kind == "Softmax" and layer.axis in (-1, 1)):
            return layer
        is_identity = kind in IDENTITIES or (kind == "Activation" and activation == "linear")
        call = layer._inbound_nodes[number]
        if kind == "Flatten":
            is_identity = len(call.input_tensors[0].shape) == 2
        if kind == "InputLayer" or not is_identity or call.arguments.kwargs.get("training"):
            return None
        (tensor,) = call.input_tensors
