"""A labelled recording, and the labels there are."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LABELS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")

CALM = "calm"
"""RAVDESS tells it from neutral, the others do not: neutral, unless it is asked for."""

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


@dataclass(frozen=True)
class Clip:
    """One labelled recording.

    `speaker` is unique over corpora ("tess/OAF") and "" where unknown, `label` is one of `LABELS`
    or `CALM`.
    """

    path: Path
    corpus: str
    speaker: str
    label: str


@dataclass(frozen=True)
class Rejected:
    """A file that was not used, and why."""

    path: Path
    reason: str


class Named(NamedTuple):
    """A clip, and the name that a second copy of it would share."""

    name: str
    clip: Clip


# What became of a recording; text says why a good one is left out.
Item = Named | Rejected | str


def is_audio(name: str) -> bool:
    """Tell by its name whether a file may be a recording.

    Examples
    --------
    >>> is_audio("1.WAV"), is_audio("notes.txt")
    (True, False)
    """
    return name.lower().endswith(AUDIO_SUFFIXES)
