"""A Keras network as a source: read as plain operations, and written from them in every form."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.backends.graph import Graph
from ser_edge.backends.graph_file import graph_bytes
from ser_edge.errors import SerEdgeError
from ser_edge_export import audio_onnx, audio_tflite
from ser_edge_export.calibration import Range, calibrate
from ser_edge_export.equalise import equalised
from ser_edge_export.fine_tune import fine_tuned
from ser_edge_export.keras_graph import graph_of
from ser_edge_export.metadata import describe_onnx, describe_tflite, description
from ser_edge_export.onnx_precision import dynamic, float16, int8_weights
from ser_edge_export.onnx_writer import Int8, onnx_model
from ser_edge_export.own_model import check_fits
from ser_edge_export.quantisation_search import QuantConfig
from ser_edge_export.tflite_writer import tflite_model
from ser_edge_export.trained_model import Source
from ser_edge_export.variants import ModelVariant
from ser_edge_train import fit
from ser_edge_train.keras_backend import keras
from ser_edge_train.networks import load_network

logger = logging.getLogger(__name__)


class KerasNetwork:
    """A functional Keras model that ends in logits.

    Parameters
    ----------
    model : keras.Model
    unsigned, reduce_range : bool
        How static int8 ONNX files hold numbers; see `ser_edge_export.onnx_writer.Int8`.
    """

    def __init__(self, model: Any, *, unsigned: bool = False, reduce_range: bool = False) -> None:
        self._model = model
        self._onnx_options = {"unsigned": unsigned, "reduce_range": reduce_range}
        self.n_parameters = int(model.count_params())
        self._quantised: dict[QuantConfig, tuple[Graph, Mapping[str, Range]]] = {}

    @classmethod
    def open(
        cls, path: Path, shape: Sequence[int], n_labels: int, **onnx_options: bool
    ) -> KerasNetwork:
        """Read a file; a softmax at its end is left out.

        Parameters
        ----------
        path : Path
            A ``.keras`` or ``.h5`` file.
        shape : sequence of int
            Of the input that the recipe makes.
        n_labels : int
            Number of outputs expected.
        **onnx_options : bool
            As for the class.

        Raises
        ------
        SerEdgeError
            If it cannot be read, or does not fit.
        """
        try:
            model = load_network(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise SerEdgeError(
                f"{path}: cannot be used ({reason}); expected a Keras model, save it again with "
                "Keras 3"
            ) from None
        inputs, outputs = ([t.shape[1:] for t in ts] for ts in (model.inputs, model.outputs))
        check_fits(path, inputs, outputs, shape, n_labels)
        return cls(_ending_in_logits(model), **onnx_options)

    @cached_property
    def graph(self) -> Graph:
        """The network as plain operations."""
        return graph_of(self._model)

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the Keras model; see `ser_edge_export.trained_model.Network`."""
        return fit.logits(self._model, inputs)

    def check(self, form: ModelVariant, *, fine_tune: bool) -> None:
        """Refuse nothing; see `ser_edge_export.trained_model.Network`."""

    def content(self, form: ModelVariant, source: Source, way: QuantConfig) -> bytes:
        """Write it in a form; see `ser_edge_export.trained_model.Network`."""
        graph, ranges = self._prepared(form, source, way)
        if form.format == "npz":
            return graph_bytes(graph)
        text = description(source, form.input_kind)
        if form.format == "tflite":
            content = tflite_model(graph, form.precision, ranges)
            if form.input_kind == "audio":
                n_labels = len(source.labels)
                content = audio_tflite.with_audio(
                    content, source.input, source.temperature, n_labels
                )
            return describe_tflite(content, text)
        int8 = Int8(ranges, **self._onnx_options) if ranges else None
        model = onnx_model(graph, source.name, int8=int8, batch=form.input_kind == "batch")
        if form.input_kind == "audio":
            model = audio_onnx.with_audio(model, source.input, source.temperature)
        if form.precision == "float16":
            model = float16(model)
        if form.precision == "dynamic":
            model = int8_weights(model) if way.weights_alone else dynamic(model)
        return bytes(describe_onnx(model, text).SerializeToString(deterministic=True))

    def _prepared(
        self, form: ModelVariant, source: Source, way: QuantConfig
    ) -> tuple[Graph, Mapping[str, Range]]:
        if form.precision in ("float32", "float16"):
            return self.graph, {}
        if form.precision == "dynamic":
            return equalised(self.graph, source.calibration[: way.windows]), {}
        if way not in self._quantised:
            self._quantised[way] = self._quantise(source, way)
        return self._quantised[way]

    def _quantise(self, source: Source, way: QuantConfig) -> tuple[Graph, Mapping[str, Range]]:
        windows = source.calibration[: way.windows]
        graph = equalised(self.graph, windows)
        ranges = calibrate(graph, windows, percentile=way.percentile)
        ends = {"first": "input", "last": "logits"}
        for layer in way.float_layers:
            del ranges[ends[layer]]
        if way.fine_tuned:
            graph = fine_tuned(graph, ranges, source.calibration, temperature=source.temperature)
        return graph, ranges


def _ending_in_logits(model: Any) -> Any:
    """Return a functional model of the same layers, a softmax at the end left out."""
    # A sequence of layers may have been called several times; a copy's layers are called once.
    copy = keras.models.clone_model(keras.Model(model.inputs, model.outputs))
    copy.set_weights(model.get_weights())
    last = copy.layers[-1]
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    if type(last).__name__ == "Softmax" or (last.count_params() == 0 and activation == "softmax"):
        return keras.Model(copy.inputs, last.input)
    if activation == "softmax":
        last.activation = keras.activations.linear
    return copy
