"""The profile of a speaker or a microphone, and its file.

`ser_edge.adaptation.speaker_model` has the method.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ser_edge.adaptation.speaker_model import Correction
from ser_edge.errors import SerEdgeError, error_source
from ser_edge.files import read_file, written_whole
from ser_edge.versioned_json import parse_versioned_json

FORMAT = "ser-edge-profile"
FORMAT_VERSION = 2

_MAX_VALUE = 1e6  # of numbers in a file, far above any learned one
_MAX_BYTES = 1 << 24
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
        """
        with error_source(path):
            text = read_file(path, _MAX_BYTES)
            content = parse_versioned_json(text, FORMAT, FORMAT_VERSION, remedy=_REMEDY)
        weights: Any = content.get("weights")
        offset: Any = content.get("offset")
        seconds: Any = content.get("seconds")
        network: Any = content.get("network")
        if not (
            isinstance(network, str)
            and isinstance(offset, dict)
            and isinstance(weights, dict)
            and list(weights) == list(offset)
            and all(isinstance(r, dict) and list(r) == list(offset) for r in weights.values())
            and all(
                _is_number(value, -_MAX_VALUE)
                for row in (offset, *weights.values())
                for value in row.values()
            )
            and _is_number(seconds, 0, 1e9)
        ):
            raise SerEdgeError("is a damaged profile", _REMEDY, path)
        return cls(weights, offset, seconds, network)


def _is_number(value: object, low: float, high: float = _MAX_VALUE) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return low <= value <= high
