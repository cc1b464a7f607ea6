"""Predictions of a network for clips with known labels: the basis of every figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ser_edge_train.metrics import Scores, score
from ser_edge_train.speakers import sex


@dataclass(frozen=True)
class LabelledClips:
    """Labels and origin of clips.

    Parameters
    ----------
    y_true : np.ndarray [shape=(n_clips,), dtype=int64]
        Label of each clip.
    speakers, corpora : np.ndarray [shape=(n_clips,), dtype=str]
        Speaker and corpus of each clip.
    seconds : np.ndarray [shape=(n_clips,), dtype=float64]
        Duration of each clip [s].
    """

    y_true: NDArray[np.int64]
    speakers: NDArray[np.str_]
    corpora: NDArray[np.str_]
    seconds: NDArray[np.float64]

    def with_probabilities(self, probabilities: NDArray[np.float64]) -> Predictions:
        """Return the predictions for these clips [shape=(n_clips, n_labels)]."""
        clips = {field.name: getattr(self, field.name) for field in fields(LabelledClips)}
        return Predictions(**clips, probabilities=probabilities)


@dataclass(frozen=True)
class Predictions(LabelledClips):
    """A network's predictions for clips that it was not trained on.

    Parameters
    ----------
    y_true, speakers, corpora, seconds
        See `LabelledClips`.
    probabilities : np.ndarray [shape=(n_clips, n_labels), dtype=float64]
        Each row sums to 1.
    """

    probabilities: NDArray[np.float64]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable label of each clip."""
        return np.asarray(self.probabilities.argmax(axis=1))

    def select(self, rows: NDArray[np.bool_]) -> Predictions:
        """Return the predictions for some clips [shape=(n_clips,), dtype=bool]."""
        return Predictions(*(values[rows] for values in vars(self).values()))

    @classmethod
    def join(cls, several: Sequence[Predictions]) -> Predictions:
        """Concatenate the predictions of several networks with the same labels."""
        return cls(*map(np.concatenate, zip(*(vars(one).values() for one in several), strict=True)))

    def score(self, labels: Sequence[str]) -> Scores:
        """Score all clips."""
        return score(self.y_true, self.predicted, self.speakers.tolist(), labels)

    def scores(self, labels: Sequence[str]) -> dict[str, Scores]:
        """Score all clips (``"all"``, first) and, if there are several corpora, each of them."""
        names = np.unique(self.corpora)
        by_corpus = {
            # A folder of recordings may have any name, such as "all".
            f"corpus {name}" if name in ("all", "female", "male") else str(name): self.select(
                self.corpora == name
            ).score(labels)
            for name in names
            if len(names) > 1
        }
        return {"all": self.score(labels), **by_corpus}

    def scores_by_sex(self, labels: Sequence[str]) -> dict[str, Scores]:
        """Score the clips by the speaker's sex, without speakers whose sex is unknown."""
        sexes = np.array([sex(speaker) for speaker in self.speakers])
        return {
            str(name): self.select(sexes == name).score(labels)
            for name in np.unique(sexes)
            if name != "unknown"
        }


def average_by_clip(
    probabilities: NDArray[np.float64], clip: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Average the windows of each clip, as the runtime does.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_windows, n_labels)]
    clip : np.ndarray [shape=(n_windows,)]
        Clip index of each window, from 0 without gaps.
    """
    counts = np.bincount(clip)
    sums = np.zeros((len(counts), probabilities.shape[1]))
    np.add.at(sums, clip, probabilities)
    return np.asarray(sums / counts[:, None])
