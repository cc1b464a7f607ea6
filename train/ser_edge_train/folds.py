"""Folds for cross-validation: published folds, folds of speakers, and random folds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from ser_edge.errors import SerEdgeError
from ser_edge_train.corpora import Clip
from ser_edge_train.speakers import published_folds

_FEW_SPEAKERS = 4  # a corpus with at most these has one fold per speaker
_FOLDS = 5  # by convention


def n_folds(clips: Sequence[Clip], protocol: str, *, seed: int = 0) -> int:
    """Count the folds with which a protocol of `ser_edge_train.splits` tests every clip once."""
    if protocol == "corpus":
        return 1
    if protocol != "speaker":
        return _FOLDS
    corpora = {clip.corpus for clip in clips}
    return max(1, *(len(speaker_folds(clips, corpus, seed)) for corpus in corpora))


def random_fold(labels: Sequence[str], fold: int, seed: int) -> NDArray[np.int64]:
    """Return the rows of one stratified random fold."""
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        try:
            return np.asarray(list(folds.split(np.zeros(len(labels)), labels))[fold][1])
        except ValueError:
            raise SerEdgeError(
                f"every label has fewer than {_FOLDS} clips, expected at least {_FOLDS} of one "
                "label for random folds",
                "add recordings",
            ) from None


def speaker_folds(clips: Sequence[Clip], corpus: str, seed: int) -> list[set[str]]:
    """Return the speakers of each fold of one corpus, published folds where there are any."""
    clips = [clip for clip in clips if clip.corpus == corpus]
    speakers = sorted({clip.speaker for clip in clips})
    if len(speakers) < 2:
        return []
    published = [fold.intersection(speakers) for fold in published_folds(corpus)]
    published = [fold for fold in published if fold and fold != set(speakers)]
    if published:
        return published
    if len(speakers) <= _FEW_SPEAKERS:
        return [{speaker} for speaker in speakers]
    folds = StratifiedGroupKFold(min(_FOLDS, len(speakers)), shuffle=True, random_state=seed)
    groups = np.array([clip.speaker for clip in clips])
    parts = folds.split(np.zeros(len(clips)), [clip.label for clip in clips], groups)
    return [set(groups[tested].tolist()) for _, tested in parts]
