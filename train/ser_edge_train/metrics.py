"""Metrics: unweighted average recall (UAR) with a bootstrap interval over speakers, and others.

UAR is the mean recall of the classes, WA the accuracy. The bootstrap resamples speakers, not clips:
errors on clips of the same speaker are correlated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, f1_score

_RESAMPLES = 2000  # of the bootstrap; by convention
_INTERVAL = (2.5, 97.5)  # percentiles of the 95 % interval
_MIN_POWER = 1e-30


@dataclass(frozen=True)
class Scores:
    """Metrics of a set of clips, as fractions.

    Parameters
    ----------
    n_clips, n_speakers : int
        Size of the set.
    uar : float
        Unweighted average recall.
    uar_low, uar_high : float or None
        Its 95 % interval (bootstrap over speakers); None with a single speaker.
    wa, f1 : float
        Accuracy, and mean F1 of the classes.
    recall : dict of str to float
        Recall of each class that occurs.
    confusion : list of list of int
        Clips by true label (row) and predicted label (column).
    """

    n_clips: int
    n_speakers: int
    uar: float
    uar_low: float | None
    uar_high: float | None
    wa: float
    f1: float
    recall: dict[str, float]
    confusion: list[list[int]]

    @property
    def interval(self) -> str:
        """The 95 % interval as text."""
        if self.uar_low is None or self.uar_high is None:
            return "one speaker"
        return f"{self.uar_low:.1%} to {self.uar_high:.1%}"

    @property
    def chance(self) -> float:
        """UAR of a network that gives every clip the same label."""
        return 1 / len(self.recall)

    @property
    def is_chance(self) -> bool:
        """Whether `chance` is within the interval, or the UAR is no higher."""
        low = self.uar if self.uar_low is None else min(self.uar, self.uar_low)
        return low <= self.chance + 1e-9  # a mean of fractions


def score(
    y_true: NDArray[np.int64],
    predicted: NDArray[np.int64],
    speakers: Sequence[str],
    labels: Sequence[str],
) -> Scores:
    """Score predicted labels.

    Parameters
    ----------
    y_true, predicted : np.ndarray [shape=(n,), dtype=int64]
        Indices into `labels`.
    speakers : sequence of str [n]
        Speaker of each clip.
    labels : sequence of str
        The classes.
    """
    names = sorted(set(speakers))
    classes = np.arange(len(labels))
    by_speaker = np.stack(
        [
            confusion_matrix(y_true[own], predicted[own], labels=classes)
            for own in (np.array(speakers) == name for name in names)
        ]
    )
    confusion = by_speaker.sum(axis=0)
    low, high = _interval(by_speaker)
    occurring = np.flatnonzero(confusion.sum(axis=1))
    return Scores(
        n_clips=len(y_true),
        n_speakers=len(names),
        uar=float(_mean_recall(confusion)),
        uar_low=low,
        uar_high=high,
        wa=float(np.trace(confusion) / confusion.sum()),
        f1=float(f1_score(y_true, predicted, labels=occurring, average="macro", zero_division=0)),
        recall={labels[i]: float(confusion[i, i] / confusion[i].sum()) for i in occurring},
        confusion=confusion.tolist(),
    )


def _interval(by_speaker: NDArray[np.int64]) -> tuple[float, float] | tuple[None, None]:
    n_speakers = len(by_speaker)
    if n_speakers < 2:
        return None, None
    drawn = np.random.default_rng(0).integers(n_speakers, size=(_RESAMPLES, n_speakers))
    low, high = np.percentile(_mean_recall(by_speaker[drawn].sum(axis=1)), _INTERVAL)
    return float(low), float(high)


def _mean_recall(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean recall of the classes that occur [shape=(..., n, n) to (...)]."""
    totals = confusion.sum(axis=-1)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    recalls = np.where(totals > 0, hits / np.maximum(totals, 1), 0.0)
    return np.asarray(recalls.sum(axis=-1) / (totals > 0).sum(axis=-1))


def mcnemar(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the two-sided p of McNemar's exact test (McNemar 1947) of two classifiers.

    Parameters
    ----------
    one, other : np.ndarray [shape=(n_clips,), dtype=bool]
        Whether each classifier is right on each clip.

    Examples
    --------
    >>> mcnemar(np.array([True] * 6 + [False]), np.array([False] * 6 + [True]))
    0.125
    """
    only_one, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    if only_one + only_other == 0:
        return 1.0
    return float(binomtest(only_one, only_one + only_other).pvalue)


def signal_to_noise_db(signal: NDArray[np.float32], changed: NDArray[np.float32]) -> float | None:
    """Return the power of a signal over the power of a change to it [dB]; None without a change.

    A signal of zeros counts as one of `_MIN_POWER`, so that the result is finite.

    Examples
    --------
    >>> signal_to_noise_db(np.array([10.0, -10.0]), np.array([10.0, -9.0]))
    23.01...
    """
    exact = signal.astype(np.float64)
    power, noise = float((exact**2).sum()), float(((changed - exact) ** 2).sum())
    return 10 * math.log10(max(power, _MIN_POWER) / noise) if noise else None


def fit_temperature(logits: NDArray[np.float32], y_true: NDArray[np.int64]) -> float:
    """Find the divisor of the logits that calibrates their softmax (Guo et al. 2017).

    Parameters
    ----------
    logits : np.ndarray [shape=(n, n_labels)]
        Of validation windows.
    y_true : np.ndarray [shape=(n,)]
        Their labels.

    Returns
    -------
    temperature : float in [0.1, 10]
    """
    values = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        scaled = values / np.exp(log_temperature)
        return float(np.mean(logsumexp(scaled, axis=1) - scaled[np.arange(len(y_true)), y_true]))

    found = minimize_scalar(loss, bounds=(np.log(0.1), np.log(10)), method="bounded")
    return float(np.exp(found.x))
