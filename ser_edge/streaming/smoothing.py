"""Steady labels from the probabilities of overlapping windows.

Probabilities are smoothed over time. The most probable label counts if it reaches a threshold, and
silence restarts the smoothing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ser_edge.checks import check_number
from ser_edge.choices import THRESHOLD


@dataclass(frozen=True)
class StreamConfig:
    """How a stream smooths, labels and detects silence.

    ``benchmarks/stream_defaults.py`` measures `smoothing_s` and `threshold`; docs/streaming.md has
    the table. `silence_s` and `margin_db` were set by hand.

    Parameters
    ----------
    smoothing_s : float in [0, 60]
        Time constant of the exponential smoothing [s]. Longer: fewer wrong changes of label, and
        later ones.
    threshold : float in [0, 1]
        Smoothed probability below which the state is ``"uncertain"``. Higher: fewer wrong labels,
        and fewer labels; the bundle's ``MODEL_CARD.md`` has a table of both.
    silence_s : float in [0, 60]
        Time without speech after which the state is ``"silence"`` [s]. Shorter: pauses between
        words count as silence.
    margin_db : float in [0, 60]
        Level above the noise floor that counts as speech [dB]. Lower: quiet voices are detected,
        and so are footsteps.

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
    threshold: float = THRESHOLD
    silence_s: float = 1.0
    margin_db: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            high = 1 if field.name == "threshold" else 60
            check_number(field.name, getattr(self, field.name), 0, high)


class LabelSmoother:
    """Smooth probabilities hop by hop, and label them; see `StreamConfig`.

    Parameters
    ----------
    config : StreamConfig
        Its ``smoothing_s`` and ``threshold``.
    hop_s : float > 0
        Time from one window to the next [s].

    Examples
    --------
    >>> smooth = LabelSmoother(StreamConfig(smoothing_s=1, threshold=0.6), hop_s=0.5)
    >>> rows = [[0.8, 0.2], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9]]
    >>> [smooth(np.array(row), silent=False)[::2] for row in rows]
    [(0, 'speech'), (0, 'uncertain'), (1, 'speech'), (1, 'speech')]
    """

    def __init__(self, config: StreamConfig, hop_s: float) -> None:
        self._threshold = config.threshold
        self._decay = np.exp(-hop_s / config.smoothing_s) if config.smoothing_s else 0.0
        self.restart()

    def restart(self) -> None:
        """Forget all windows."""
        self._smoothed: NDArray[np.float64] | None = None

    def __call__(
        self, probabilities: NDArray[np.float64], *, silent: bool
    ) -> tuple[int, float, str]:
        """Process the next window.

        Parameters
        ----------
        probabilities : np.ndarray [shape=(n_labels,), dtype=float64]
            They sum to 1.
        silent : bool
            Whether the state is silence; it restarts the smoothing.

        Returns
        -------
        label : int
            Index of the most probable label.
        probability : float
            Its smoothed probability.
        state : {"speech", "uncertain", "silence"}
            See `ser_edge.prediction.Segment`.
        """
        if silent:
            self.restart()
            return int(probabilities.argmax()), float(probabilities.max()), "silence"
        # s[t] = d s[t-1] + (1 - d) p[t], with d = exp(-hop / time constant)
        if self._smoothed is None:
            self._smoothed = probabilities
        else:
            self._smoothed = self._decay * self._smoothed + (1 - self._decay) * probabilities
        label = int(self._smoothed.argmax())
        probability = float(self._smoothed[label])
        return label, probability, "speech" if probability >= self._threshold else "uncertain"
