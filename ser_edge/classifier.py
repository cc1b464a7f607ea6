"""From a recording to an emotion: ``Classifier.load(folder).predict(clip)``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.profile import Profile
from ser_edge.adaptation.speaker_model import Correction, SpeakerModel, centred_logs
from ser_edge.backends import INTERPRETERS, Backend
from ser_edge.backends.selection import open_bundle
from ser_edge.bundle import PRETRAINED, Bundle
from ser_edge.errors import AudioError, BackendError, BundleError, ConfigError, SerEdgeError
from ser_edge.frontend import Frontend
from ser_edge.manifest import ModelFile
from ser_edge.prediction import Prediction, softmax
from ser_edge.recording import Recording, check_limits, read_recording, recording_name
from ser_edge.resampling import resample

MOST_THREADS = 64

logger = logging.getLogger(__name__)


class Classifier:
    """A bundle's network, opened by one interpreter, ready for recordings.

    Make it with `Classifier.load`; it may be shared between threads. A pickled one holds no more
    than its bundle's path and what it was loaded with, and is loaded anew where it is unpickled.

    Parameters
    ----------
    bundle : Bundle
        The exported folder; ``manifest.about`` tells its accuracy, by protocol, and its licence.
    model : ModelFile
        The form of the network.
    backend_name : {"litert", "tflite", "onnx", "numeric"}
        What runs it.
    backend : Backend
        That, with the model open.
    threads : int
        Threads that one inference may use.
    profile : Profile, optional
        Of the speaker who is heard; see `adapt`.

    Attributes
    ----------
    labels : tuple of str
        The emotions that it tells apart.

    Examples
    --------
    A file of any sample rate and length, and samples from elsewhere, such as a microphone:

    >>> classifier = Classifier.load("bundle")  # doctest: +SKIP
    >>> prediction = classifier.predict("clip.wav")  # doctest: +SKIP
    >>> prediction.label, prediction.probability  # doctest: +SKIP
    ('happy', 0.83)
    >>> classifier.predict(samples, 48000).probabilities["angry"]  # doctest: +SKIP
    0.04

    Whatever goes wrong is a `SerEdgeError`, whose message is one sentence for people.
    """

    def __init__(
        self,
        bundle: Bundle,
        model: ModelFile,
        backend_name: str,
        backend: Backend,
        threads: int = 1,
        profile: Profile | None = None,
    ) -> None:
        self.bundle = bundle
        self.model = model
        self.backend_name = backend_name
        self.backend = backend
        self.threads = threads
        self.profile = profile
        self.labels = bundle.manifest.labels
        self._correct = self._correction_of(profile)
        self._path = os.path.abspath(bundle.folder)  # of now: a process may change its folder
        self._input = bundle.manifest.input
        self._frontend = Frontend(self._input.features, self._input.window)

    def __repr__(self) -> str:
        window_s = self._input.window.duration_s
        return (
            f"Classifier({str(self.bundle.folder)!r}: {self.model.file} in {self.backend_name}, "
            f"{window_s} s windows, labels {', '.join(self.labels)})"
        )

    def __reduce__(self) -> tuple[Callable[[str], Classifier], tuple[str]]:
        load = partial(
            type(self).load,
            profile=self.profile,
            backend=self.backend_name,
            precision=self.model.precision,
            threads=self.threads,
        )
        return load, (self._path,)

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str] = PRETRAINED,
        *,
        backend: str | None = None,
        precision: str | None = None,
        threads: int = 1,
        profile: Profile | None = None,
    ) -> Classifier:
        """Open a bundle.

        Parameters
        ----------
        folder : path
            What ``ser-edge export`` wrote; by default the bundle that comes with the package, whose
            weights are for non-commercial use (its ``MODEL_CARD.md``).
        backend : {"litert", "tflite", "onnx", "numeric"}, optional
            What runs the network; by default the first of these that works here and for which the
            bundle has a file (`ser_edge.backends.selection`).
        precision : {"int8", "float32"}, optional
            The form of the network; by default the faster one in that backend.
        threads : int in [1, 64]
            Threads that one inference may use.
        profile : Profile, optional
            Of the speaker who is heard; see `adapt`.

        Returns
        -------
        classifier : Classifier

        Raises
        ------
        BundleError
            If the folder is not a bundle, or is damaged.
        BackendError
            If no interpreter that works here can run a file of the bundle.
        ConfigError
            If `backend` or `threads` is not legal, or the profile is another network's.
        """
        if backend is not None and backend not in INTERPRETERS:
            raise ConfigError(f"backend={backend!r}; expected one of {', '.join(INTERPRETERS)}")
        if not (isinstance(threads, int) and 1 <= threads <= MOST_THREADS):
            raise ConfigError(f"threads={threads!r}; expected 1 to {MOST_THREADS}")
        bundle = Bundle.open(folder)
        name, model, opened = open_bundle(
            bundle, backend=backend, precision=precision, threads=threads
        )
        logger.debug("%s: the %s backend has opened %s", bundle.folder, name, model.file)
        return cls(bundle, model, name, opened, threads, profile)

    def predict(
        self,
        recording: Recording,
        sample_rate: int | None = None,
        *,
        max_bytes: int | None = None,
        max_s: float | None = None,
        budget_s: float | None = None,
    ) -> Prediction:
        """Classify one recording.

        The limits are for recordings from strangers; without them, any length is taken.

        Parameters
        ----------
        recording : path, bytes, binary file object, or np.ndarray [shape=(n,)]
            A WAV file (others with ``soundfile``), its content, or mono samples: float within ±1,
            or int16, int32 or uint8 PCM.
        sample_rate : int > 0, optional
            Samples a second [Hz]; with an array, and only then.
        max_bytes : int > 0, optional
            Refuse a longer file or array, before any of it is decoded.
        max_s : float > 0, optional
            Refuse a longer recording [s], before any of it is decoded where its header tells.
        budget_s : float > 0, optional
            Give up when this much time has passed [s]. It is looked at ahead of each step and each
            window; a decoding that has begun is only bounded by `max_bytes` and `max_s`.

        Returns
        -------
        prediction : Prediction
            The ``label``, its ``probability``, the ``probabilities`` of all labels by name, and
            the same for each window in ``segments``; ``to_dict()`` is ready for JSON.

        Raises
        ------
        AudioError
            If it cannot be read, is silent, empty or not finite, or longer than the limits.
        SerEdgeError
            If `budget_s` has passed before the last window was begun.
        ConfigError
            If an array comes without its rate, or a limit is not legal.
        """
        started = perf_counter()
        check_limits(max_bytes=max_bytes, max_s=max_s, budget_s=budget_s)
        name = recording_name(recording)

        def check_budget(progress: str) -> float:
            now = perf_counter()
            if budget_s is not None and now - started > budget_s:
                raise SerEdgeError(
                    f"{name}: {progress} after {now - started:.3f} s; expected all within "
                    f"budget_s={budget_s}, give a shorter recording or more time"
                )
            return now

        signal, sample_rate = read_recording(
            recording, sample_rate, max_bytes=max_bytes, max_s=max_s
        )
        check_budget("no window was done")
        network_rate = self._input.features.sample_rate
        samples = resample(signal, sample_rate, network_rate)
        try:
            starts = self._frontend.starts(samples)
        except AudioError as error:
            raise AudioError(f"{name}: {error}") from None
        decoded = perf_counter()
        features_s = 0.0
        rows: list[NDArray[np.float64]] = []
        for start in starts:
            began = check_budget(f"{len(rows)} of {len(starts)} windows were done")
            features = self._frontend.window_features(samples, start)
            inputs = self._input.network_inputs(features[None])
            features_s += perf_counter() - began
            rows.append(self.probabilities(inputs)[0])
        finished = perf_counter()
        ends = np.minimum(starts + self._frontend.window_samples, len(samples))
        timings_ms = {
            "decode": 1e3 * (decoded - started),
            "features": 1e3 * features_s,
            "network": 1e3 * (finished - decoded - features_s),
        }
        spans_s = np.stack([starts, ends], axis=1) / network_rate
        return Prediction.of_windows(self.labels, np.stack(rows), spans_s, timings_ms)

    def adapt(
        self, recordings: Iterable[Recording], sample_rate: int | None = None, **limits: Any
    ) -> Classifier:
        """Listen to a speaker's other recordings, which need no labels, to hear the speaker better.

        Parameters
        ----------
        recordings : iterable of path, bytes, binary file object, or np.ndarray [shape=(n,)]
            As for `profile_of`.
        sample_rate : int > 0, optional
            Samples a second of every array [Hz].
        **limits
            As for `predict`, for each recording.

        Returns
        -------
        classifier : Classifier
            Like this one, with the speaker's ``profile``.

        Raises
        ------
        AudioError, ConfigError, BundleError
            As `profile_of`.

        Examples
        --------
        >>> Classifier.load("bundle").adapt(["monday.wav"]).predict("now.wav")  # doctest: +SKIP
        """
        return self.with_profile(self.profile_of(recordings, sample_rate, **limits))

    def profile_of(
        self, recordings: Iterable[Recording], sample_rate: int | None = None, **limits: Any
    ) -> Profile:
        """Learn how a speaker's voice and microphone bend what the network says.

        Parameters
        ----------
        recordings : iterable of path, bytes, binary file object, or np.ndarray [shape=(n,)]
            Speech of one person through one microphone, in any mood; a minute is worth most of
            what an hour is.
        sample_rate : int > 0, optional
            Samples a second of every array [Hz].
        **limits
            As for `predict`, for each recording.

        Returns
        -------
        profile : Profile
            To be saved, or for `with_profile`. What this classifier may have learned of a speaker
            is not used.

        Raises
        ------
        AudioError, ConfigError
            As `predict`, for the first recording that fails, or if there is none.
        BundleError
            If the bundle does not support it.

        Examples
        --------
        >>> profile = Classifier.load("bundle").profile_of(["monday.wav"])  # doctest: +SKIP
        >>> profile.save("anna.json")  # doctest: +SKIP
        >>> Classifier.load("bundle", profile=Profile.load("anna.json"))  # doctest: +SKIP
        """
        speakers = self.speaker_model()
        anybody = self.with_profile(None)
        heard = [anybody.predict(recording, sample_rate, **limits) for recording in recordings]
        if not heard:
            raise ConfigError("recordings=[]; expected at least one of the speaker")
        segments = [segment for prediction in heard for segment in prediction.segments]
        probabilities = np.array([list(segment.probabilities.values()) for segment in segments])
        seconds = sum(prediction.end_s - prediction.start_s for prediction in heard)
        n_independent = seconds / self._input.window.duration_s
        correction = speakers.correction(centred_logs(probabilities), n_independent)
        return Profile.of(correction, self.labels, seconds, self.bundle.manifest.network_id)

    def with_profile(self, profile: Profile | None) -> Classifier:
        """Return a classifier that shares this one's network and hears that speaker, or anybody.

        Parameters
        ----------
        profile : Profile or None
            What was learned of the speaker.

        Returns
        -------
        classifier : Classifier

        Raises
        ------
        ConfigError
            If the profile is another network's.
        BundleError
            If the bundle does not support adaptation.
        """
        return type(self)(
            self.bundle, self.model, self.backend_name, self.backend, self.threads, profile
        )

    def speaker_model(self) -> SpeakerModel:
        """Return how the network hears speakers, what adaptation rests on.

        Returns
        -------
        speakers : SpeakerModel

        Raises
        ------
        BundleError
            If the bundle does not support it.
        """
        speakers = self.bundle.manifest.speakers
        if speakers is None:
            raise BundleError(
                f"{self.bundle.folder}: its manifest says nothing of speakers, and adaptation "
                "needs that; export a run of `ser-edge train`"
            )
        return speakers

    def _correction_of(self, profile: Profile | None) -> Correction | None:
        if profile is None:
            return None
        self.speaker_model()
        expected = self.bundle.manifest.network_id
        if profile.network != expected or tuple(profile.offset) != self.labels:
            raise ConfigError(
                f"the profile was learned with the network {profile.network}, and this one is "
                f"{expected}; adapt to the speaker again"
            )
        return profile.correction

    def predict_batch(
        self, recordings: Iterable[Recording], sample_rate: int | None = None
    ) -> list[Prediction]:
        """Classify several recordings, one after the other.

        Parameters
        ----------
        recordings : iterable of path, bytes, binary file object, or np.ndarray [shape=(n,)]
            As for `predict`.
        sample_rate : int > 0, optional
            Samples a second of every array [Hz].

        Returns
        -------
        predictions : list of Prediction

        Raises
        ------
        AudioError, ConfigError
            As `predict`, for the first recording that fails.
        """
        return [self.predict(recording, sample_rate) for recording in recordings]

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
        probabilities = softmax(logits.astype(np.float64) / self.bundle.manifest.temperature)
        return self._correct(probabilities) if self._correct else probabilities
