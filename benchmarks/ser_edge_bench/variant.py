"""A variant: a model file in an interpreter, and its path from a recording to probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser_edge import audio
from ser_edge.backends import INTERPRETERS, open_model
from ser_edge.backends.selection import model_for
from ser_edge.bundle import Bundle
from ser_edge.classifier import Classifier
from ser_edge.frontend import Frontend
from ser_edge.manifest import ModelFile
from ser_edge.resampling import resample
from ser_edge.window import cut_window


@dataclass(frozen=True)
class BenchVariant:
    """A model file in an interpreter, a key of `INTERPRETERS`."""

    backend: str
    model: ModelFile

    @property
    def name(self) -> str:
        """``"int8.litert"``; other inputs precede it: ``"audio.int8.litert"``, ``"batch…"``."""
        kind = "" if self.model.input_kind == "features" else f"{self.model.input_kind}."
        return f"{kind}{self.model.precision}.{self.backend}"


def bench_variants(bundle: Bundle) -> tuple[BenchVariant, ...]:
    """Return all variants of a bundle, whether the interpreter is installed or not.

    Their order is that in which `ser_edge.backends.selection` tries the interpreters.
    """
    return tuple(
        BenchVariant(backend, model)
        for backend, interpreter in INTERPRETERS.items()
        for model in bundle.manifest.models
        if model.suffix == interpreter.suffix
    )


def default_variant(bundle: Bundle, variants: Sequence[BenchVariant]) -> BenchVariant:
    """Return the variant that ``ser-edge predict`` uses, or else the first."""
    return next((v for v in variants if v.model == model_for(bundle, v.backend)), variants[0])


class Stages:
    """The stages before the network, the same for all variants of a bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._input = bundle.manifest.input
        self._frontend = Frontend(self._input.features, self._input.window)

    def resample(self, samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        """Resample to the sample rate of the features."""
        return resample(samples, sample_rate, self._input.features.sample_rate)

    def features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the standardised features of all windows."""
        return self._input.network_inputs(self._frontend(samples)[0])

    def windows(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut the windows."""
        length = self._frontend.window_samples
        return np.stack([cut_window(samples, s, length) for s in self._frontend.starts(samples)])

    def calls(self, content: bytes) -> dict[str, Callable[[], object]]:
        """Return each stage as a call on the output of the stage before it."""
        decoded, sample_rate = audio.read(content)
        samples = self.resample(decoded, sample_rate)
        return {
            "decode": lambda: audio.read(content),
            "resample": lambda: self.resample(decoded, sample_rate),
            "features": lambda: self.features(samples),
        }


class Pipeline:
    """An opened variant.

    A file with ``input_kind="features"`` runs in ``Classifier.predict``, as for users. The runtime
    has no method for the other kinds; they run by the same steps.
    """

    def __init__(self, bundle: Bundle, variant: BenchVariant, threads: int) -> None:
        model, backend = variant.model, variant.backend
        opened = open_model(bundle.verified(model), backend, threads=threads)
        self._classifier = Classifier(bundle, model, backend, opened, threads)
        self._stages = Stages(bundle)

    def renewed(self) -> Pipeline:
        """Return a copy that shares the opened file only."""
        other = copy(self)
        other._classifier = self._classifier.with_profile(None)
        other._stages = Stages(self._classifier.bundle)
        return other

    def predict(self, content: bytes) -> NDArray[np.float64]:
        """Return the probabilities of a recording [shape=(n_labels,)]."""
        if self._classifier.model.input_kind == "features":
            return np.array(list(self._classifier.predict(content).probabilities.values()))
        samples = self._stages.resample(*audio.read(content))
        return np.asarray(self.network(self.network_inputs(samples)).mean(axis=0))

    def network_inputs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's input of all windows, from resampled samples."""
        if self._classifier.model.input_kind == "audio":
            return self._stages.windows(samples)
        return self._stages.features(samples)

    def network(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of windows [shape=(n_windows, n_labels)]."""
        if self._classifier.model.input_kind == "audio":  # softmax and temperature are in the file
            return np.asarray(self._classifier.backend.run(inputs), np.float64)
        return self._classifier.probabilities(inputs)

    def calls(
        self, name: str, content: bytes, samples: NDArray[np.float32]
    ) -> dict[str, Callable[[], object]]:
        """Return the network and the whole as calls."""
        inputs = self.network_inputs(samples)
        return {
            f"{name}:network": lambda: self.network(inputs),
            f"{name}:end_to_end": lambda: self.predict(content),
        }
