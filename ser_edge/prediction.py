"""Results: the windows and the prediction of a recording, the segments of a stream."""

from __future__ import annotations

from collections.abc import Sequence
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
    label : str
        The most probable emotion.
    probability : float
        Its probability.
    probabilities : dict of str to float
        Probability of every label; they sum to 1.

    Examples
    --------
    >>> Window(0.0, 2.1, "happy", 0.75, {"happy": 0.75, "sad": 0.25}).probabilities["sad"]
    0.25
    """

    start_s: float
    end_s: float
    label: str
    probability: float
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Segment:
    """A stream's smoothed result for the time since the previous window.

    Parameters
    ----------
    start_s, end_s : float
        Position in the stream [s]; segments follow each other without gap or overlap.
    label : str
        The smoothed emotion.
    probability : float
        Its probability.
    probabilities : dict of str to float
        Probability of every label; they sum to 1.
    state : {"speech", "uncertain", "silence"}
        ``"uncertain"`` if the probability is below the threshold, ``"silence"`` if there is no
        speech.

    Examples
    --------
    >>> Segment(3.0, 3.5, "happy", 0.75, {"happy": 0.75, "sad": 0.25}).state
    'speech'
    """

    start_s: float
    end_s: float
    label: str
    probability: float
    probabilities: dict[str, float]
    state: str = "speech"


@dataclass(frozen=True)
class Prediction:
    """The emotion of one recording.

    Parameters
    ----------
    label : str
        The most probable emotion.
    probability : float
        Its probability.
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

    Examples
    --------
    >>> rows, spans_s = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.0, 3.0], [1.0, 4.0]])
    >>> prediction = Prediction.of_windows(["happy", "sad"], rows, spans_s, {})
    >>> prediction.label, prediction.probability, prediction.end_s
    ('happy', 0.75, 4.0)
    >>> prediction.to_dict()["windows"][1]["probabilities"]
    {'happy': 1.0, 'sad': 0.0}
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    start_s: float
    end_s: float
    n_windows: int
    windows: tuple[Window, ...]
    timings_ms: dict[str, float]

    @classmethod
    def of_windows(
        cls,
        labels: Sequence[str],
        probabilities: NDArray[np.float64],
        spans_s: NDArray[np.float64],
        timings_ms: dict[str, float],
    ) -> Prediction:
        """Average the results of all windows.

        Parameters
        ----------
        labels : sequence of str
            Names of the columns of `probabilities`.
        probabilities : np.ndarray [shape=(n_windows, n_labels), dtype=float64]
            One row per window; ``n_windows > 0``.
        spans_s : np.ndarray [shape=(n_windows, 2), dtype=float64]
            Start and end of each window [s].
        timings_ms : dict of str to float
            As in `Prediction`.

        Returns
        -------
        prediction : Prediction
        """
        windows = tuple(
            Window(start_s, end_s, *_named(labels, row))
            for (start_s, end_s), row in zip(spans_s.tolist(), probabilities, strict=True)
        )
        return cls(
            *_named(labels, probabilities.mean(axis=0)),
            start_s=windows[0].start_s,
            end_s=windows[-1].end_s,
            n_windows=len(windows),
            windows=windows,
            timings_ms=timings_ms,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, with the windows as dicts, for JSON.

        Returns
        -------
        content : dict
            JSON types only.
        """
        content = asdict(self)
        return {**content, "windows": list(content["windows"])}


def _named(
    labels: Sequence[str], probabilities: NDArray[np.float64]
) -> tuple[str, float, dict[str, float]]:
    """Return the best label, its probability, and all probabilities by label."""
    best = int(probabilities.argmax())
    by_name = dict(zip(labels, probabilities.tolist(), strict=True))
    return labels[best], float(probabilities[best]), by_name


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
