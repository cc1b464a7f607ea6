"""Labelled recordings, and the labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LABELS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")

CALM = "calm"
"""A label of RAVDESS only. It counts as neutral unless ``calm_apart`` is set."""

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


@dataclass(frozen=True)
class Clip:
    """One labelled recording.

    `speaker` includes the corpus ("tess/OAF") and is "" if unknown; `label` is one of `LABELS` or
    `CALM`.
    """

    path: Path
    corpus: str
    speaker: str
    label: str


@dataclass(frozen=True)
class Rejected:
    """A file that cannot be used, and the reason."""

    path: Path
    reason: str


class Named(NamedTuple):
    """A clip, and a name that duplicates of it share."""

    name: str
    clip: Clip


# The result for one file; a text is the reason why a valid recording is left out.
Item = Named | Rejected | str


def is_audio(name: str) -> bool:
    """Return whether a file name has the suffix of a recording.

    Examples
    --------
    >>> is_audio("1.WAV"), is_audio("notes.txt")
    (True, False)
    """
    return name.lower().endswith(AUDIO_SUFFIXES)
