"""A dataset: usable clips with their features, and their augmentations."""

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

_MAX_REJECTED = 0.05  # share of the files; more points to a wrong folder; by convention


@dataclass(frozen=True)
class Dataset:
    """Usable clips with the features of each original, rejected files, and notes for the report."""

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
    """Find labelled clips and compute their features; see `ser_edge_train.corpora.find_clips`.

    With `keep_going`, more than 5 % of the files may be unusable.

    Raises
    ------
    SerEdgeError
        If no clip is found, or too many files cannot be used.
    """
    found = find_clips(sources, calm_apart=calm_apart)
    computed = store.originals(found.clips)
    rejected = [*found.rejected, *(item for item in computed if isinstance(item, Rejected))]
    for file in rejected:
        logger.warning("skipped %s: %s", file.path, file.reason)
    n_files = len(found.rejected) + len(found.clips)
    if len(rejected) > _MAX_REJECTED * n_files and not keep_going:
        raise SerEdgeError(
            f"{len(rejected)} of {n_files} files cannot be used, expected at most "
            f"{_MAX_REJECTED:.0%}",
            "repair or remove the skipped files listed above, or allow --keep-going",
        )
    usable = [
        (clip, item)
        for clip, item in zip(found.clips, computed, strict=True)
        if isinstance(item, ClipFeatures)
    ]
    unique: dict[str, tuple[Clip, ClipFeatures]] = {}
    for clip, item in usable:
        unique.setdefault(item.digest, (clip, item))
    left_out = dict(found.left_out)
    if len(unique) < len(usable):
        left_out["the same recording under another name"] = len(usable) - len(unique)
    notes = [
        f"{count} clip{'s were' if count > 1 else ' was'} left out: {reason}."
        for reason, count in left_out.items()
    ]
    if rejected:
        notes.append(f"{len(rejected)} files could not be used; rejected.csv lists them.")
    return Dataset(
        tuple(clip for clip, _ in unique.values()),
        tuple(item for _, item in unique.values()),
        tuple(rejected),
        tuple(notes),
    )


def held_out(
    pairs: Sequence[tuple[Clip, ClipFeatures]],
    labels: Sequence[str],
    windows: Windows | None = None,
) -> HeldOut:
    """Gather clips for evaluation.

    Parameters
    ----------
    pairs : sequence of (Clip, ClipFeatures)
        Clips with the features of their originals.
    labels : sequence of str
        The network's labels; they include those of the clips.
    windows : Windows, optional
        The windows to evaluate, by index in `pairs`; by default those of all originals. Every
        augmentation counts as a clip.
    """
    if windows is None:
        windows = Windows.of([(number, item) for number, (_, item) in enumerate(pairs)])
    rows, clip = np.unique(
        np.stack([windows.clip, windows.augmentation]), axis=1, return_inverse=True
    )
    chosen = [pairs[number] for number in rows[0]]
    return HeldOut(
        y_true=np.array([labels.index(clip.label) for clip, _ in chosen]),
        speakers=np.array([clip.speaker or "unknown" for clip, _ in chosen]),
        corpora=np.array([clip.corpus for clip, _ in chosen]),
        seconds=np.array([item.seconds for _, item in chosen]),
        features=windows.features,
        clip=clip.reshape(-1),
    )


def all_windows(dataset: Dataset, store: FeatureStore, augmented: Sequence[int]) -> Windows:
    """Join the windows of all originals and of the augmentations of some clips, given by index.

    Raises
    ------
    SerEdgeError
        If a clip can no longer be read.
    """
    numbered = list(enumerate(dataset.originals))
    if store.recipe.wave.augmentations:
        items = store.augmented([dataset.clips[number] for number in augmented])
        for number, item in zip(augmented, items, strict=True):
            if isinstance(item, Rejected):
                raise SerEdgeError(
                    f"{item.reason}, but was readable before",
                    "do not change the recordings during training",
                    item.path,
                )
            numbered.append((int(number), item))
    return Windows.of(numbered)
