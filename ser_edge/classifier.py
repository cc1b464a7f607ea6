"""From a recording to an emotion: ``Classifier.load(folder).predict(clip)``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge import audio
from ser_edge.backends import INTERPRETERS, Backend, open_model
from ser_edge.bundle import Bundle, ModelFile
from ser_edge.errors import AudioError, BackendError, ConfigError
from ser_edge.frontend import Frontend
from ser_edge.resample import resample

Recording = audio.Source | NDArray[Any]
"""What can be classified: a path, a file's bytes, a file object, or samples with their rate."""

MOST_THREADS = 64


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one recording.

    Parameters
    ----------
    label : str
        The most probable emotion.
    probability : float
        Its probability.
    probabilities : dict of str to float
        Of every label; they sum to 1.
    start_s, end_s : float
        The part of the recording that was heard [s].
    n_windows : int
        Windows whose probabilities were averaged.
    timings_ms : dict of str to float
        Wall-clock time of ``decode`` (and resampling), ``features`` and ``network`` [ms].
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    start_s: float
    end_s: float
    n_windows: int
    timings_ms: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)


class Classifier:
    """A bundle's network, opened by one interpreter, ready for recordings.

    Make it with `Classifier.load`; it may be shared between threads.

    Examples
    --------
    >>> classifier = Classifier.load("bundle")  # doctest: +SKIP
    >>> classifier.predict("clip.wav").label  # doctest: +SKIP
    'happy'
    """

    def __init__(
        self, bundle: Bundle, model: ModelFile, backend_name: str, backend: Backend
    ) -> None:
        self.bundle = bundle
        self.model = model
        self.backend_name = backend_name
        self.backend = backend
        self.labels = bundle.manifest.labels
        self._input = bundle.manifest.input
        self._frontend = Frontend(self._input.features, self._input.window)

    def __repr__(self) -> str:
        window_s = self._input.window.duration_s
        return (
            f"Classifier({str(self.bundle.folder)!r}: {self.model.file} in {self.backend_name}, "
            f"{window_s} s windows, labels {', '.join(self.labels)})"
        )

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        *,
        backend: str | None = None,
        precision: str | None = None,
        threads: int = 1,
    ) -> Classifier:
        """Open a bundle.

        Parameters
        ----------
        folder : path
            What ``ser-edge export`` wrote.
        backend : {"litert", "tflite", "onnx"}, optional
            The interpreter; by default the first of these that is installed and for which the
            bundle has a file.
        precision : {"int8", "float32"}, optional
            The form of the network; by default the faster one in that interpreter.
        threads : int in [1, 64]
            Threads that one inference may use.

        Returns
        -------
        classifier : Classifier

        Raises
        ------
        BundleError
            If the folder is not a bundle, or is damaged.
        BackendError
            If no interpreter is installed that can run a file of the bundle.
        ConfigError
            If `backend` or `threads` is not legal.
        """
        if backend is not None and backend not in INTERPRETERS:
            raise ConfigError(f"backend={backend!r}; expected one of {', '.join(INTERPRETERS)}")
        if not (isinstance(threads, int) and 1 <= threads <= MOST_THREADS):
            raise ConfigError(f"threads={threads!r}; expected 1 to {MOST_THREADS}")
        bundle = Bundle.open(folder)
        name, model = _choose(bundle, backend, precision)
        opened = open_model(bundle.verified(model), name, threads=threads)
        return cls(bundle, model, name, opened)

    def predict(self, recording: Recording, rate: int | None = None) -> Prediction:
        """Classify one recording.

        Parameters
        ----------
        recording : path, bytes, binary file object, or np.ndarray [shape=(n,)]
            A WAV file (others with ``soundfile``), its content, or mono samples.
        rate : int > 0, optional
            Samples a second [Hz]; with an array, and only then.

        Returns
        -------
        prediction : Prediction

        Raises
        ------
        AudioError
            If it cannot be read, or is silent, empty or not finite.
        ConfigError
            If an array comes without its rate.
        """
        started = perf_counter()
        samples, source_name = self._samples(recording, rate)
        decoded = perf_counter()
        try:
            features, starts = self._frontend(samples)
        except AudioError as error:
            raise AudioError(f"{source_name}: {error}") from None
        inputs = self._input.network_inputs(features)
        extracted = perf_counter()
        probabilities = self.probabilities(inputs).mean(axis=0)
        finished = perf_counter()
        best = int(probabilities.argmax())
        sample_rate = self._input.features.sample_rate
        end = min(int(starts[-1]) + self._frontend.window_samples, len(samples))
        return Prediction(
            label=self.labels[best],
            probability=float(probabilities[best]),
            probabilities=dict(zip(self.labels, probabilities.tolist(), strict=True)),
            start_s=int(starts[0]) / sample_rate,
            end_s=end / sample_rate,
            n_windows=len(starts),
            timings_ms={
                "decode": 1e3 * (decoded - started),
                "features": 1e3 * (extracted - decoded),
                "network": 1e3 * (finished - extracted),
            },
        )

    def predict_batch(
        self, recordings: Iterable[Recording], rate: int | None = None
    ) -> list[Prediction]:
        """Classify several recordings; see `predict`. The first that fails ends it."""
        return [self.predict(recording, rate) for recording in recordings]

    def probabilities(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Run the network on standardised features, and calibrate what it says.

        Parameters
        ----------
        inputs : np.ndarray [shape=(n_windows, *input_shape), dtype=float32]
            As ``bundle.manifest.input.network_inputs`` makes them.

        Returns
        -------
        probabilities : np.ndarray [shape=(n_windows, n_labels), dtype=float64]

        Raises
        ------
        BackendError
            If the inputs have another shape, or the network does not fit the manifest.
        """
        logits = self.backend.run(inputs)
        if logits.shape != (len(inputs), len(self.labels)) or not np.isfinite(logits).all():
            raise BackendError(
                f"{self.model.file} gives {logits.shape} numbers, of which "
                f"{np.isfinite(logits).sum()} are finite; expected "
                f"{(len(inputs), len(self.labels))}, export the bundle again"
            )
        return softmax(logits / self.bundle.manifest.temperature)

    def _samples(self, recording: Recording, rate: int | None) -> tuple[NDArray[np.float32], str]:
        sample_rate = self._input.features.sample_rate
        if isinstance(recording, np.ndarray):
            if rate is None:
                raise ConfigError("rate=None; expected the array's samples a second")
            return resample(audio.as_signal(recording), rate, sample_rate), "the array"
        return audio.load(recording, sample_rate), audio.source_name(recording)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Turn logits [shape=(n, n_labels)] into probabilities, row by row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _choose(bundle: Bundle, backend: str | None, precision: str | None) -> tuple[str, ModelFile]:
    names = [backend] if backend else [n for n, i in INTERPRETERS.items() if i.usable]
    if not names:
        raise BackendError(
            "no usable interpreter is installed; pip install 'ser-edge[litert]' (or [onnx], or "
            "[tflite] on Python 3.10 and 3.11)"
        )
    for name in names:
        interpreter = INTERPRETERS[name]
        for wanted in [precision] if precision else interpreter.precisions:
            model = bundle.model(interpreter.suffix, wanted)
            if model is not None:
                return name, model
    held = ", ".join(model.file for model in bundle.manifest.models)
    raise BackendError(
        f"{bundle.folder}: holds no {precision or 'model'} file for {' or '.join(names)}, only "
        f"{held}; choose another --backend or --precision, or export again"
    )
