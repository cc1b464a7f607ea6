"""A variant: a model file in an interpreter, and its path from a recording to probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser_edge import audio
from ser_edge.backends import INTERPRETERS, Backend, open_model
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


class Pipeline:
    """An opened variant, and its calls.

    A file with ``input_kind="features"`` runs in ``Classifier.predict``, as for users. The runtime
    has no method for the other kinds; they run by the same steps.
    """

    def __init__(
        self, bundle: Bundle, variant: BenchVariant, threads: int, opened: Backend | None = None
    ) -> None:
        model, backend = variant.model, variant.backend
        if opened is None:
            content, source = bundle.model_bytes(model), bundle.folder / model.file
            opened = open_model(content, backend, source, threads=threads)
        self._bundle, self._variant, self._threads, self._opened = bundle, variant, threads, opened
        self._classifier = Classifier(bundle, model, backend, opened, threads)
        self._input = bundle.manifest.input
        self._frontend = Frontend(self._input.features, self._input.window)

    def renewed(self) -> Pipeline:
        """Return a copy that shares the opened file only."""
        return Pipeline(self._bundle, self._variant, self._threads, self._opened)

    def predict(self, content: bytes) -> NDArray[np.float64]:
        """Return the probabilities of a recording [shape=(n_labels,)]."""
        if self._variant.model.input_kind == "features":
            return np.array(list(self._classifier.predict(content).probabilities.values()))
        samples = self._resample(*audio.read(content))
        inputs = self._features(samples) if self._has_features else self._windows(samples)
        return np.asarray(self._network(inputs).mean(axis=0))

    def calls(self, content: bytes) -> dict[str, Callable[[], object]]:
        """Return each stage, as a call on the output of the stage before it, and the whole.

        The stages before the network are the same for all variants.
        """
        decoded, sample_rate = audio.read(content)
        samples = self._resample(decoded, sample_rate)
        inputs = self._features(samples) if self._has_features else self._windows(samples)
        return {
            "decode": lambda: audio.read(content),
            "resample": lambda: self._resample(decoded, sample_rate),
            "features": lambda: self._features(samples),
            f"{self._variant.name}:network": lambda: self._network(inputs),
            f"{self._variant.name}:end_to_end": lambda: self.predict(content),
        }

    @property
    def _has_features(self) -> bool:
        return self._variant.model.input_kind != "audio"

    def _resample(self, samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
        return resample(samples, sample_rate, self._input.features.sample_rate)

    def _features(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._input.network_inputs(self._frontend(samples)[0])

    def _windows(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        length = self._frontend.window_samples
        return np.stack([cut_window(samples, s, length) for s in self._frontend.starts(samples)])

    def _network(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        if self._has_features:
            return self._classifier.probabilities(inputs)
        return np.asarray(self._opened.run(inputs), np.float64)  # softmax, temperature in the file
