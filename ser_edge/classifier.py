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
from ser_edge.backends import Backend
from ser_edge.backends.selection import open_bundle
from ser_edge.bundle import PRETRAINED, Bundle
from ser_edge.checks import check_number, check_type
from ser_edge.choices import MAX_THREADS
from ser_edge.errors import BackendError, BundleError, ConfigError, SerEdgeError, error_source
from ser_edge.frontend import Frontend
from ser_edge.levels import FrameLevels
from ser_edge.manifest import ModelFile
from ser_edge.prediction import Prediction, Window, softmax
from ser_edge.recording import Recording, check_limits, opened_recording, recording_name
from ser_edge.window import cut_windows

_KEPT_S = 60.0  # a longer recording is not kept in memory, but decoded again for its windows

logger = logging.getLogger(__name__)


class Classifier:
    """Classify the emotion of recordings with the network of a bundle.

    Create it with `Classifier.load`. Threads may share it. Pickling stores the bundle's path and
    the options of `load`; unpickling loads the bundle again.

    Parameters
    ----------
    bundle : Bundle
        The exported folder; ``bundle.manifest.about`` has its licence, its accuracy and the
        protocol of each figure.
    model : ModelFile
        The model variant.
    backend_name : {"litert", "tflite", "onnx", "numeric"}
        Name of the backend.
    backend : Backend
        The opened model.
    threads : int
        Threads per inference.
    profile : Profile, optional
        Adaptation to one speaker; see `adapt`.

    Attributes
    ----------
    labels : tuple of str
        The emotions, in the order of the network's outputs.

    Examples
    --------
    Classify a file of any sample rate and length:

    >>> classifier = Classifier.load()
    >>> prediction = classifier.predict("clip.wav")  # doctest: +SKIP
    >>> prediction.label, prediction.probability  # doctest: +SKIP
    ('happy', 0.83)

    Classify samples, for example from a microphone:

    >>> samples = 0.1 * np.random.default_rng(0).standard_normal(48000)
    >>> round(sum(classifier.predict(samples, 16000).probabilities.values()), 9)
    1.0

    Every error is a `SerEdgeError` with a one-line message.
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
        self._path = os.path.abspath(bundle.folder)  # now: the working directory may change
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
        folder: str | os.PathLike[str] | None = None,
        *,
        backend: str | None = None,
        precision: str | None = None,
        threads: int = 1,
        profile: Profile | None = None,
    ) -> Classifier:
        """Open a bundle.

        Parameters
        ----------
        folder : path, optional
            A folder that ``ser-edge export`` wrote. The default is the bundle in this package; its
            weights are for non-commercial use (see its ``MODEL_CARD.md``).
        backend : {"litert", "tflite", "onnx", "numeric"}, optional
            The interpreter. The default is the first that works on this machine and has a model
            file in the bundle.
        precision : {"float32", "float16", "dynamic", "int8", "int8-io"}, optional
            The model variant; see `ser_edge.choices.PRECISIONS`. The default is the fastest one
            of the backend.
        threads : int in [1, 64]
            Threads per inference.
        profile : Profile, optional
            Adaptation to one speaker; see `adapt`.

        Returns
        -------
        classifier : Classifier

        Raises
        ------
        BundleError
            If the folder is not a bundle, or is damaged.
        BackendError
            If no interpreter on this machine can run a model file of the bundle.
        ConfigError
            If an argument is not legal, or the profile belongs to another network.
        """
        check_number("threads", threads, 1, MAX_THREADS, integer=True)
        bundle = Bundle.open(PRETRAINED if folder is None else folder)
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
        progress: Callable[[float], object] = lambda _: None,
    ) -> Prediction:
        """Classify one recording, in constant memory but for the result.

        Set the limits for recordings from untrusted sources. By default there are none.

        Parameters
        ----------
        recording : path, bytes, binary file object, or np.ndarray [shape=(n,)]
            A WAV file or its content (other formats need ``soundfile`` or ffmpeg), or mono
            samples: float within ±1, or int16, int32 or uint8 PCM.
        sample_rate : int in [8000, 192000], optional
            Sample rate of an array [Hz]; not for files, which have their own.
        max_bytes : int > 0, optional
            Maximum size of the file or array, checked before decoding.
        max_s : float > 0, optional
            Maximum duration [s], checked before decoding if the header has it.
        budget_s : float > 0, optional
            Time limit for this call [s]. It is checked between pieces of a few seconds and before
            each window.
        progress : callable, optional
            Called with the end of each window [s].

        Returns
        -------
        prediction : Prediction
            The ``label``, its ``probability``, the ``probabilities`` of all labels, and the same
            for each window in ``windows``; ``to_dict()`` is ready for JSON. ``label`` is ``None``
            and ``state`` is not ``"speech"`` if there is no speech, or less than 0.2 s of it.

        Raises
        ------
        AudioError
            If the recording cannot be read, is silent, empty or not finite, or exceeds a limit.
        SerEdgeError
            If `budget_s` has passed before the last window.
        ConfigError
            If an array comes without its sample rate, a file comes with one, or a limit is not
            legal.
        """
        started = perf_counter()
        check_limits(max_bytes=max_bytes, max_s=max_s, budget_s=budget_s)

        def check_budget(progress: str) -> float:
            now = perf_counter()
            if budget_s is not None and now - started > budget_s:
                raise SerEdgeError(
                    f"{progress} after {now - started:.3f} s, expected all within "
                    f"budget_s={budget_s}",
                    "give a shorter recording or more time",
                )
            return now

        network_rate = self._input.features.sample_rate
        length = self._frontend.window_samples
        features_s = network_s = 0.0
        ends_s: list[float] = []
        rows: list[NDArray[np.float64]] = []
        with (
            error_source(recording_name(recording)),
            opened_recording(
                recording, sample_rate, network_rate, max_bytes=max_bytes, max_s=max_s
            ) as pieces,
        ):
            levels = FrameLevels(network_rate)
            kept: list[NDArray[np.float32]] = []
            for piece in pieces():
                levels.feed(piece)
                kept.append(piece)
                if levels.n_samples > _KEPT_S * network_rate:
                    kept.clear()
                check_budget("0 windows finished")
            starts = self._frontend.place(levels)
            for window in cut_windows(kept or pieces(), starts, length):
                began = check_budget(f"{len(rows)} of {len(starts)} windows finished")
                features = self._frontend.window_features(window, 0)
                inputs = self._input.network_inputs(features[None])
                computed = perf_counter()
                rows.append(self.probabilities(inputs)[0])
                features_s += computed - began
                network_s += perf_counter() - computed
                end = min(int(starts[len(ends_s)]) + length, levels.n_samples)
                ends_s.append(end / network_rate)
                progress(ends_s[-1])
        decode_s = perf_counter() - started - features_s - network_s
        state = levels.state
        windows = tuple(
            Window(start_s, end_s, *self._by_label(row, state))
            for start_s, end_s, row in zip(
                (starts / network_rate).tolist(), ends_s, rows, strict=True
            )
        )
        return Prediction(
            *self._by_label(np.stack(rows).mean(axis=0), state),
            start_s=windows[0].start_s,
            end_s=windows[-1].end_s,
            n_windows=len(windows),
            windows=windows,
            timings_ms={
                "decode": 1e3 * decode_s,
                "features": 1e3 * features_s,
                "network": 1e3 * network_s,
            },
            state=state,
        )

    def _by_label(
        self, row: NDArray[np.float64], state: str
    ) -> tuple[str | None, float, dict[str, float]]:
        """Return the best label, if there is speech, its probability, and all by label."""
        best = int(row.argmax())
        by_label = dict(zip(self.labels, row.tolist(), strict=True))
        return self.labels[best] if state == "speech" else None, float(row[best]), by_label

    def adapt(
        self, recordings: Iterable[Recording], sample_rate: int | None = None, **limits: Any
    ) -> Classifier:
        """Adapt to a speaker, from recordings that need no labels.

        Parameters
        ----------
        recordings : iterable of path, bytes, binary file object, or np.ndarray [shape=(n,)]
            As for `profile_of`.
        sample_rate : int in [8000, 192000], optional
            Sample rate of all arrays [Hz].
        **limits
            Limits for each recording, as for `predict`.

        Returns
        -------
        classifier : Classifier
            A copy of this one with the speaker's ``profile``.

        Raises
        ------
        AudioError, ConfigError, BundleError
            As `profile_of`.

        Examples
        --------
        >>> Classifier.load().adapt(["monday.wav"]).predict("now.wav")  # doctest: +SKIP
        """
        return self.with_profile(self.profile_of(recordings, sample_rate, **limits))

    def profile_of(
        self, recordings: Iterable[Recording], sample_rate: int | None = None, **limits: Any
    ) -> Profile:
        """Estimate how one speaker and microphone shift the network's outputs.

        The classifier's own ``profile`` is not used.

        Parameters
        ----------
        recordings : iterable of path, bytes, binary file object, or np.ndarray [shape=(n,)]
            Speech of one person with one microphone, in any mood. A minute is enough for most of
            the gain that we measured.
        sample_rate : int in [8000, 192000], optional
            Sample rate of all arrays [Hz].
        **limits
            Limits for each recording, as for `predict`.

        Returns
        -------
        profile : Profile
            For `with_profile`, `load` or `Profile.save`.

        Raises
        ------
        AudioError, ConfigError
            As `predict`, for the first recording that fails; `ConfigError` if there is none, or
            one instead of a list.
        BundleError
            If the bundle does not support adaptation.

        Examples
        --------
        >>> profile = Classifier.load().profile_of(["monday.wav"])  # doctest: +SKIP
        >>> profile.save("anna.json")  # doctest: +SKIP
        >>> Classifier.load(profile=Profile.load("anna.json"))  # doctest: +SKIP
        """
        alone = isinstance(recordings, str | bytes | bytearray | memoryview | np.ndarray)
        if alone or hasattr(recordings, "read") or not isinstance(recordings, Iterable):
            kind = type(recordings).__name__
            raise ConfigError(
                f"recordings is a {kind}, expected a list of recordings", "give [recording]"
            )
        speakers = self.speaker_model()
        unadapted = self.with_profile(None)
        predictions = [unadapted.predict(clip, sample_rate, **limits) for clip in recordings]
        if not predictions:
            raise ConfigError("recordings=[], expected at least one of the speaker")
        windows = [window for prediction in predictions for window in prediction.windows]
        probabilities = np.array([list(window.probabilities.values()) for window in windows])
        seconds = sum(prediction.end_s - prediction.start_s for prediction in predictions)
        n_independent = seconds / self._input.window.duration_s
        correction = speakers.correction(centred_logs(probabilities), n_independent)
        return Profile.of(correction, self.labels, seconds, self.bundle.manifest.network_id)

    def with_profile(self, profile: Profile | None) -> Classifier:
        """Return a classifier for another speaker that shares the opened model.

        Parameters
        ----------
        profile : Profile or None
            The speaker's profile; ``None`` for no adaptation.

        Returns
        -------
        classifier : Classifier

        Raises
        ------
        ConfigError
            If the profile belongs to another network.
        BundleError
            If the bundle does not support adaptation.
        """
        return type(self)(
            self.bundle, self.model, self.backend_name, self.backend, self.threads, profile
        )

    def speaker_model(self) -> SpeakerModel:
        """Return the speaker statistics for adaptation; `BundleError` if the bundle has none."""
        speakers = self.bundle.manifest.speakers
        if speakers is None:
            raise BundleError(
                "the manifest has no speaker statistics, and adaptation needs them",
                "export a run of `ser-edge train`",
                self.bundle.folder,
            )
        return speakers

    def _correction_of(self, profile: Profile | None) -> Correction | None:
        if profile is None:
            return None
        check_type("profile", profile, Profile, "a Profile, such as Profile.load(path)")
        self.speaker_model()
        expected = self.bundle.manifest.network_id
        if profile.network != expected or tuple(profile.offset) != self.labels:
            raise ConfigError(
                f"the profile belongs to network {profile.network}, expected network {expected}",
                "adapt to the speaker again",
            )
        return profile.correction

    def probabilities(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Run the network; apply its temperature, softmax and the speaker's profile.

        Parameters
        ----------
        inputs : np.ndarray [shape=(n_windows, *input_shape), dtype=float32]
            Standardised features, from ``bundle.manifest.input.network_inputs``.

        Returns
        -------
        probabilities : np.ndarray [shape=(n_windows, n_labels), dtype=float64]

        Raises
        ------
        BackendError
            If the inputs have another shape, or the network does not fit the manifest.
        """
        with error_source(self.model.file):
            logits = self.backend.run(inputs)
        expected = len(inputs), len(self.labels)
        if logits.shape != expected or not np.isfinite(logits).all():
            raise BackendError(
                f"returned {logits.shape} numbers, {np.isfinite(logits).sum()} of them finite, "
                f"expected {expected}, all finite",
                "export the bundle again",
                self.model.file,
            )
        # Calibrated by temperature scaling (Guo et al. 2017).
        probabilities = softmax(logits.astype(np.float64) / self.bundle.manifest.temperature)
        return self._correct(probabilities) if self._correct else probabilities
