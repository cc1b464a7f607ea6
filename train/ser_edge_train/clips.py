"""Labelled recordings, and the labels."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LABELS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")

CALM = "calm"
"""A label of RAVDESS only. It counts as neutral unless ``calm_apart`` is set."""

_LIBSNDFILE = "wav wave w64 rf64 flac ogg oga opus mp3 aiff aif aifc au snd caf sph nist voc"
_PHONES_AND_BROWSERS = "m4a mp4 aac amr 3gp webm weba wma mov mka mkv"
AUDIO_SUFFIXES = tuple(f".{suffix}" for suffix in f"{_LIBSNDFILE} {_PHONES_AND_BROWSERS}".split())
"""Suffixes of recordings, whether `ser_edge.audio` can decode them or not."""

AUDIO_EXAMPLES = ".wav, .flac, .ogg, .opus, .mp3 or .aiff"
NO_RECORDING = "not a recording"  # the reason why other files are left out


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
class Unused:
    """A file that is not used, and the reason.

    `label` is the one that its folder or a table gives it, "" if none.
    """

    path: Path
    reason: str
    label: str = ""


class Rejected(Unused):
    """A recording that cannot be used."""


class LeftOut(Unused):
    """A file that need not be used, such as a duplicate or a text."""


class Named(NamedTuple):
    """A clip, and a name that duplicates of it share.

    `passed_over` are the names of folders that could name its speaker, but name a part of the data.
    """

    name: str
    clip: Clip
    passed_over: tuple[str, ...] = ()


# The result for one file.
Item = Named | Rejected | LeftOut


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


def converted_copy(path: Path, names: Collection[str]) -> str:
    """Return the name of a phone's recording in a format that libsndfile reads, "" if none.

    Examples
    --------
    >>> converted_copy(Path("1.m4a"), {"1.m4a", "1.wav"}), converted_copy(Path("1.m4a"), {"1.m4a"})
    ('1.wav', '')
    """
    if path.suffix.lower().removeprefix(".") not in _PHONES_AND_BROWSERS.split():
        return ""
    candidates = (f"{path.stem}.{suffix}" for suffix in _LIBSNDFILE.split())
    return next((name for name in candidates if name in names), "")
