"""Calibration of probabilities, and selective prediction: rejecting clips below a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_BINS = 15  # as in Guo et al. 2017


@dataclass(frozen=True)
class Reliability:
    """Accuracy by predicted probability, for a reliability diagram.

    Parameters
    ----------
    confidence, accuracy : np.ndarray [shape=(n_bins,), dtype=float64]
        Mean probability of the predicted label, and share of correct predictions.
    share : np.ndarray [shape=(n_bins,), dtype=float64]
        Share of all clips. Empty bins are left out.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    share: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error, ECE (Naeini et al. 2015)."""
        return float((self.share * np.abs(self.accuracy - self.confidence)).sum())


def reliability(
    probabilities: NDArray[np.float64], y_true: NDArray[np.int64], n_bins: int = N_BINS
) -> Reliability:
    """Group clips by the probability of their predicted label, in bins of equal width.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_clips, n_labels), dtype=float64]
    y_true : np.ndarray [shape=(n_clips,), dtype=int64]
    n_bins : int > 0

    Examples
    --------
    Two clips, one predicted correctly, with a probability of 90 % each:

    >>> found = reliability(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
    >>> round(found.error, 3)
    0.4
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == y_true
    place = np.minimum((confidence * n_bins).astype(np.int64), n_bins - 1)
    count = np.bincount(place, minlength=n_bins)
    full = count > 0
    mean_confidence, accuracy = (
        np.bincount(place, values, minlength=n_bins)[full] / count[full]
        for values in (confidence, correct)
    )
    return Reliability(mean_confidence, accuracy, count[full] / len(y_true))


@dataclass(frozen=True)
class RiskCoverage:
    """The risk-coverage curve of selective prediction (Geifman & El-Yaniv 2017).

    Parameters
    ----------
    threshold : np.ndarray [shape=(n_clips,), dtype=float64]
        Minimum probability of the predicted label, descending.
    coverage, risk : np.ndarray [shape=(n_clips,), dtype=float64]
        Share of clips at or above the threshold, and share of errors among them.
    """

    threshold: NDArray[np.float64]
    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]

    @property
    def area(self) -> float:
        """The mean risk over all coverages (AURC)."""
        return float(self.risk.mean())

    def at(self, coverage: float) -> tuple[float, float]:
        """Return threshold and risk at a coverage."""
        place = min(int(np.searchsorted(self.coverage, coverage - 1e-9)), len(self.risk) - 1)
        return float(self.threshold[place]), float(self.risk[place])


def risk_coverage(probabilities: NDArray[np.float64], y_true: NDArray[np.int64]) -> RiskCoverage:
    """Compute the risk-coverage curve, with a point for each clip from the most certain on.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_clips, n_labels), dtype=float64]
    y_true : np.ndarray [shape=(n_clips,), dtype=int64]

    Examples
    --------
    >>> curve = risk_coverage(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]))
    >>> curve.risk
    array([0. , 0.5])
    """
    confidence = probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    wrong = (probabilities.argmax(axis=1) != y_true)[order]
    covered = np.arange(1, len(y_true) + 1)
    return RiskCoverage(confidence[order], covered / len(y_true), np.cumsum(wrong) / covered)
