"""What is exported: a network with its labels and input, and clips to test the variants on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.speaker_model import SpeakerModel
from ser_edge.errors import SerEdgeError
from ser_edge.frontend import InputConfig
from ser_edge_export.quantisation_search import QuantConfig
from ser_edge_export.variants import ModelVariant
from ser_edge_train.run import HeldOut
from ser_edge_train.variant_comparison import Reference


class Network(Protocol):
    """A network that can be written in several variants."""

    n_parameters: int
    """Number of parameters."""

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network in float32.

        Parameters
        ----------
        inputs : np.ndarray [shape=(n, *input_shape), dtype=float32]

        Returns
        -------
        logits : np.ndarray [shape=(n, n_labels), dtype=float32]
        """

    def check(self, variant: ModelVariant, *, fine_tune: bool) -> None:
        """Refuse a variant that the network cannot be written in, or fine-tuning.

        Raises
        ------
        ConfigError
            If the network does not support it.
        """

    def content(
        self,
        variant: ModelVariant,
        config: QuantConfig,
        calibration: NDArray[np.float32],
        temperature: float,
    ) -> bytes:
        """Return a model file with features as input and logits as output.

        Parameters
        ----------
        variant : ModelVariant
            Format and precision; ``"batch"`` as input kind leaves the number of windows open.
        config : QuantConfig
            How to quantise; without effect on float variants.
        calibration : np.ndarray [shape=(n, *input_shape), dtype=float32]
            Inputs of training windows, the same in every call.
        temperature : float > 0
            Divides the logits before the softmax, in the loss of fine-tuning.
        """


@dataclass(frozen=True)
class TrainedModel:
    """A network and the rest of its bundle.

    Parameters
    ----------
    name : str
        The bundle's name.
    network : Network
        The network to export.
    labels : tuple of str
        Labels of the logits.
    input : InputConfig
        Features, windows and standardisation of the network's input.
    temperature : float
        Divides the logits.
    speakers : SpeakerModel or None
        Statistics for adaptation to a speaker, if known.
    calibration : np.ndarray [shape=(n, *input.shape), dtype=float32]
        Network inputs of training windows, in random order.
    validation, test : HeldOut
        Clips on which int8 configurations are compared, and clips on which every variant is tested.
    samples : callable
        Returns the samples of the test windows [shape=(n, n_samples), dtype=float32].
    about : mapping
        For people; see `ser_edge.manifest.Manifest`.
    """

    name: str
    network: Network
    labels: tuple[str, ...]
    input: InputConfig
    temperature: float
    speakers: SpeakerModel | None
    calibration: NDArray[np.float32]
    validation: HeldOut
    test: HeldOut
    samples: Callable[[], NDArray[np.float32]]
    about: Mapping[str, Any]

    def reference(self, held_out: HeldOut, samples: NDArray[np.float32] | None = None) -> Reference:
        """Run the float32 network on clips.

        Parameters
        ----------
        held_out : HeldOut
            The clips.
        samples : np.ndarray [shape=(n, n_samples), dtype=float32], optional
            Samples of their windows, for variants with audio input.
        """
        inputs = {"features": self.input.network_inputs(held_out.features)}
        logits = self.network.logits(inputs["features"])
        if samples is not None:
            inputs["audio"] = samples
        return Reference(held_out, inputs, logits, self.labels, self.temperature)

    def content(self, variant: ModelVariant, config: QuantConfig) -> bytes:
        """Return the file of a variant: network, front end where its input is audio, and metadata.

        Parameters
        ----------
        variant : ModelVariant
        config : QuantConfig
            How to quantise; without effect on float variants.

        Raises
        ------
        ConfigError
            If the input has a descriptor that a graph cannot compute.
        """
        content = self.network.content(variant, config, self.calibration, self.temperature)
        if variant.format == "npz":
            return content
        # TensorFlow and ONNX take seconds to import.
        from ser_edge_export.metadata import describe_onnx, describe_tflite

        describe = describe_tflite if variant.format == "tflite" else describe_onnx
        if variant.input_kind == "audio" and variant.format == "tflite":
            from ser_edge_export import audio_tflite

            n_labels = len(self.labels)
            content = audio_tflite.with_audio(content, self.input, self.temperature, n_labels)
        elif variant.input_kind == "audio":
            from ser_edge_export import audio_onnx

            content = audio_onnx.with_audio(content, self.input, self.temperature)
        return describe(content, self._metadata(variant.input_kind))

    def _metadata(self, input_kind: str) -> str:
        """Return name, labels, input and temperature as JSON, under the manifest's names."""
        content = {
            "name": self.name,
            "labels": self.labels,
            "input_kind": input_kind,
            "output": "probabilities" if input_kind == "audio" else "logits",
            "input": asdict(self.input),
            "temperature": self.temperature,
        }
        return json.dumps(content, allow_nan=False)


def check_fits(
    path: Path,
    inputs: Sequence[Sequence[Any]],
    outputs: Sequence[Sequence[Any]],
    shape: Sequence[int],
    n_labels: int,
) -> None:
    """Check the shapes of a network's file, without the number of windows.

    Raises
    ------
    SerEdgeError
        If they differ from the recipe's `shape` and `n_labels`, or there are several.
    """
    if len(inputs) != 1 or len(outputs) != 1:
        raise SerEdgeError(
            f"has {len(inputs)} inputs and {len(outputs)} outputs, expected one of each",
            "export a network with one input and one output",
            path,
        )
    found, expected = tuple(inputs[0]), tuple(shape)
    if found != expected:
        is_transposed = found == expected[::-1]
        raise SerEdgeError(
            f"has input shape {found}{', channels first' if is_transposed else ''}, expected "
            f"{expected} of the recipe",
            "put a transpose before its first layer, and export it to ONNX"
            if is_transposed
            else "choose another --recipe, or train the network on the recipe's features",
            path,
        )
    found, expected = tuple(outputs[0]), (n_labels,)
    if found != expected:
        raise SerEdgeError(
            f"has output shape {found}, expected {expected} for {n_labels} labels",
            "give --labels with one name for each output",
            path,
        )
