"""Emotion as it is heard: samples go in as they come, segments come out.

Windows overlap, so that most frames of one are frames of the next: those are computed once
(`ser_edge.features.rolling`). What the network says of a window is what `Classifier.predict` says
of its samples; `ser_edge.streaming.smoothing` makes steady labels of it.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser_edge.adaptation.online import OnlineAdaptation
from ser_edge.adaptation.profile import Profile
from ser_edge.audio import as_signal
from ser_edge.classifier import Classifier
from ser_edge.errors import ConfigError
from ser_edge.features import FeatureExtractor
from ser_edge.features.rolling import RollingFeatures
from ser_edge.prediction import Segment
from ser_edge.resampling import Resampler
from ser_edge.streaming.smoothing import LabelSmoother, StreamConfig
from ser_edge.streaming.voice_activity import VoiceActivityDetector

_NOISE_S = 10.0  # for which the floor is remembered


class Stream:
    """Hear emotions in speech that goes on, in constant memory.

    Threads may share it: calls wait for each other.

    Parameters
    ----------
    classifier : Classifier
        The network; its profile, if any, is used.
    sample_rate : int in [8000, 192000]
        Samples a second of what will be fed [Hz].
    hop_s : float > 0
        Time from one window to the next [s], rounded to whole frames; less than a window.
    decisions : StreamConfig, optional
        What is traded for what.
    adapt : bool
        Whether to learn the speaker's voice from what is heard; see `Classifier.adapt`.

    Attributes
    ----------
    hop_s : float
        Time from one window to the next [s].
    window_s : float
        Length of a window [s]; so much has to be heard before the first segment.
    skipped : int
        Windows that were not heard, because only the latest was asked for.
    level_db, floor_db : float
        Loudest and lowest level of late [dB of full scale].

    Raises
    ------
    AudioError
        If the rate is out of range.
    ConfigError
        If `hop_s` is not legal.
    BundleError
        If the bundle does not support adaptation, and `adapt` is asked for.

    Examples
    --------
    >>> stream = Stream(Classifier.load(), sample_rate=16000)
    >>> second = 0.1 * np.random.default_rng(0).standard_normal(16000)
    >>> segments = [segment for _ in range(5) for segment in stream.feed(second)]
    >>> [(round(segment.start_s, 2), round(segment.end_s, 2)) for segment in segments]
    [(0.0, 3.0), (3.0, 3.51), (3.51, 4.02), (4.02, 4.53)]
    >>> segments[0].state
    'silence'
    """

    def __init__(
        self,
        classifier: Classifier,
        sample_rate: int,
        *,
        hop_s: float = 0.5,
        decisions: StreamConfig | None = None,
        adapt: bool = False,
    ) -> None:
        config = classifier.bundle.manifest.input
        features = config.features
        self._input, self._sample_rate = config, features.sample_rate
        window_s = config.window.duration_s
        if not (isinstance(hop_s, int | float) and 0 < hop_s <= window_s):
            raise ConfigError(
                f"hop_s={hop_s!r}; expected above 0 and less than a window's {window_s} s"
            )
        hop_frames = max(1, round(hop_s * features.sample_rate / features.hop_length))
        self._n_window = config.window.n_samples(features.sample_rate)
        extract = FeatureExtractor(features)
        self._rolling = RollingFeatures(extract, self._n_window, hop_frames)
        self.hop_s = self._rolling.hop_samples / features.sample_rate
        self.window_s = self._n_window / features.sample_rate
        self._resampler = Resampler(sample_rate, features.sample_rate)
        self._decisions = decisions or StreamConfig()
        self._decide = LabelSmoother(self._decisions, self.hop_s)
        self._block = features.hop_length
        self._classifier, self._adapt = classifier, adapt
        # A learner corrects what it hears itself, and learns from what was not corrected.
        self._network = classifier.with_profile(None) if adapt else classifier
        self._learner = self._new_learner()
        self._lock = threading.Lock()
        self._restart()

    def _new_learner(self) -> OnlineAdaptation | None:
        if not self._adapt:
            return None
        manifest = self._classifier.bundle.manifest
        return OnlineAdaptation(
            self._classifier.speaker_model(),
            self._classifier.labels,
            manifest.network_id,
            window_s=self.window_s,
            hop_s=self.hop_s,
            start=self._classifier.profile,
        )

    def _restart(self) -> None:
        self._rolling.restart()
        self._decide.restart()
        self._gate = VoiceActivityDetector(
            self._block,
            self._decisions.margin_db,
            n_remembered=max(1, round(_NOISE_S / self.hop_s)),
        )
        self._waiting: list[NDArray[np.float32]] = []
        self._n_waiting = 0
        self._heard_until = 0
        self._quiet_s = 0.0
        self.skipped = 0

    @property
    def level_db(self) -> float:
        """Level of the loudest block of the last hop [dB of full scale]."""
        return self._gate.level_db

    @property
    def floor_db(self) -> float:
        """Level of the noise [dB of full scale]."""
        return self._gate.floor_db

    @property
    def profile(self) -> Profile | None:
        """What was learned of the speaker; the classifier's profile where nothing was."""
        return self._learner.profile if self._learner else self._classifier.profile

    def feed(self, samples: ArrayLike, *, latest: bool = False) -> list[Segment]:
        """Take in the next samples.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,)]
            Any number of them, mono: float within ±1, or int16, int32 or uint8 PCM.
        latest : bool
            Whether of several windows only the last is to be heard, to catch up; its segment
            reaches back to the one before.

        Returns
        -------
        segments : list of Segment
            One a window that they complete, the same however the signal is cut: where it lies
            since the window before, with the label decided on, that label's smoothed
            probability, and the window's own ``probabilities``. ``state`` is ``"silence"`` where
            nobody speaks, ``"uncertain"`` below the threshold, and else ``"speech"``.

        Raises
        ------
        AudioError
            If the samples are not mono, of another type, or not finite.
        BackendError
            If the interpreter fails.
        """
        if not np.size(samples):
            return []
        signal = as_signal(samples)
        with self._lock:
            self._n_waiting += len(signal)
            # Less than this cannot complete a window; together it is resampled faster.
            needed = self._rolling.n_missing * self._resampler.sample_rate / self._sample_rate
            if self._n_waiting < needed:
                self._waiting.append(signal.copy())
                return []
            return self._hear(self._resampler.feed(self._after_waiting(signal)), latest=latest)

    def flush(self) -> list[Segment]:
        """End the signal, and be ready for another; what was learned of the speaker stays.

        Returns
        -------
        segments : list of Segment
            What had not come out yet. Less than a hop at the end is not heard.
        """
        with self._lock:
            ended = self._resampler.feed(self._after_waiting()), self._resampler.flush()
            segments = self._hear(np.concatenate(ended))
            self._restart()
            return segments

    def reset(self) -> None:
        """Forget the signal and the speaker."""
        with self._lock:
            self._resampler.flush()
            self._restart()
            self._learner = self._new_learner()

    def _after_waiting(self, *last: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [*self._waiting, *last] or [np.empty(0, np.float32)]
        self._waiting, self._n_waiting = [], 0
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _hear(self, samples: NDArray[np.float32], *, latest: bool = False) -> list[Segment]:
        segments = []
        for start, window, features in self._rolling.feed(samples, latest=latest):
            begin, end = self._heard_until, start + self._n_window
            n_next = self._rolling.hop_samples if begin else self._n_window
            self.skipped += (end - begin - n_next) // self._rolling.hop_samples
            self._heard_until = end
            segments.append(
                self._segment(window, features, begin / self._sample_rate, end / self._sample_rate)
            )
        return segments

    def _segment(
        self,
        window: NDArray[np.float32],
        features: NDArray[np.float32],
        start_s: float,
        end_s: float,
    ) -> Segment:
        n_new = round((end_s - start_s) * self._sample_rate)
        speech = self._gate(window[-n_new:]) > 0  # of many that were skipped, the last
        self._quiet_s = 0.0 if speech else self._quiet_s + end_s - start_s
        silent = self._quiet_s >= self._decisions.silence_s
        [probabilities] = self._network.probabilities(self._input.network_inputs(features[None]))
        if self._learner:
            probabilities = self._learner(probabilities, speech=not silent)
        best, share, state = self._decide(probabilities, silent=silent)
        labels = self._classifier.labels
        by_label = dict(zip(labels, probabilities.tolist(), strict=True))
        return Segment(start_s, end_s, labels[best], share, by_label, state)
