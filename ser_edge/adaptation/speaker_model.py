"""Estimate a speaker's bias from recordings without labels, and correct it.

A network scores one speaker angrier and another sadder than they mean to sound; a microphone does
the same to everybody. Such a bias shifts the log-probabilities by about the same offset, whatever
the emotion. The model: centred log-probabilities of a recording are normal about the mean of its
label plus the offset, and offsets are normal about zero.

Recordings of one emotion and recordings of all emotions need different estimates of the offset.
The scatter of the recordings tells the two cases apart, since no offset changes it.

- One emotion: the offset that expectation-maximisation (EM) finds under the model. From neutral
  recordings alone it learns how far they lie from other speakers' neutral ones.
- All emotions: the offset after which all labels are equally frequent. These recordings also move
  the means of the labels, by maximum a posteriori (MAP) estimation (Gauvain and Lee 1994).

The correction is linear in the centred log-probabilities. docs/decisions.md has the measurements
behind the constants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.checks import check_number
from ser_edge.errors import ConfigError
from ser_edge.prediction import softmax

# Chosen by UAR on validation speakers: 60 s of RAVDESS and TESS speakers in docs/decisions.md.
_EQUAL_RIDGE = 1.0  # weight of the squared offset, against one recording's log-likelihood
_MAX_RECORDINGS = 20.0  # from here on more recordings do not count more
_RELEVANCE = 30.0  # relevance factor of MAP: recordings of a label that count as much as its mean
# On RAVDESS the offset is then within 0.001 of its limit.
_EM_STEPS = 10
_EQUAL_STEPS = 50
# Numerical safety.
_RIDGE = 1e-2  # added to the covariance, which has no variance along (1, 1, ...)
_MIN_PROBABILITY = 1e-6  # before the logarithm
_MAX_VALUE = 2500.0  # of numbers in a manifest: 50 squared, above any variance of centred logs

Rows = tuple[tuple[float, ...], ...]


def centred_logs(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log-probabilities minus their mean over the labels.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(..., n_labels), dtype=float64]
        Probabilities below 1e-6 count as 1e-6.

    Returns
    -------
    logs : np.ndarray [same shape, dtype=float64]
        Their mean over the labels is zero.

    Examples
    --------
    >>> centred_logs(np.array([0.8, 0.2])).round(3)
    array([ 0.693, -0.693])
    """
    logs = np.log(np.maximum(probabilities, _MIN_PROBABILITY))
    return np.asarray(logs - logs.mean(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Correction:
    """A linear map that removes a speaker's bias from log-probabilities.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_labels, n_labels), dtype=float64]
        Multiplied with centred log-probabilities; a row for each label.
    offset : np.ndarray [shape=(n_labels,), dtype=float64]
        Subtracted afterwards.
    """

    weights: NDArray[np.float64]
    offset: NDArray[np.float64]

    def __call__(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return corrected probabilities.

        Parameters
        ----------
        probabilities : np.ndarray [shape=(..., n_labels), dtype=float64]
            Of the network without a profile.

        Returns
        -------
        corrected : np.ndarray [same shape, dtype=float64]
            They sum to 1.
        """
        return softmax(centred_logs(probabilities) @ self.weights.T - self.offset)


@dataclass(frozen=True)
class SpeakerModel:
    """Distribution of a network's log-probabilities over labels and speakers; in the manifest.

    Parameters
    ----------
    means : tuple of tuple of float [n_labels, n_labels]
        Centred log-probabilities of recordings of each label, the mean over speakers.
    covariance : tuple of tuple of float [n_labels, n_labels]
        Of one speaker's recordings of one label, about their mean.
    spread : float in (0, 100]
        Variance of the speakers' offsets, divided by that of one speaker's recordings.

    Raises
    ------
    ConfigError
        If shapes differ, a number is out of range, or the covariance matrix is not legal.
    """

    means: Rows
    covariance: Rows
    spread: float

    def __post_init__(self) -> None:
        n_labels = len(self.means)
        if not n_labels:
            raise ConfigError("speakers.means is empty, expected a row for each label")
        for field in ("means", "covariance"):
            name, rows = f"speakers.{field}", getattr(self, field)
            if len(rows) != n_labels or any(len(row) != n_labels for row in rows):
                raise ConfigError(f"{name} is not {n_labels} rows of {n_labels} numbers")
            for value in (value for row in rows for value in row):
                check_number(name, value, -_MAX_VALUE, _MAX_VALUE)
        covariance = np.asarray(self.covariance, np.float64)
        if not np.allclose(covariance, covariance.T, atol=1e-6):
            raise ConfigError("speakers.covariance is not symmetric")
        lowest = np.linalg.eigvalsh(covariance)[0]
        if lowest < -_RIDGE / 2:
            raise ConfigError(f"speakers.covariance has the negative variance {lowest:.3g}")
        check_number("speakers.spread", self.spread, 0, 100, exclusive=True)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SpeakerModel:
        """Return the model that ``dataclasses.asdict`` turned into JSON, or raise `ConfigError`."""
        try:
            return cls(
                means=tuple(map(tuple, content["means"])),
                covariance=tuple(map(tuple, content["covariance"])),
                spread=content["spread"],
            )
        except (KeyError, TypeError) as error:
            raise ConfigError(f"speakers does not fit: {error!r}") from None

    def correction(self, logs: NDArray[np.float64], n_independent: float) -> Correction:
        """Estimate a speaker's correction.

        Parameters
        ----------
        logs, n_independent
            As for `offset`.

        Returns
        -------
        correction : Correction
        """
        offset = self.offset(logs, n_independent)
        means, inverse = np.asarray(self.means, np.float64), np.linalg.inv(self._within())
        rows = logs - offset
        # MAP (Gauvain and Lee 1994): a label's mean m moves by
        # d = sum_n c_n (x_n - m) / (r + sum_n c_n)
        # with its responsibilities c_n, weighted by n_mixed / N, and the relevance factor r.
        n_mixed = self._n_mixed(logs, n_independent)
        responsibilities = n_mixed / len(logs) * softmax(_log_densities(rows, means, inverse))
        counts = responsibilities.sum(axis=0)[:, None]
        moves = (responsibilities.T @ rows - counts * means) / (_RELEVANCE + counts)
        # The log-ratio of the moved normal density to the original one is linear in x:
        # log N(x; m + d, S) - log N(x; m, S) = d' S^-1 x - d' S^-1 (m + d / 2)
        slopes = moves @ inverse
        weights = np.eye(len(means)) + slopes
        subtracted = weights @ offset + (slopes * (means + moves / 2)).sum(axis=1)
        return Correction(weights, subtracted - subtracted.mean())

    def offset(self, logs: NDArray[np.float64], n_independent: float) -> NDArray[np.float64]:
        """Estimate a speaker's offset.

        Parameters
        ----------
        logs : np.ndarray [shape=(n, n_labels), dtype=float64]
            `centred_logs` of the network's output for recordings of the speaker, or for windows.
        n_independent : float > 0
            The number of independent recordings; less than n if windows overlap.

        Returns
        -------
        offset : np.ndarray [shape=(n_labels,), dtype=float64]
            To be subtracted from centred log-probabilities; its mean is zero.
        """
        share = self._n_mixed(logs, n_independent) / _MAX_RECORDINGS
        equal = _equalising_offset(logs, _n_counted(logs, n_independent))
        return share * equal + (1 - share) * self._em_offset(logs, n_independent)

    def mixed(self, logs: NDArray[np.float64], n_independent: float) -> float:
        """Return the probability that recordings are of all emotions, not of one.

        Parameters
        ----------
        logs, n_independent
            As for `offset`; an offset does not change the result.

        Returns
        -------
        probability : float in [0, 1]
            With a prior of 0.5, which is also the result for a single recording.
        """
        if len(logs) < 2 or n_independent <= 1:
            return 0.5
        one = self._within()
        every = one + np.cov(np.asarray(self.means, np.float64), rowvar=False, bias=True)
        # With the sample covariance C of N recordings, Wishart's densities have the log-ratio
        # (N - 1) / 2 (tr(C (S_one^-1 - S_all^-1)) - log |S_all| + log |S_one|)
        cost = np.linalg.slogdet(every)[1] - np.linalg.slogdet(one)[1]
        fit = np.trace(np.cov(logs, rowvar=False) @ (np.linalg.inv(one) - np.linalg.inv(every)))
        log_odds = 0.5 * (n_independent - 1) * (fit - cost)
        return float(1 / (1 + np.exp(-np.clip(log_odds, -50, 50))))

    def _n_mixed(self, logs: NDArray[np.float64], n_independent: float) -> float:
        """Return the number of recordings, times the probability that they are of all emotions."""
        n_recordings = _n_counted(logs, n_independent)
        return n_recordings * self.mixed(logs, n_recordings)

    def _em_offset(self, logs: NDArray[np.float64], n_independent: float) -> NDArray[np.float64]:
        means, inverse = np.asarray(self.means, np.float64), np.linalg.inv(self._within())
        # E step: responsibilities q of the labels, given the offset o. M step: the posterior mean
        # o = w mean_n(x_n - sum_l q_nl m_l), w = spread N / (1 + spread N)
        weight = self.spread * n_independent / (1 + self.spread * n_independent)
        offset = np.zeros(len(means))
        for _ in range(_EM_STEPS):
            responsibilities = softmax(_log_densities(logs - offset, means, inverse))
            offset = weight * (logs - responsibilities @ means).mean(axis=0)
        return np.asarray(offset)

    def _within(self) -> NDArray[np.float64]:
        return np.asarray(self.covariance, np.float64) + _RIDGE * np.eye(len(self.covariance))


def _n_counted(logs: NDArray[np.float64], n_independent: float) -> float:
    return min(n_independent, len(logs), _MAX_RECORDINGS)


def _equalising_offset(logs: NDArray[np.float64], n_recordings: float) -> NDArray[np.float64]:
    """Return the offset after which all labels are equally frequent, shrunk for few recordings."""
    n_labels = logs.shape[1]
    offset = np.zeros(n_labels)
    for _ in range(_EQUAL_STEPS):
        # Minimise N mean_n(logsumexp(x_n - o)) + N mean(o) + ridge |o|^2 / 2, which is convex. Its
        # curvature is at most N / 2 + ridge (Boehning 1992), so that each step decreases it.
        frequencies = softmax(logs - offset).mean(axis=0)
        descent = n_recordings * (frequencies - 1 / n_labels) - _EQUAL_RIDGE * offset
        offset += descent / (n_recordings / 2 + _EQUAL_RIDGE)
    return offset


def _log_densities(
    rows: NDArray[np.float64], means: NDArray[np.float64], inverse: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each mean's normal log-density without its constant [shape=(n, n_labels)]."""
    # -(x - m)' S^-1 (x - m) / 2
    difference = rows[:, None] - means
    return np.asarray(-0.5 * np.einsum("ncd,de,nce->nc", difference, inverse, difference))
