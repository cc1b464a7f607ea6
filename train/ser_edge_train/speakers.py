"""Speakers of the published corpora: published folds and sex, from ``speakers.json``."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


def published_folds(corpus: str) -> list[set[str]]:
    """Return the speakers of each published fold of a corpus; empty where none is published.

    Examples
    --------
    >>> published_folds("tess")
    [{'tess/OAF'}, {'tess/YAF'}]
    """
    folds = _speakers().get(corpus, {}).get("folds", [])
    return [{f"{corpus}/{name}" for name in names.split()} for names in folds]


def sex(speaker: str) -> str:
    """Return ``"female"``, ``"male"`` or ``"unknown"`` for a `Clip.speaker`.

    Examples
    --------
    >>> sex("ravdess/02"), sex("ravdess/01"), sex("mine/ANNA")
    ('female', 'male', 'unknown')
    """
    corpus, _, name = speaker.partition("/")
    female = _speakers().get(corpus, {}).get("female")
    if female is None:
        return "unknown"
    return "female" if name in female.split() else "male"


@cache
def _speakers() -> dict[str, Any]:
    text = files(__package__).joinpath("speakers.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
