"""Emotions in live audio: samples go in as they arrive, segments come out.

Windows overlap, and most frames of one window are frames of the next; those are computed once
(`ser_edge.features.rolling`). A window's probabilities equal those of `Classifier.predict` for the
same samples; `ser_edge.streaming.smoothing` turns them into steady labels.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser_edge.adaptation.online import OnlineAdaptation
from ser_edge.adaptation.profile import Profile
from ser_edge.audio import as_signal
from ser_edge.checks import check_number, check_type
from ser_edge.choices import HOP_S
from ser_edge.classifier import Classifier
from ser_edge.errors import error_source
from ser_edge.features import FeatureExtractor
from ser_edge.features.rolling import RollingFeatures
from ser_edge.frontend import InputConfig, check_scaled
from ser_edge.levels import MIN_SPEECH_S
from ser_edge.prediction import Segment
from ser_edge.resampling import Resampler
from ser_edge.streaming.smoothing import LabelSmoother, StreamConfig
from ser_edge.streaming.voice_activity import VoiceActivityDetector

_NOISE_S = 10.0  # history of the noise floor; speech pauses more often than that


def rolling_features(config: InputConfig, hop_s: float) -> RollingFeatures:
    """Return the features of windows `hop_s` apart; `ConfigError` if that is out of range."""
    features, window = config.features, config.window
    check_number("hop_s", hop_s, 0, window.duration_s, exclusive=True, unit="seconds")
    hop_frames = max(1, round(hop_s * features.sample_rate / features.hop_length))
    n_window = window.n_samples(features.sample_rate)
    return RollingFeatures(FeatureExtractor(features), n_window, hop_frames)


class Stream:
    """Detect emotions in continuous speech, in constant memory.

    Threads may share a stream: its methods lock it.

    Parameters
    ----------
    classifier : Classifier
        The network; its profile, if any, is used.
    sample_rate : int in [8000, 192000]
        Sample rate of the input [Hz].
    hop_s : float > 0
        Time from one window to the next [s], rounded to whole frames; not longer than a window.
    config : StreamConfig, optional
        Smoothing, threshold and voice activity detection.
    adapt : bool
        Whether to learn the speaker's voice from the stream; see `Classifier.adapt`.

    Attributes
    ----------
    hop_s : float
        Time from one window to the next [s].
    window_s : float
        Length of a window [s]; the first segment needs this much audio.
    delay_s : float
        Typical time from a change of emotion to its label, without computing [s]: half a window,
        half a hop, and the smoothing.
    skipped : int
        Windows left out because only the latest was requested.
    level_db, floor_db : float
        Level of the last hop's loudest block, and the noise floor [dB of full scale].

    Raises
    ------
    ConfigError
        If `sample_rate` or `hop_s` is out of range, or an argument has another type.
    BundleError
        If `adapt` is set and the bundle does not support adaptation.

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
        hop_s: float = HOP_S,
        config: StreamConfig | None = None,
        adapt: bool = False,
    ) -> None:
        check_type("classifier", classifier, Classifier, "a Classifier")
        check_type("config", config, StreamConfig | None, "a StreamConfig")
        self._input = classifier.bundle.manifest.input
        features = self._input.features
        self._rolling = rolling_features(self._input, hop_s)
        self._resampler = Resampler(sample_rate, features.sample_rate)
        self._n_window = self._input.window_samples
        self.hop_s = self._rolling.hop_samples / features.sample_rate
        self.window_s = self._n_window / features.sample_rate
        config = config if config is not None else StreamConfig()
        self._config = config
        self.delay_s = (self.window_s + self.hop_s) / 2 + config.smoothing_s
        self._smooth = LabelSmoother(self._config, self.hop_s)
        self._classifier, self._adapt = classifier, adapt
        # The learner needs uncorrected probabilities, and corrects them itself.
        self._network = classifier.with_profile(None) if adapt else classifier
        self._learner = self._new_learner()
        self._lock = threading.Lock()
        self._restart()

    def _new_learner(self) -> OnlineAdaptation | None:
        if not self._adapt:
            return None
        return OnlineAdaptation(
            self._classifier.speaker_model(),
            self._classifier.labels,
            self._classifier.bundle.manifest.network_id,
            window_s=self.window_s,
            hop_s=self.hop_s,
            start=self._classifier.profile,
        )

    def _restart(self) -> None:
        self._resampler = Resampler(self._resampler.sample_rate, self._resampler.target_rate)
        self._rolling.restart()
        self._smooth.restart()
        self._vad = VoiceActivityDetector(
            self._input.features.hop_length,
            self._config.margin_db,
            n_history=max(1, round(_NOISE_S / self.hop_s)),
        )
        self._pending: list[NDArray[np.float32]] = []
        self._n_pending = 0
        self._last_end = 0  # of the last window, in samples
        self._pause_s = 0.0
        self._speech_s: deque[float] = deque(maxlen=max(1, int(self.window_s / self.hop_s)))
        self.skipped = 0

    @property
    def level_db(self) -> float:
        """Level of the last hop's loudest block [dB of full scale]."""
        return self._vad.level_db

    @property
    def floor_db(self) -> float:
        """Noise floor [dB of full scale]."""
        return self._vad.floor_db

    @property
    def profile(self) -> Profile | None:
        """The learned profile, or the classifier's if nothing was learned."""
        return self._learner.profile if self._learner else self._classifier.profile

    def feed(self, samples: ArrayLike, *, latest: bool = False) -> list[Segment]:
        """Process the next samples.

        Parameters
        ----------
        samples : np.ndarray [shape=(n,)]
            Any number of mono samples: float within ±1, or int16, int32 or uint8 PCM.
        latest : bool
            Whether to process only the last of several complete windows, to catch up. Its segment
            starts where the previous one ends.

        Returns
        -------
        segments : list of Segment
            One for each completed window, from the end of the previous window to its own end. The
            result does not depend on how the signal is cut. ``label`` and ``probability`` are
            smoothed, ``probabilities`` are the window's own. ``state`` is ``"silence"`` if nobody
            speaks, ``"uncertain"`` below the threshold or if the window has less than 0.2 s of
            speech, otherwise ``"speech"``; only then there is a ``label``.

        Raises
        ------
        AudioError
            If the samples are not mono, of another type, not finite, or not scaled to ±1. They are
            ignored: the next samples continue the previous ones.
        BackendError
            If the interpreter fails. The next samples start a new signal.
        """
        with contextlib.suppress(ValueError):  # ragged: `as_signal` refuses it
            if not np.size(samples):
                return []
        signal = as_signal(samples)
        with error_source("the array"):
            check_scaled(float(np.abs(signal).max()))
        with self._lock:
            self._n_pending += len(signal)
            # Resampling is faster in larger pieces, so samples wait until they complete a window.
            resampler, n_missing = self._resampler, self._rolling.n_missing
            if self._n_pending < n_missing * resampler.sample_rate / resampler.target_rate:
                self._pending.append(signal.copy())
                return []
            with self._restarted_by_errors():
                samples = resampler.feed(self._take_pending(signal))
                return self._process(samples, latest=latest)

    def flush(self) -> list[Segment]:
        """End the signal and be ready for another; the learned profile stays.

        Returns
        -------
        segments : list of Segment
            The remaining ones. A rest shorter than a hop is ignored.
        """
        with self._lock:
            with self._restarted_by_errors():
                rest = self._resampler.feed(self._take_pending()), self._resampler.flush()
                segments = self._process(np.concatenate(rest))
            self._restart()
            return segments

    def reset(self) -> None:
        """Forget the signal and the learned profile."""
        with self._lock:
            self._restart()
            self._learner = self._new_learner()

    @contextlib.contextmanager
    def _restarted_by_errors(self) -> Iterator[None]:
        """Start a new signal after an error: half of a window's work may have been done."""
        try:
            yield
        except BaseException:
            self._restart()
            raise

    def _take_pending(self, *last: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [*self._pending, *last] or [np.empty(0, np.float32)]
        self._pending, self._n_pending = [], 0
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _process(self, samples: NDArray[np.float32], *, latest: bool = False) -> list[Segment]:
        segments = []
        for start, window, features in self._rolling.feed(samples, latest=latest):
            begin, end = self._last_end, start + self._n_window
            n_next = self._rolling.hop_samples if begin else self._n_window
            self.skipped += (end - begin - n_next) // self._rolling.hop_samples
            self._last_end = end
            segments.append(self._segment(window, features, begin, end))
        return segments

    def _segment(
        self, window: NDArray[np.float32], features: NDArray[np.float32], begin: int, end: int
    ) -> Segment:
        sample_rate = self._input.features.sample_rate
        start_s, end_s = begin / sample_rate, end / sample_rate
        # After skipped windows, begin lies before this window: all of it is new.
        speech_s = self._vad(window[-(end - begin) :]) * (end_s - start_s)
        self._speech_s.append(speech_s)  # of each hop of the window
        self._pause_s = 0.0 if speech_s else self._pause_s + end_s - start_s
        silent = self._pause_s >= self._config.silence_s
        [probabilities] = self._network.probabilities(self._input.network_inputs(features[None]))
        if self._learner:
            probabilities = self._learner(probabilities, speech=not silent)
        best, probability, state = self._smooth(probabilities, silent=silent)
        if state == "speech" and sum(self._speech_s) < MIN_SPEECH_S:
            state = "uncertain"
        labels = self._classifier.labels
        by_label = dict(zip(labels, probabilities.tolist(), strict=True))
        label = labels[best] if state == "speech" else None
        return Segment(start_s, end_s, label, probability, by_label, state)
