"""What other recordings of a speaker tell, without labels, of what a network says.

A network hears one speaker angrier and another sadder than they mean to sound; a microphone does
the same to everybody. Such a bias shifts the logarithms of the probabilities by about the same,
whatever the emotion. From unlabelled recordings it is estimated together with their emotions, by
expectation-maximisation: a recording's centred log-probabilities are normal about the mean of its
label, plus the offset, and the offset is normal about zero. Of a speaker who was heard in a neutral
mood only, it learns so how far that lies from other speakers' neutral.

Recordings that differ among each other as those of all emotions do tell more, the more of them
there are: there the offset is the one after which no label is heard more often than another. How
they scatter does not depend on any offset, and so tells the two cases apart. From recordings of all
emotions it is learned, too, where the speaker's of each label lie: the means move by as much as was
heard of them (Gauvain and Lee 1994), and the log-probabilities by what that makes of the normal
densities, which is linear in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import ConfigError
from ser_edge.prediction import softmax

_ROUNDS = 10
_EVEN_ROUNDS = 50
_EVEN_RIDGE = 1.0  # of the squared offset, beside a recording's logarithm
_EVEN_RECORDINGS = 20.0  # so many of all emotions are as even as an hour of them
_RELEVANCE = 30.0  # so many recordings of a label count as much as what is known of everybody
_RIDGE = 1e-2  # added to the covariance, which has no variance along (1, 1, ...)
_LEAST = 1e-6  # of a probability, ahead of its logarithm
_LARGEST = 2500.0  # number that a manifest may hold, 50 squared

Rows = tuple[tuple[float, ...], ...]


def centred_logs(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logarithms of probabilities less their mean over the labels.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(..., n_labels), dtype=float64]
        Of the labels.

    Returns
    -------
    logs : np.ndarray [same shape, dtype=float64]
        Whose mean over the labels is zero.

    Examples
    --------
    >>> centred_logs(np.array([0.8, 0.2])).round(3)
    array([ 0.693, -0.693])
    """
    logs = np.log(np.maximum(probabilities, _LEAST))
    return np.asarray(logs - logs.mean(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Correction:
    """What a speaker makes of log-probabilities, undone.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_labels, n_labels), dtype=float64]
        By which centred log-probabilities are multiplied, a row for each label.
    offset : np.ndarray [shape=(n_labels,), dtype=float64]
        What is subtracted then.
    """

    weights: NDArray[np.float64]
    offset: NDArray[np.float64]

    def __call__(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the speaker's probabilities.

        Parameters
        ----------
        probabilities : np.ndarray [shape=(..., n_labels), dtype=float64]
            Of a network that is not adapted.

        Returns
        -------
        corrected : np.ndarray [same shape, dtype=float64]
            Which sum to 1.
        """
        return softmax(centred_logs(probabilities) @ self.weights.T - self.offset)


@dataclass(frozen=True)
class SpeakerModel:
    """How a network hears each emotion, and how much speakers differ; part of the manifest.

    Parameters
    ----------
    means : tuple of tuple of float [n_labels, n_labels]
        Centred log-probabilities of recordings of each label, the mean over speakers.
    covariance : tuple of tuple of float [n_labels, n_labels]
        Of one speaker's recordings of one label, about their mean.
    spread : float in (0, 100]
        Variance of the speakers' offsets over that of their recordings.

    Raises
    ------
    ConfigError
        If the shapes differ, a number is not finite or out of range, or the covariance is none.
    """

    means: Rows
    covariance: Rows
    spread: float

    def __post_init__(self) -> None:
        n_labels = len(self.means)
        if not n_labels:
            raise ConfigError("the speakers' means are empty; expected a row for each label")
        for name, rows in (("means", self.means), ("covariance", self.covariance)):
            values = [value for row in rows for value in row]
            if len(rows) != n_labels or any(len(row) != n_labels for row in rows):
                raise ConfigError(f"the speakers' {name} are not {n_labels} rows of {n_labels}")
            for value in values:
                if not (isinstance(value, int | float) and abs(value) <= _LARGEST):
                    raise ConfigError(f"the speakers' {name} hold {value!r}; expected numbers")
        covariance = np.asarray(self.covariance, np.float64)
        if not np.allclose(covariance, covariance.T, atol=1e-6):
            raise ConfigError("the speakers' covariance is not symmetric; expected a covariance")
        if np.linalg.eigvalsh(covariance)[0] < -_RIDGE / 2:
            raise ConfigError("the speakers' covariance has negative variances")
        if not (isinstance(self.spread, int | float) and 0 < self.spread <= 100):
            raise ConfigError(f"spread={self.spread!r}; expected a number above 0, to 100")

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SpeakerModel:
        """Make it from ``dataclasses.asdict``'s result, read back from JSON.

        Parameters
        ----------
        content : dict
            Values by name.

        Returns
        -------
        speakers : SpeakerModel

        Raises
        ------
        ConfigError
            If an entry is missing or does not fit.
        """
        try:
            return cls(
                means=tuple(map(tuple, content["means"])),
                covariance=tuple(map(tuple, content["covariance"])),
                spread=content["spread"],
            )
        except (KeyError, TypeError) as error:
            raise ConfigError(f"what the manifest says of speakers does not fit: {error}") from None

    def correction(self, logs: NDArray[np.float64], n_independent: float) -> Correction:
        """Learn what to undo.

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
        n_mixed = self._recordings_of_all(logs, n_independent)
        counts = n_mixed / len(logs) * softmax(_exponents(rows, means, inverse))
        found = counts.sum(axis=0)[:, None]
        moved = (counts.T @ rows - found * means) / (_RELEVANCE + found)
        slopes = moved @ inverse
        weights = np.eye(len(means)) + slopes
        taken_off = weights @ offset + (slopes * (means + moved / 2)).sum(axis=1)
        return Correction(weights, taken_off - taken_off.mean())

    def offset(self, logs: NDArray[np.float64], n_independent: float) -> NDArray[np.float64]:
        """Estimate a speaker's offset.

        Parameters
        ----------
        logs : np.ndarray [shape=(n, n_labels), dtype=float64]
            `centred_logs` of what the network says of the speaker's recordings, or of windows.
        n_independent : float > 0
            How many recordings they are worth; less than n where windows overlap.

        Returns
        -------
        offset : np.ndarray [shape=(n_labels,), dtype=float64]
            To be subtracted from centred logarithms; its mean is zero.
        """
        share = self._recordings_of_all(logs, n_independent) / _EVEN_RECORDINGS
        evening = _evening(logs, _counted(logs, n_independent))
        return share * evening + (1 - share) * self._shift(logs, n_independent)

    def mixed(self, logs: NDArray[np.float64], n_independent: float) -> float:
        """Tell whether recordings are of all emotions, or of one: by their scatter alone.

        Parameters
        ----------
        logs : np.ndarray [shape=(n, n_labels), dtype=float64]
            As for `offset`, which does not change the answer.
        n_independent : float > 0
            How many recordings they are worth.

        Returns
        -------
        probability : float in [0, 1]
            That they are of all emotions, where both are equally likely beforehand; 0.5 of one.
        """
        if len(logs) < 2 or n_independent <= 1:
            return 0.5
        one = self._within()
        every = one + np.cov(np.asarray(self.means, np.float64), rowvar=False, bias=True)
        cost = np.linalg.slogdet(every)[1] - np.linalg.slogdet(one)[1]
        fit = np.trace(np.cov(logs, rowvar=False) @ (np.linalg.inv(one) - np.linalg.inv(every)))
        log_odds = 0.5 * (n_independent - 1) * (fit - cost)  # of Wishart's densities
        return float(1 / (1 + np.exp(-np.clip(log_odds, -50, 50))))

    def _recordings_of_all(self, logs: NDArray[np.float64], n_independent: float) -> float:
        """Count recordings by how probable it is that they are of all emotions."""
        n_recordings = _counted(logs, n_independent)
        return n_recordings * self.mixed(logs, n_recordings)

    def _shift(self, logs: NDArray[np.float64], n_independent: float) -> NDArray[np.float64]:
        """Estimate the offset from how far recordings lie from the means."""
        means, inverse = np.asarray(self.means, np.float64), np.linalg.inv(self._within())
        weight = self.spread * n_independent / (1 + self.spread * n_independent)
        offset = np.zeros(len(means))
        for _ in range(_ROUNDS):
            shares = softmax(_exponents(logs - offset, means, inverse))
            offset = weight * (logs - shares @ means).mean(axis=0)
        return np.asarray(offset)

    def _within(self) -> NDArray[np.float64]:
        return np.asarray(self.covariance, np.float64) + _RIDGE * np.eye(len(self.covariance))


def _counted(logs: NDArray[np.float64], n_independent: float) -> float:
    return min(n_independent, len(logs), _EVEN_RECORDINGS)


def _evening(logs: NDArray[np.float64], n_recordings: float) -> NDArray[np.float64]:
    """Find the offset after which labels are heard equally often, less where little was heard.

    The minimum of a convex function, by steps within a bound of its curvature (Boehning 1992).
    """
    n_labels = logs.shape[1]
    offset = np.zeros(n_labels)
    for _ in range(_EVEN_ROUNDS):
        heard = softmax(logs - offset).mean(axis=0)
        slope = n_recordings * (heard - 1 / n_labels) - _EVEN_RIDGE * offset
        offset += slope / (n_recordings / 2 + _EVEN_RIDGE)
    return offset


def _exponents(
    rows: NDArray[np.float64], means: NDArray[np.float64], inverse: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of the normal density about each mean [shape=(n, n_labels)]."""
    distance = rows[:, None] - means
    return np.asarray(-0.5 * np.einsum("ncd,de,nce->nc", distance, inverse, distance))
