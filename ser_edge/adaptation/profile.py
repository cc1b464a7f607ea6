"""The profile of a speaker or a microphone, and its file.

`ser_edge.adaptation.speaker_model` has the method.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ser_edge.adaptation.speaker_model import Correction
from ser_edge.checks import check_number, check_type
from ser_edge.errors import ConfigError, SerEdgeError, error_source
from ser_edge.files import read_file, written_whole
from ser_edge.versioned_json import parse_versioned_json

FORMAT = "ser-edge-profile"
FORMAT_VERSION = 2

_MAX_VALUE = 1e6  # of numbers in a file, far above any learned one
_MAX_BYTES = 1 << 24
_MAX_SECONDS = 1e9  # 30 years
_REMEDY = "write it again with `ser-edge adapt`"


@dataclass(frozen=True)
class Profile:
    """A correction for one speaker or microphone, learned by `Classifier.profile_of`.

    Parameters
    ----------
    weights : dict of str to dict of str to float
        For each label, the weights of all labels' centred log-probabilities.
    offset : dict of str to float
        Subtracted afterwards, by label.
    seconds : float
        Duration of the speech it was learned from [s].
    network : str
        The bundle's `ser_edge.manifest.Manifest.network_id`; a profile fits no other network.

    Raises
    ------
    ConfigError
        If a value has another type, is out of range, or the labels of `weights` and `offset`
        differ.

    Examples
    --------
    >>> identity = Correction(np.eye(2), np.zeros(2))
    >>> Profile.of(identity, ("happy", "sad"), 12.5, "8f14e45f").offset["sad"]
    0.0
    """

    weights: dict[str, dict[str, float]]
    offset: dict[str, float]
    seconds: float
    network: str

    def __post_init__(self) -> None:
        check_type("network", self.network, str, "a str")
        check_number("seconds", self.seconds, 0, _MAX_SECONDS)
        check_type("offset", self.offset, dict, "a dict")
        check_type("weights", self.weights, dict, "a dict")
        labels = list(self.offset)
        if not labels or list(self.weights) != labels:
            raise ConfigError(f"weights has the labels {list(self.weights)}, expected {labels}")
        for name, row in {"offset": self.offset, **self.weights}.items():
            check_type(name, row, dict, "a dict")
            if list(row) != labels:
                raise ConfigError(f"{name} has the labels {list(row)}, expected {labels}")
            for label, value in row.items():
                check_number(f"{name}.{label}", value, -_MAX_VALUE, _MAX_VALUE)

    @classmethod
    def of(
        cls, correction: Correction, labels: Sequence[str], seconds: float, network: str
    ) -> Profile:
        """Return the profile of a correction.

        Parameters
        ----------
        correction : Correction
            From `ser_edge.adaptation.speaker_model.SpeakerModel.correction`.
        labels : sequence of str
            Of the network, in its order.
        seconds, network
            As above.

        Returns
        -------
        profile : Profile
        """
        weights = [dict(zip(labels, row, strict=True)) for row in correction.weights.tolist()]
        return cls(
            dict(zip(labels, weights, strict=True)),
            dict(zip(labels, correction.offset.tolist(), strict=True)),
            seconds,
            network,
        )

    @property
    def correction(self) -> Correction:
        """The numbers as arrays, in the order of the labels."""
        rows = [list(row.values()) for row in self.weights.values()]
        return Correction(np.array(rows), np.array(list(self.offset.values())))

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the file as JSON types."""
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile as JSON.

        Parameters
        ----------
        path : path
            The file; an existing one is replaced.

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
        """Read a profile that `save` wrote.

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
            If the file cannot be read or is not a profile.
        ConfigError
            If `path` is not a path.
        """
        check_type("path", path, str | os.PathLike, "a path")
        with error_source(path):
            text = read_file(path, _MAX_BYTES)
            content = parse_versioned_json(text, FORMAT, FORMAT_VERSION, remedy=_REMEDY)
            entries: dict[str, Any] = {f.name: content.get(f.name) for f in fields(cls)}
            try:
                return cls(**entries)
            except ConfigError as error:
                raise SerEdgeError(f"is a damaged profile: {error.problem}", _REMEDY) from None
