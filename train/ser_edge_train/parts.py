"""The parts of a split dataset: examples to train on, held-out clips to evaluate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ser_edge_train.corpora import CALM, LABELS
from ser_edge_train.dataset import Dataset, held_out
from ser_edge_train.feature_store import Windows
from ser_edge_train.run import HeldOut
from ser_edge_train.splits import TRAIN, Split


@dataclass(frozen=True)
class Examples:
    """Windows with their targets.

    Parameters
    ----------
    windows : Windows
    targets : np.ndarray [shape=(n, n_labels), dtype=float32]
        One-hot, for each window.
    speakers : tuple of str
        Of every clip, by the clip index of the windows.
    """

    windows: Windows
    targets: NDArray[np.float32]
    speakers: tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """A dataset with its split, its windows and the labels of its training part."""

    dataset: Dataset
    split: Split
    windows: Windows
    labels: tuple[str, ...]

    @classmethod
    def of(cls, dataset: Dataset, split: Split, windows: Windows) -> Parts:
        """Join a dataset, its split and its windows."""
        trained = {dataset.clips[clip].label for clip in split.rows(TRAIN)[:, 0]}
        labels = tuple(label for label in (*LABELS, CALM) if label in trained)
        return cls(dataset, split, windows, labels)

    @property
    def retrain(self) -> Parts:
        """The same with the validation clips in the training part."""
        return replace(self, split=self.split.retrain)

    def examples(self, part: int) -> Examples:
        """Return the windows of a part with their targets."""
        windows = self.windows.select(self.split.rows(part))
        one_hot = dict(zip(self.labels, np.eye(len(self.labels), dtype=np.float32), strict=True))
        clips = self.dataset.clips
        targets = np.stack([one_hot[clips[clip].label] for clip in windows.clip])
        # A clip of an unknown speaker counts as a speaker of its own.
        pairs = zip(clips, self.dataset.originals, strict=True)
        speakers = tuple(clip.speaker or item.digest for clip, item in pairs)
        return Examples(windows, targets, speakers)

    def held_out(self, part: int, *, originals: bool = False) -> HeldOut:
        """Return the clips of a part for evaluation, with augmentations or the originals only."""
        rows = self.split.rows(part)
        windows = self.windows.select(rows[rows[:, 1] == 0] if originals else rows)
        pairs = list(zip(self.dataset.clips, self.dataset.originals, strict=True))
        return held_out(pairs, self.labels, windows)

    def speakers(self, windows: Windows) -> list[str]:
        """Return the speakers of windows, sorted."""
        return sorted({self.dataset.clips[clip].speaker for clip in np.unique(windows.clip)})
