"""Adaptation to a speaker while the speaker is heard; `ser_edge.adaptation.speaker_model` has the method."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.profile import Profile
from ser_edge.adaptation.speaker_model import SpeakerModel, centred_logs

_MOST = 60


class OnlineAdaptation:
    """Learn a speaker's correction from windows, of which the last 60 that do not overlap count.

    Parameters
    ----------
    speakers : SpeakerModel
        The bundle's.
    labels : sequence of str
        Of the network.
    network : str
        Its `ser_edge.manifest.Manifest.network_id`.
    window_s, hop_s : float > 0
        Length of a window, and time from one to the next [s].
    start : Profile, optional
        What was learned of the speaker before; it holds until more was heard.
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
        self._heard: deque[NDArray[np.float64]] = deque(maxlen=_MOST)
        self._since_s = window_s  # since the last window that counts
        self.profile = start
        self._correct = start.correction if start else None

    def __call__(self, probabilities: NDArray[np.float64], *, speech: bool) -> NDArray[np.float64]:
        """Hear of the next window.

        Parameters
        ----------
        probabilities : np.ndarray [shape=(n_labels,), dtype=float64]
            What the network, not adapted, says of it.
        speech : bool
            Whether somebody speaks in it; only then is it learned from.

        Returns
        -------
        adapted : np.ndarray [shape=(n_labels,), dtype=float64]
            By what was learned before.
        """
        adapted = self._correct(probabilities) if self._correct else probabilities
        if speech and self._since_s >= self._window_s - self._hop_s / 2:
            self._heard.append(centred_logs(probabilities))
            self._since_s = 0.0
            self._learn()
        self._since_s += self._hop_s
        return adapted

    def _learn(self) -> None:
        seconds = len(self._heard) * self._window_s
        if self.profile is None or seconds >= self.profile.seconds:
            heard = np.stack(self._heard)
            self._correct = self._speakers.correction(heard, len(heard))
            self.profile = Profile.of(self._correct, self._labels, seconds, self._network)
