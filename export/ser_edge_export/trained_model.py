"""What is exported: a network with its labels and its input, and clips to prove the export on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.speaker_model import SpeakerModel
from ser_edge.frontend import InputConfig
from ser_edge_export.quantisation_search import QuantConfig
from ser_edge_export.variants import ModelVariant
from ser_edge_train.run import HeldOut
from ser_edge_train.variant_comparison import Reference


class Network(Protocol):
    """A network that can be written in several forms."""

    n_parameters: int
    """How many numbers it has learned."""

    def logits(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network as it came.

        Parameters
        ----------
        inputs : np.ndarray [shape=(n, *input_shape), dtype=float32]

        Returns
        -------
        logits : np.ndarray [shape=(n, n_labels), dtype=float32]
        """

    def check(self, form: ModelVariant, *, fine_tune: bool) -> None:
        """Refuse a form that the network cannot be written in, or training if it cannot be trained.

        Raises
        ------
        SerEdgeError
            If it cannot.
        """

    def content(self, form: ModelVariant, source: Source, way: QuantConfig) -> bytes:
        """Return the file that holds the network in a form.

        Parameters
        ----------
        form : ModelVariant
        source : Source
            That of the network.
        way : QuantConfig
            How activations become int8, where the form has them so.

        Raises
        ------
        SerEdgeError
            If the network cannot be written in that form.
        """


@dataclass(frozen=True)
class Source:
    """A network, and what goes into a bundle beside it.

    Parameters
    ----------
    name : str
        The bundle's.
    network : Network
        What is exported.
    labels : tuple of str
        What the logits mean.
    input : InputConfig
        How the network's input is made.
    temperature : float
        Divides the logits.
    speakers : SpeakerModel or None
        What adaptation to a speaker needs, where it is known.
    calibration : np.ndarray [shape=(n, *input.shape), dtype=float32]
        Network inputs of training windows, in random order.
    validation, test : HeldOut
        Clips on which the way to int8 is chosen, and clips on which every form is proved.
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
        """Let the network itself hear clips, and keep what it says.

        Parameters
        ----------
        held_out : HeldOut
            The clips.
        samples : np.ndarray [shape=(n, n_samples), dtype=float32], optional
            Of their windows, for forms that take samples.

        Returns
        -------
        reference : Reference
        """
        inputs = {"features": self.input.network_inputs(held_out.features)}
        logits = self.network.logits(inputs["features"])
        if samples is not None:
            inputs["audio"] = samples
        return Reference(held_out, inputs, logits, self.labels, self.temperature)
