"""What is known of the published corpora's speakers: who is tested together, and their sex.

All of it, with its sources, is in ``speakers.json``.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


def published_folds(corpus: str) -> list[set[str]]:
    """Return the speakers of each fold that others have tested on.

    Parameters
    ----------
    corpus : str
        Its name in `ser_edge_train.corpora.CORPORA`.

    Returns
    -------
    folds : list of set of str
        Empty where none is published.

    Examples
    --------
    >>> published_folds("tess")
    [{'tess/OAF'}, {'tess/YAF'}]
    """
    folds = _known().get(corpus, {}).get("folds", [])
    return [{f"{corpus}/{name}" for name in names.split()} for names in folds]


def sex(speaker: str) -> str:
    """Return ``"female"``, ``"male"`` or ``"unknown"``.

    Parameters
    ----------
    speaker : str
        As in `Clip.speaker`.

    Examples
    --------
    >>> sex("ravdess/02"), sex("ravdess/01"), sex("mine/ANNA")
    ('female', 'male', 'unknown')
    """
    corpus, _, name = speaker.partition("/")
    female = _known().get(corpus, {}).get("female")
    if female is None:
        return "unknown"
    return "female" if name in female.split() else "male"


@cache
def _known() -> dict[str, Any]:
    text = files(__package__).joinpath("speakers.json").read_text(encoding="utf-8")
    known: dict[str, Any] = json.loads(text)
    return known
