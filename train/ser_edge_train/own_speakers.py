"""Which folder names name a speaker, and which a part of the data, such as ``train``."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

_PARTS = frozenset(
    "train training trn test testing tst val valid validation validate dev devel development eval "
    "evaluation heldout held out holdout hold split fold set subset trainset testset part "
    "partition session sess ses round batch take day date week month year "
    "monday tuesday wednesday thursday friday saturday sunday".split()
)
_KINDS = frozenset(
    "audio wav wavs wave flac mp3 ogg opus sound sounds speech voice voices recording recordings "
    "record records clip clips file files data dataset datasets corpus corpora sample samples "
    "utterance utterances segment segments chunk chunks raw clean noisy original originals "
    "processed normalized normalised augmented resampled trimmed mono stereo hz khz "
    "female females male males women woman men man children adults speakers actors people users "
    "emotion emotions label labels strong normal weak intensity new old other misc all".split()
)
_UNKNOWN = frozenset("unknown unnamed n/a nan none null ? -".split())
_DATE = re.compile(r"(19|20)\d\d[-_. ]?(0[1-9]|1[0-2])[-_. ]?(0[1-9]|[12]\d|3[01])")


def speaker_folder(below: tuple[str, ...], above: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the folder nearest to the label that names a speaker, and those passed over.

    Parameters
    ----------
    below, above : tuple of str
        The folders below and above the one that names the label, from the top down. Those below
        come first.

    Returns
    -------
    speaker : str
        "" if none names a speaker.
    passed_over : tuple of str
        The folders that come before it.

    Examples
    --------
    >>> speaker_folder(("session1",), ("train", "ANNA"))
    ('ANNA', ('session1',))
    """
    around = (*below, *reversed(above))
    for place, name in enumerate(around):
        if not _is_no_name(name, _PARTS | _KINDS):
            return known_speaker(name), around[:place]
    return "", around


def known_speaker(name: str) -> str:
    """Return a speaker's name in Unicode's composed form, or "" for words such as "unknown"."""
    name = unicodedata.normalize("NFC", name.strip())
    return "" if name.casefold() in _UNKNOWN else name


def people_of(folder: Path) -> str:
    """Return the folder whose speakers are different people from those of other folders.

    That is `folder` itself, or the first one above it that is no part of a dataset: the speakers of
    ``calls/train`` and ``calls/test`` are those of ``calls``.

    Examples
    --------
    >>> people_of(Path("/home/calls/train")), people_of(Path("/home/calls"))
    ('calls', 'calls')
    """
    absolute = Path(os.path.abspath(folder))
    names = [path.name for path in (absolute, *absolute.parents)]
    return next((name for name in names if name and not _is_no_name(name, _PARTS)), names[0])


def same_spelling(name: str) -> str:
    """Return a key that names share if they differ in case, spaces or leading zeros only.

    Examples
    --------
    >>> same_spelling("Anna 01") == same_spelling("anna_1")
    True
    """
    text = re.sub(r"[\W_]+", "_", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)


def _is_no_name(name: str, words: frozenset[str]) -> bool:
    """Return whether a name has only such words, besides numbers and single letters, or a date."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # TrainSet
    found = [word for word in re.findall(r"[^\W\d_]+", spaced.casefold()) if len(word) > 1]
    no_name = bool(found) and words.issuperset(found)
    return no_name or name.casefold() in _UNKNOWN or _DATE.fullmatch(name) is not None
