"""A dataset: usable clips with their features, and their augmentations."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ser_edge.errors import SerEdgeError
from ser_edge_train.clips import Unused
from ser_edge_train.corpora import Clip, LeftOut, Rejected, find_clips
from ser_edge_train.feature_store import ClipFeatures, FeatureStore, Windows
from ser_edge_train.run import HeldOut

logger = logging.getLogger(__name__)

_MAX_REJECTED = 0.05  # share of the files; more points to a wrong folder; by convention
_NAMED = 3  # files that a note names


@dataclass(frozen=True)
class Dataset:
    """Usable clips with the features of each original, other files, and notes for the report.

    `rejected` are recordings that cannot be used, `left_out` files that need not be.
    """

    clips: tuple[Clip, ...]
    originals: tuple[ClipFeatures, ...]
    rejected: tuple[Rejected, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]


def load_dataset(
    sources: Sequence[str | os.PathLike[str]],
    store: FeatureStore,
    *,
    keep_going: bool = False,
    calm_apart: bool = False,
) -> Dataset:
    """Find labelled clips and compute their features; see `ser_edge_train.corpora.find_clips`.

    With `keep_going`, more than 5 % of the files may be unusable, and a label may lose all of its
    files.

    Raises
    ------
    SerEdgeError
        If no clip is found, or too many files cannot be used.
    """
    found = find_clips(sources, calm_apart=calm_apart)
    computed = store.originals(found.clips)
    usable = []
    rejected = list(found.rejected)
    for clip, item in zip(found.clips, computed, strict=True):
        if isinstance(item, ClipFeatures):
            usable.append((clip, item))
        else:
            rejected.append(replace(item, label=clip.label))
    unique: dict[str, tuple[Clip, ClipFeatures]] = {}
    left_out = list(found.left_out)
    for clip, item in usable:
        first, _ = unique.setdefault(item.digest, (clip, item))
        if first.label != clip.label:
            rejected.append(
                Rejected(clip.path, f"is the recording {first.path}, labelled {first.label}")
            )
        elif first is not clip:
            left_out.append(LeftOut(clip.path, "the same recording under another name"))
    for file in rejected:
        logger.warning("skipped %s: %s", file.path, file.reason)
    n_files = len(found.rejected) + len(found.clips)
    if len(rejected) > _MAX_REJECTED * n_files and not keep_going:
        raise SerEdgeError(
            f"{len(rejected)} of {n_files} files cannot be used, expected at most "
            f"{_MAX_REJECTED:.0%}",
            "repair or remove the skipped files listed above, or allow --keep-going",
        )
    clips = tuple(clip for clip, _ in unique.values())
    lost = _lost_labels(clips, [*rejected, *left_out])
    if lost and not keep_going:
        raise SerEdgeError(lost[0], "repair, convert or remove its files, or allow --keep-going")
    reasons = ((file.reason, file.path.name) for file in left_out)
    notes = [*found.notes, *(f"{text}." for text in lost), *_counted("left out", reasons)]
    for note in notes:
        logger.warning("%s", note)
    # The log has the reason for each of them.
    notes += _counted("skipped", (("unusable", file.path.name) for file in rejected))
    if rejected or left_out:
        notes.append("rejected.csv lists all files that were not used.")
    originals = tuple(item for _, item in unique.values())
    return Dataset(clips, originals, tuple(rejected), tuple(left_out), tuple(notes))


def _lost_labels(clips: Sequence[Clip], unused: Sequence[Unused]) -> list[str]:
    """Describe the labels none of whose files are used."""
    files: dict[str, list[Unused]] = {}
    for file in unused:
        files.setdefault(file.label, []).append(file)
    lost = sorted(files.keys() - {clip.label for clip in clips} - {""})
    return [
        f"{label} has no usable file, of {len(files[label])} ({files[label][0].path}: "
        f"{files[label][0].reason})"
        for label in lost
    ]


def _counted(what: str, files: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Count files by reason, and name the first ones of each."""
    names: dict[str, list[str]] = {}
    for reason, name in files:
        names.setdefault(reason, []).append(name)
    for reason, of_reason in sorted(names.items()):
        were = "files were" if len(of_reason) > 1 else "file was"
        more = ", …" if len(of_reason) > _NAMED else ""
        first = ", ".join(of_reason[:_NAMED])
        yield f"{len(of_reason)} {were} {what}: {reason} ({first}{more})."


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
