"""What other recordings of a speaker tell, without labels: an offset of what the network says.

A network hears one speaker angrier and another sadder than they mean to sound; a microphone does
the same to everybody. Such a bias shifts the logarithms of the probabilities by about the same,
whatever the emotion. From unlabelled recordings it is estimated together with their emotions, by
expectation-maximisation: a recording's centred log-probabilities are normal about the mean of its
label, plus the offset, and the offset is normal about zero. Of a speaker who was heard in a neutral
mood only, it learns so how far that lies from other speakers' neutral.

Recordings that differ among each other as those of all emotions do tell more, the more of them
there are: there the offset is the one after which no label is heard more often than another. How
they scatter does not depend on any offset, and so tells the two cases apart.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge.files import written_whole

FORMAT = "ser-edge-profile"
FORMAT_VERSION = 1

_ROUNDS = 10
_EVEN_ROUNDS = 50
_EVEN_RIDGE = 1.0  # of the squared offset, beside a recording's logarithm
_EVEN_RECORDINGS = 20.0  # so many of all emotions are as even as an hour of them
_RIDGE = 1e-2  # added to the covariance, which has no variance along (1, 1, ...)
_LEAST = 1e-6  # of a probability, ahead of its logarithm
_LARGEST = 50.0  # of a log-probability or an offset that a file may hold

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
                if not (isinstance(value, int | float) and abs(value) <= _LARGEST**2):
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
        n_recordings = min(n_independent, len(logs), _EVEN_RECORDINGS)
        share = self.mixed(logs, n_recordings) * n_recordings / _EVEN_RECORDINGS
        return share * _evening(logs, n_recordings) + (1 - share) * self._shift(logs, n_independent)

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

    def _shift(self, logs: NDArray[np.float64], n_independent: float) -> NDArray[np.float64]:
        """Estimate the offset from how far recordings lie from the means."""
        means, inverse = np.asarray(self.means, np.float64), np.linalg.inv(self._within())
        weight = self.spread * n_independent / (1 + self.spread * n_independent)
        offset = np.zeros(len(means))
        for _ in range(_ROUNDS):
            distance = (logs - offset)[:, None] - means
            exponent = -0.5 * np.einsum("ncd,de,nce->nc", distance, inverse, distance)
            offset = weight * (logs - _shares(exponent) @ means).mean(axis=0)
        return np.asarray(offset)

    def _within(self) -> NDArray[np.float64]:
        return np.asarray(self.covariance, np.float64) + _RIDGE * np.eye(len(self.covariance))


def _evening(logs: NDArray[np.float64], n_recordings: float) -> NDArray[np.float64]:
    """Find the offset after which labels are heard equally often, less where little was heard.

    The minimum of a convex function, by steps within a bound of its curvature (Boehning 1992).
    """
    n_labels = logs.shape[1]
    offset = np.zeros(n_labels)
    for _ in range(_EVEN_ROUNDS):
        heard = _shares(logs - offset).mean(axis=0)
        slope = n_recordings * (heard - 1 / n_labels) - _EVEN_RIDGE * offset
        offset += slope / (n_recordings / 2 + _EVEN_RIDGE)
    return offset


def _shares(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Profile:
    """What was learned of one speaker or microphone.

    Parameters
    ----------
    offset : dict of str to float
        Of each label's log-probability.
    seconds : float
        How much speech it was learned from [s].
    network : str
        The bundle's `ser_edge.manifest.Manifest.network_id`: of another network it says nothing.

    Examples
    --------
    >>> Profile({"happy": 0.3, "sad": -0.3}, 12.5, "8f14e45f").offset["sad"]
    -0.3
    """

    offset: dict[str, float]
    seconds: float
    network: str

    def to_dict(self) -> dict[str, Any]:
        """Return what `save` writes.

        Returns
        -------
        content : dict
            Of JSON types.
        """
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON, beside and then renamed.

        Parameters
        ----------
        path : path
            The file; what stands there is replaced.

        Raises
        ------
        SerEdgeError
            If the file cannot be written.
        """
        content = self.to_dict()
        with written_whole(Path(path)) as partial:
            partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Profile:
        """Read what `save` wrote.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        profile : Profile

        Raises
        ------
        SerEdgeError
            If the file cannot be read or is no profile.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise SerEdgeError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError) as error:
            raise SerEdgeError(
                f"{path}: is not JSON ({error}); expected what `ser-edge adapt` wrote"
            ) from None
        known = {"format": FORMAT, "format_version": FORMAT_VERSION}
        if not isinstance(content, dict) or any(content.get(k) != v for k, v in known.items()):
            raise SerEdgeError(
                f"{path}: is no profile of format version {FORMAT_VERSION}; expected what "
                "`ser-edge adapt` wrote"
            )
        offset: Any = content.get("offset")
        seconds: Any = content.get("seconds")
        network: Any = content.get("network")
        if not (
            isinstance(network, str)
            and isinstance(offset, dict)
            and all(_is_number(value, -_LARGEST) for value in offset.values())
            and _is_number(seconds, 0, 1e9)
        ):
            raise SerEdgeError(f"{path}: is a damaged profile; save it again")
        return cls(offset, seconds, network)


def _is_number(value: object, least: float, most: float = _LARGEST) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and least <= value <= most  # type: ignore[operator]
