"""Whether a probability can be believed, and what abstaining below one gains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_BINS = 15


@dataclass(frozen=True)
class Reliability:
    """How often clips are heard rightly, by how sure the network was.

    Parameters
    ----------
    confidence, accuracy : np.ndarray [shape=(n_bins,), dtype=float64]
        Mean probability of the predicted label, and share of the clips on which that is right.
    share : np.ndarray [shape=(n_bins,), dtype=float64]
        Share of all clips; bins without a clip are left out.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    share: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error: mean distance of the two (Naeini et al. 2015)."""
        return float((self.share * np.abs(self.accuracy - self.confidence)).sum())


def reliability(
    probabilities: NDArray[np.float64], y_true: NDArray[np.int64], n_bins: int = N_BINS
) -> Reliability:
    """Sort clips by the probability of their predicted label into bins of equal width.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_clips, n_labels), dtype=float64]
    y_true : np.ndarray [shape=(n_clips,), dtype=int64]
    n_bins : int > 0
        15 as in Guo et al. 2017.

    Returns
    -------
    reliability : Reliability

    Examples
    --------
    Two clips, of which one is heard rightly, at 90 % each:

    >>> found = reliability(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
    >>> round(found.error, 3)
    0.4
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == y_true
    place = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    count = np.bincount(place, minlength=n_bins)
    full = count > 0
    mean_confidence, accuracy = (
        np.bincount(place, values, minlength=n_bins)[full] / count[full]
        for values in (confidence, right)
    )
    return Reliability(mean_confidence, accuracy, count[full] / len(y_true))


@dataclass(frozen=True)
class RiskCoverage:
    """What is gained by not answering where the network is unsure (Geifman & El-Yaniv 2017).

    Parameters
    ----------
    threshold : np.ndarray [shape=(n_clips,), dtype=float64]
        Probability from which on clips are answered, descending.
    coverage, risk : np.ndarray [shape=(n_clips,), dtype=float64]
        Share of the clips that are then answered, and share of those that are answered wrongly.
    """

    threshold: NDArray[np.float64]
    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]

    @property
    def area(self) -> float:
        """The mean risk over all coverages (AURC)."""
        return float(self.risk.mean())

    def at(self, coverage: float) -> tuple[float, float]:
        """Return threshold and risk where that share of the clips is answered."""
        place = min(int(np.searchsorted(self.coverage, coverage - 1e-9)), len(self.risk) - 1)
        return float(self.threshold[place]), float(self.risk[place])


def risk_coverage(probabilities: NDArray[np.float64], y_true: NDArray[np.int64]) -> RiskCoverage:
    """ModelOutput the surest clip alone, then the two surest, and so on.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_clips, n_labels), dtype=float64]
    y_true : np.ndarray [shape=(n_clips,), dtype=int64]

    Returns
    -------
    curve : RiskCoverage

    Examples
    --------
    >>> curve = risk_coverage(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]))
    >>> curve.risk
    array([0. , 0.5])
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    wrong = (probabilities.argmax(axis=1) != y_true)[order]
    answered = np.arange(1, len(y_true) + 1)
    return RiskCoverage(confidence[order], answered / len(y_true), np.cumsum(wrong) / answered)
