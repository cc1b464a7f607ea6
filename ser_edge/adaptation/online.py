"""Adaptation to a speaker during a stream; the method is in `ser_edge.adaptation.speaker_model`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.profile import Profile
from ser_edge.adaptation.speaker_model import SpeakerModel, centred_logs

_MAX_WINDOWS = 60  # three minutes at 3 s each; older ones may be of another speaker


class OnlineAdaptation:
    """Learn a speaker's correction from the last 60 windows that do not overlap.

    Parameters
    ----------
    speakers : SpeakerModel
        Of the bundle.
    labels : sequence of str
        Of the network.
    network : str
        Its `ser_edge.manifest.Manifest.network_id`.
    window_s, hop_s : float > 0
        Length of a window, and time from one to the next [s].
    start : Profile, optional
        A profile to start with; it is used until as much speech was processed.

    Attributes
    ----------
    profile : Profile or None
        The current one.
    """

    def __init__(
        self,
        speakers: SpeakerModel,
        labels: Sequence[str],
        network: str,
        *,
        window_s: float,
        hop_s: float,
        start: Profile | None = None,
    ) -> None:
        self._speakers, self._labels, self._network = speakers, labels, network
        self._window_s, self._hop_s = window_s, hop_s
        self._windows: deque[NDArray[np.float64]] = deque(maxlen=_MAX_WINDOWS)
        self._since_s = window_s  # from the last window in the deque to the next one
        self.profile = start
        self._correct = start.correction if start else None

    def __call__(self, probabilities: NDArray[np.float64], *, speech: bool) -> NDArray[np.float64]:
        """Correct the next window, then learn from it.

        Parameters
        ----------
        probabilities : np.ndarray [shape=(n_labels,), dtype=float64]
            Of the network without a profile.
        speech : bool
            Whether it is speech; silence is not learned from.

        Returns
        -------
        adapted : np.ndarray [shape=(n_labels,), dtype=float64]
            Corrected by what was learned from earlier windows.
        """
        adapted = self._correct(probabilities) if self._correct else probabilities
        if speech and self._since_s >= self._window_s - self._hop_s / 2:
            self._windows.append(centred_logs(probabilities))
            self._since_s = 0.0
            self._learn()
        self._since_s += self._hop_s
        return adapted

    def _learn(self) -> None:
        seconds = len(self._windows) * self._window_s
        if self.profile is None or seconds >= self.profile.seconds:
            logs = np.stack(self._windows)
            self._correct = self._speakers.correction(logs, len(logs))
            self.profile = Profile.of(self._correct, self._labels, seconds, self._network)
