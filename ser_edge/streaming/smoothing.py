"""From what the network says of each window to what a person can use: steady labels.

Probabilities are smoothed; another label has to lead clearly, and for a while, before it is taken
for a new emotion; and where no label is probable enough, none is named.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import ConfigError


@dataclass(frozen=True)
class StreamConfig:
    """What is traded for what when labels are decided on.

    Parameters
    ----------
    smoothing_s : float in [0, 60]
        Time constant of the exponential smoothing [s]. Longer: fewer wrong changes, later ones.
    hysteresis : float in [0, 1]
        By how much another label's smoothed probability has to be above the present one's. More:
        fewer changes to and fro, and weak emotions are missed.
    min_duration_s : float in [0, 60]
        For how long it has to be [s]. Longer: no flicker, and short emotions are missed.
    threshold : float in [0, 1]
        Smoothed probability below which the state is ``"uncertain"``. Higher: fewer wrong labels,
        and fewer labels; the bundle's ``MODEL_CARD.md`` has a table of both.
    silence_s : float in [0, 60]
        So long nobody has to have spoken for ``"silence"`` [s]. Shorter: pauses in speech count.
    margin_db : float in [0, 60]
        How far above the noise speech is [dB]. Less: quiet voices are heard, and so are footsteps.

    Raises
    ------
    ConfigError
        For a value outside these ranges.

    Examples
    --------
    >>> StreamConfig(threshold=0.6).threshold
    0.6
    """

    smoothing_s: float = 0.5
    hysteresis: float = 0.05
    min_duration_s: float = 0.5
    threshold: float = 0.65
    silence_s: float = 1.0
    margin_db: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            most = 1.0 if field.name in ("hysteresis", "threshold") else 60.0
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (number and 0 <= value <= most):
                raise ConfigError(f"{field.name}={value!r}; expected 0 to {most:g}")


class LabelSmoother:
    """Decide hop by hop; see `StreamConfig`.

    Parameters
    ----------
    config : StreamConfig
        What is traded for what.
    hop_s : float > 0
        Time from one window to the next [s].

    Examples
    --------
    >>> decide = LabelSmoother(StreamConfig(smoothing_s=0, min_duration_s=1, threshold=0), hop_s=0.5)
    >>> heard = [[0.8, 0.2], [0.1, 0.9], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9]]
    >>> [decide(np.array(row), silent=False)[0] for row in heard]
    [0, 0, 0, 0, 1]
    """

    def __init__(self, config: StreamConfig, hop_s: float) -> None:
        self._hysteresis, self._threshold = config.hysteresis, config.threshold
        self._keep = np.exp(-hop_s / config.smoothing_s) if config.smoothing_s else 0.0
        self._n_needed = max(1, round(config.min_duration_s / hop_s))
        self.restart()

    def restart(self) -> None:
        """Forget what was heard; what follows is decided on afresh."""
        self._smoothed: NDArray[np.float64] | None = None
        self._label = self._rival = self._n_led = 0

    def __call__(
        self, probabilities: NDArray[np.float64], *, silent: bool
    ) -> tuple[int, float, str]:
        """Hear of the next window.

        Parameters
        ----------
        probabilities : np.ndarray [shape=(n_labels,), dtype=float64]
            They sum to 1.
        silent : bool
            Whether nobody speaks; what follows is then decided on afresh.

        Returns
        -------
        label : int
            Number of the one decided on.
        probability : float
            Its smoothed probability.
        state : {"speech", "uncertain", "silence"}
            See `ser_edge.prediction.Segment`.
        """
        if silent:
            self.restart()
            return int(probabilities.argmax()), float(probabilities.max()), "silence"
        if self._smoothed is None:
            smoothed = probabilities
            self._label = int(probabilities.argmax())
        else:
            smoothed = self._keep * self._smoothed + (1 - self._keep) * probabilities
        self._smoothed = smoothed
        best = int(smoothed.argmax())
        leads = smoothed[best] - smoothed[self._label] > self._hysteresis
        self._n_led = (self._n_led + 1 if best == self._rival else 1) if leads else 0
        self._rival = best
        if self._n_led >= self._n_needed:
            self._label, self._n_led = best, 0
        share = float(smoothed[self._label])
        return self._label, share, "speech" if share >= self._threshold else "uncertain"
