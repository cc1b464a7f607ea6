"""The way from a recording to its answer with one model file, whole and stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np
from numpy.typing import NDArray

from ser_edge import audio
from ser_edge.backends import open_model
from ser_edge.bundle import Bundle
from ser_edge.classifier import Classifier
from ser_edge.frontend import Frontend
from ser_edge.manifest import ModelFile
from ser_edge.resampling import resample
from ser_edge.window import cut_window


class Pipeline:
    """A model file that has been opened.

    The way with a file that takes features is ``Classifier.predict``, what users call. No method of
    the runtime runs the others; for them it is the same steps up to the network's input.

    Parameters
    ----------
    bundle : Bundle
        The exported folder.
    backend : str
        A key of `ser_edge.backends.INTERPRETERS`.
    model : ModelFile
        A file that it reads.
    threads : int > 0
        Threads of one inference.

    Raises
    ------
    BackendError
        If the interpreter does not load, or refuses the file.
    BundleError
        If the file is not the one that was exported.
    """

    def __init__(self, bundle: Bundle, backend: str, model: ModelFile, threads: int) -> None:
        opened = open_model(bundle.verified(model), backend, threads=threads)
        self._classifier = Classifier(bundle, model, backend, opened, threads)
        self._stages = Stages(bundle)

    def again(self) -> Pipeline:
        """Return one that shares the opened file, and nothing else."""
        other = copy(self)
        other._classifier = self._classifier.with_profile(None)
        other._stages = Stages(self._classifier.bundle)
        return other

    def predict(self, content: bytes) -> NDArray[np.float64]:
        """Go all the way.

        Parameters
        ----------
        content : bytes
            A recording.

        Returns
        -------
        probabilities : np.ndarray [shape=(n_labels,), dtype=float64]
        """
        if self._classifier.model.input_kind == "features":
            return np.array(list(self._classifier.predict(content).probabilities.values()))
        samples = self._stages.resample(*self._stages.decode(content))
        return np.asarray(self.network(self.network_inputs(samples)).mean(axis=0))

    def network_inputs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the network takes of a recording at the features' rate: all windows."""
        if self._classifier.model.input_kind == "audio":
            return self._stages.windows(samples)
        return self._stages.features(samples)

    def network(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of windows."""
        if self._classifier.model.input_kind == "audio":  # softmax and temperature are in the file
            return np.asarray(self._classifier.backend.run(inputs), np.float64)
        return self._classifier.probabilities(inputs)


class Stages:
    """What precedes the network.

    Parameters
    ----------
    bundle : Bundle
        Whose settings it has.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._input = bundle.manifest.input
        self._frontend = Frontend(self._input.features, self._input.window)

    def decode(self, content: bytes) -> tuple[NDArray[np.float32], int]:
        """Read a recording."""
        return audio.read(content)

    def resample(self, samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        """Bring it to the features' rate."""
        return resample(samples, rate, self._input.features.sample_rate)

    def features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute what the network takes of each window: features, laid out and standardised."""
        return self._input.network_inputs(self._frontend(samples)[0])

    def windows(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut the windows."""
        length = self._frontend.window_samples
        return np.stack([cut_window(samples, s, length) for s in self._frontend.starts(samples)])

    def calls(self, content: bytes) -> dict[str, Callable[[], object]]:
        """Return each stage as a call of its own, on what the one ahead of it gives."""
        signal, rate = self.decode(content)
        samples = self.resample(signal, rate)
        return {
            "decode": lambda: self.decode(content),
            "resample": lambda: self.resample(signal, rate),
            "features": lambda: self.features(samples),
        }
