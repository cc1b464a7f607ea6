"""Results: the windows and the prediction of a recording, the segments of a stream."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """The network's result for one window of a recording.

    Parameters
    ----------
    start_s, end_s : float
        Position in the recording [s].
    label : str or None
        The most probable emotion; ``None`` if the recording's ``state`` is not ``"speech"``.
    probability : float
        The highest probability.
    probabilities : dict of str to float
        Probability of every label; they sum to 1.

    Examples
    --------
    >>> Window(0.0, 2.1, "happy", 0.75, {"happy": 0.75, "sad": 0.25}).probabilities["sad"]
    0.25
    """

    start_s: float
    end_s: float
    label: str | None
    probability: float
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Segment:
    """A smoothed result for a part of a stream or of a recording.

    Parameters
    ----------
    start_s, end_s : float
        Position in the stream [s]; segments follow each other without gap or overlap.
    label : str or None
        The smoothed emotion; ``None`` unless ``state`` is ``"speech"``.
    probability : float
        The highest smoothed probability.
    probabilities : dict of str to float
        Probability of every label; they sum to 1.
    state : {"speech", "uncertain", "silence"}
        ``"uncertain"`` if the probability is below the threshold or there is too little speech,
        ``"silence"`` if there is none.

    Examples
    --------
    >>> Segment(3.0, 3.5, "happy", 0.75, {"happy": 0.75, "sad": 0.25}).state
    'speech'
    """

    start_s: float
    end_s: float
    label: str | None
    probability: float
    probabilities: dict[str, float]
    state: str = "speech"


@dataclass(frozen=True)
class Prediction:
    """The emotion of one recording.

    Parameters
    ----------
    label : str or None
        The most probable emotion; ``None`` unless ``state`` is ``"speech"``.
    probability : float
        The highest probability.
    probabilities : dict of str to float
        Probability of every label, averaged over the windows; they sum to 1.
    start_s, end_s : float
        The analysed part, from the start of the first window to the end of the last [s].
    n_windows : int
        Number of windows.
    windows : tuple of Window
        In order of time. They overlap where the bundle's ``hop_s`` is shorter than a window. A
        recording shorter than a window has one, which ends with the recording.
    timings_ms : dict of str to float
        Wall-clock time of ``decode`` (with resampling), ``features`` and ``network`` [ms].
    state : {"speech", "uncertain", "silence"}
        ``"uncertain"`` if there is less than 0.2 s of speech, ``"silence"`` if there is none.

    Examples
    --------
    >>> window = Window(0.0, 3.0, "happy", 0.75, {"happy": 0.75, "sad": 0.25})
    >>> prediction = Prediction("happy", 0.75, window.probabilities, 0.0, 3.0, 1, (window,), {})
    >>> prediction.to_dict()["windows"][0]["label"]
    'happy'
    """

    label: str | None
    probability: float
    probabilities: dict[str, float]
    start_s: float
    end_s: float
    n_windows: int
    windows: tuple[Window, ...]
    timings_ms: dict[str, float]
    state: str = "speech"

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, with the windows as dicts, for JSON."""
        content = asdict(self)
        return {**content, "windows": list(content["windows"])}


def softmax(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Turn logits into probabilities.

    Parameters
    ----------
    logits : np.ndarray [shape=(..., n_labels), dtype=float32 or float64]
        Finite.

    Returns
    -------
    probabilities : np.ndarray [shape=(..., n_labels), dtype=float64]
        They sum to 1 over the last axis.
    """
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))
