"""What there is to train on: clips that could be read, with their features and altered copies."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ser_edge.errors import SerEdgeError
from ser_edge_train.corpora import Clip, Rejected, find_clips
from ser_edge_train.feature_store import ClipFeatures, FeatureStore, Windows
from ser_edge_train.run import HeldOut

logger = logging.getLogger(__name__)

_MOST_REJECTED = 0.05


@dataclass(frozen=True)
class Dataset:
    """The usable clips, the features of each one's original, and what was not used.

    Parameters
    ----------
    clips : tuple of Clip
    originals : tuple of ClipFeatures
        In the order of the clips.
    rejected : tuple of Rejected
        Files that could not be used.
    notes : tuple of str
        What a reader of the figures has to know of the data.
    """

    clips: tuple[Clip, ...]
    originals: tuple[ClipFeatures, ...]
    rejected: tuple[Rejected, ...]
    notes: tuple[str, ...]


def load_dataset(
    sources: Sequence[str | os.PathLike[str]],
    store: FeatureStore,
    *,
    keep_going: bool = False,
    calm_apart: bool = False,
) -> Dataset:
    """Find labelled clips and compute their features.

    Parameters
    ----------
    sources : sequence of path
        Folders or CSV files; see `ser_edge_train.corpora.find_clips`.
    store : FeatureStore
        Computes and caches.
    keep_going : bool
        Go on where more than 5 % of the files cannot be used.
    calm_apart : bool
        Whether calm does not count as neutral.

    Returns
    -------
    material : Dataset

    Raises
    ------
    SerEdgeError
        If nothing is found, or too many files cannot be used.
    """
    found = find_clips(sources, calm_apart=calm_apart)
    computed = store.originals(found.clips)
    rejected = [*found.rejected, *(item for item in computed if isinstance(item, Rejected))]
    for unusable in rejected:
        logger.warning("skipped %s: %s", unusable.path, unusable.reason)
    n_files = len(found.rejected) + len(found.clips)
    if len(rejected) > _MOST_REJECTED * n_files and not keep_going:
        raise SerEdgeError(
            f"{len(rejected)} of {n_files} files cannot be used, more than {_MOST_REJECTED:.0%}; "
            "mend or remove the files named above, or allow --keep-going"
        )
    kept: dict[str, tuple[Clip, ClipFeatures]] = {}
    for clip, item in zip(found.clips, computed, strict=True):
        if isinstance(item, ClipFeatures):
            kept.setdefault(item.digest, (clip, item))
    left_out = dict(found.left_out)
    copies = sum(isinstance(item, ClipFeatures) for item in computed) - len(kept)
    if copies:
        left_out["the same recording under another name"] = copies
    notes = [
        f"{count} clip{'s were' if count > 1 else ' was'} left out: {reason}."
        for reason, count in left_out.items()
    ]
    if rejected:
        notes.append(f"Files that could not be used: {len(rejected)}; rejected.csv names them.")
    return Dataset(
        tuple(clip for clip, _ in kept.values()),
        tuple(item for _, item in kept.values()),
        tuple(rejected),
        tuple(notes),
    )


def held_out(pairs: Sequence[tuple[Clip, ClipFeatures]], labels: Sequence[str]) -> HeldOut:
    """Gather clips that a network is to be judged on.

    Parameters
    ----------
    pairs : sequence of (Clip, ClipFeatures)
        The clips, each with the features of its original.
    labels : sequence of str
        What the network can say, the clips' labels among it.

    Returns
    -------
    held_out : HeldOut
    """
    windows = Windows.of([(number, item) for number, (_, item) in enumerate(pairs)])
    return HeldOut(
        features=windows.features,
        clip=windows.clip,
        y_true=np.array([labels.index(clip.label) for clip, _ in pairs]),
        speakers=np.array([clip.speaker or "unknown" for clip, _ in pairs]),
        corpora=np.array([clip.corpus for clip, _ in pairs]),
        seconds=np.array([item.seconds for _, item in pairs]),
    )


def all_windows(material: Dataset, store: FeatureStore, altered: Sequence[int]) -> Windows:
    """Join the windows of all originals, and of the altered copies of some.

    Parameters
    ----------
    material : Dataset
        The clips.
    store : FeatureStore
        Computes and caches.
    altered : sequence of int
        Numbers of the clips whose copies are wanted.

    Returns
    -------
    windows : Windows

    Raises
    ------
    SerEdgeError
        If a clip cannot be read any more.
    """
    numbered = list(enumerate(material.originals))
    if store.recipe.wave.copies:
        copies = store.copies([material.clips[number] for number in altered])
        for number, item in zip(altered, copies, strict=True):
            if isinstance(item, Rejected):
                raise SerEdgeError(f"{item.path}: {item.reason}; it was readable a moment ago")
            numbered.append((number, item))
    return Windows.of(numbered)
