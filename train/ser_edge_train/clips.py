"""Labelled recordings, and the labels."""

import os
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
    `CALM`. Corpus and speaker are `legal_text`.
    """

    path: Path
    corpus: str
    speaker: str
    label: str

    def __post_init__(self) -> None:
        for name in ("corpus", "speaker"):
            object.__setattr__(self, name, legal_text(getattr(self, name)))


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


def legal_text(name: str) -> str:
    r"""Return the name of a file or folder, or an argument, as text that can be written.

    Bytes that are not UTF-8 are spelled out.

    Examples
    --------
    >>> print(legal_text(os.fsdecode(b"M\xfcller")))
    M\xfcller
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_audio(name: str) -> bool:
    """Return whether a file name has the suffix of a recording.

    Examples
    --------
    >>> is_audio("1.WAV"), is_audio("notes.txt")
    (True, False)
    """
    return name.lower().endswith(AUDIO_SUFFIXES)
