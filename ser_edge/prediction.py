"""What a classifier says of a recording: of each window, and of all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Segment:
    """What is heard in one window of a recording.

    Parameters
    ----------
    start_s, end_s : float
        Where the window lies in the recording [s].
    label : str
        The most probable emotion.
    probability : float
        Its probability.
    probabilities : dict of str to float
        Of every label; they sum to 1.
    state : {"speech", "uncertain", "silence"}
        Of a `ser_edge.streaming.stream.Stream`'s: ``"uncertain"`` where the probability is too low for a
        label, ``"silence"`` where nobody speaks.

    Examples
    --------
    >>> Segment(0.0, 2.1, "happy", 0.75, {"happy": 0.75, "sad": 0.25}).probabilities["sad"]
    0.25
    """

    start_s: float
    end_s: float
    label: str
    probability: float
    probabilities: dict[str, float]
    state: str = "speech"


@dataclass(frozen=True)
class Prediction:
    """What is heard in one recording.

    Parameters
    ----------
    label : str
        The most probable emotion.
    probability : float
        Its probability.
    probabilities : dict of str to float
        Of every label, the mean over the segments; they sum to 1.
    start_s, end_s : float
        The part of the recording that was heard, from the first segment's start to the last one's
        end [s].
    n_windows : int
        Number of segments.
    segments : tuple of Segment
        One a window, in order of time. Windows follow each other by at most the bundle's ``hop_s``,
        which is usually less than their length: then each segment starts before the one ahead of
        it ends, and the two share what lies between. A recording that is not longer than a window
        has one segment, which ends where the recording does.
    timings_ms : dict of str to float
        Wall-clock time of ``decode`` (with resampling), ``features`` and ``network`` [ms].

    Examples
    --------
    >>> shares, spans_s = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.0, 3.0], [1.0, 4.0]])
    >>> prediction = Prediction.of_windows(["happy", "sad"], shares, spans_s, {})
    >>> prediction.label, prediction.probability, prediction.end_s
    ('happy', 0.75, 4.0)
    >>> prediction.to_dict()["segments"][1]["probabilities"]
    {'happy': 1.0, 'sad': 0.0}
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    start_s: float
    end_s: float
    n_windows: int
    segments: tuple[Segment, ...]
    timings_ms: dict[str, float]

    @classmethod
    def of_windows(
        cls,
        labels: Sequence[str],
        probabilities: NDArray[np.float64],
        spans_s: NDArray[np.float64],
        timings_ms: dict[str, float],
    ) -> Prediction:
        """Put together what the network says of each window.

        Parameters
        ----------
        labels : sequence of str
            What the columns of `probabilities` mean.
        probabilities : np.ndarray [shape=(n_windows, n_labels), dtype=float64]
            Of each window; ``n_windows > 0``.
        spans_s : np.ndarray [shape=(n_windows, 2), dtype=float64]
            Where each window starts and ends [s].
        timings_ms : dict of str to float
            As in `Prediction`.

        Returns
        -------
        prediction : Prediction
        """
        segments = tuple(
            Segment(start_s, end_s, *_named(labels, row))
            for (start_s, end_s), row in zip(spans_s.tolist(), probabilities, strict=True)
        )
        return cls(
            *_named(labels, probabilities.mean(axis=0)),
            start_s=segments[0].start_s,
            end_s=segments[-1].end_s,
            n_windows=len(segments),
            segments=segments,
            timings_ms=timings_ms,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, segments included, for JSON.

        Returns
        -------
        content : dict
            Of dict, list, str, int and float.
        """
        return {**asdict(self), "segments": [asdict(segment) for segment in self.segments]}


def _named(
    labels: Sequence[str], probabilities: NDArray[np.float64]
) -> tuple[str, float, dict[str, float]]:
    """Label, its probability, and all of them by name."""
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
