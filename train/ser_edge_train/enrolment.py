"""Adaptation to a speaker: what it rests on, fitted, and what it gains, measured.

`ser_edge.adaptation.speaker_model` has the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.speaker_model import SpeakerModel, centred_logs
from ser_edge_train.predictions import Predictions

SPREAD = 0.1
ENROLMENTS = ("mixed", "neutral")


def fit_speakers(validation: Predictions, training: Predictions) -> SpeakerModel:
    """Measure how a network hears each emotion, and how much one speaker's recordings differ.

    Validation speakers are few, so that their own offsets would be taken for everybody's; what the
    network says of training clips averages over many, but is more extreme. So the means are half
    and half, those of training scaled to the size of the others.

    Parameters
    ----------
    validation, training : Predictions
        Calibrated, of the same network; every label occurs in `training`.

    Returns
    -------
    speakers : SpeakerModel
    """
    logs = centred_logs(validation.probabilities)
    trained = _means(training, centred_logs(training.probabilities))
    means = _means(validation, logs)
    found = np.isfinite(means).all(axis=1)
    scale = float((trained[found] * means[found]).sum() / (trained[found] ** 2).sum())
    blended = np.where(found[:, None], 0.5 * scale * trained + 0.5 * means, scale * trained)
    rest = logs - np.where(found[:, None], means, 0.0)[validation.y_true]
    for speaker in np.unique(validation.speakers):
        mine = validation.speakers == speaker
        rest[mine] -= rest[mine].mean(axis=0)
    covariance = rest.T @ rest / len(rest)
    return SpeakerModel(
        tuple(map(tuple, blended.tolist())), tuple(map(tuple, covariance.tolist())), SPREAD
    )


def _means(answers: Predictions, logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average by label [shape=(n_labels, n_labels)]; NaN where there is none."""
    n_labels = logs.shape[1]
    sums = np.zeros((n_labels, n_labels))
    np.add.at(sums, answers.y_true, logs)
    counts = np.bincount(answers.y_true, minlength=n_labels)[:, None]
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def adapted(
    answers: Predictions,
    speakers: SpeakerModel,
    labels: Sequence[str],
    *,
    seconds: float,
    window_s: float,
    enrolment: str = "mixed",
    seed: int = 0,
) -> Predictions:
    """Hear each clip as if other clips of its speaker had been heard before, without labels.

    Whatever its label, one clip of each label is left out of those that are drawn from: else its
    own would be missing there, and to find that out would count as hearing.

    Parameters
    ----------
    answers : Predictions
        Of a network that is not adapted.
    speakers : SpeakerModel
        The network's.
    labels : sequence of str
        What its outputs mean.
    seconds : float >= 0
        At most so much speech of the speaker, in whole clips drawn by chance [s].
    window_s : float > 0
        Length of the network's windows [s].
    enrolment : {"mixed", "neutral"}
        Which clips are drawn: of any emotion, or neutral and calm ones alone.
    seed : int
        Decides the draw.

    Returns
    -------
    adapted : Predictions
        The clips of a speaker without another clip to learn from stay as they are.
    """
    logs = centred_logs(answers.probabilities)
    quiet = np.isin(np.asarray(labels)[answers.y_true], ("neutral", "calm"))
    result = answers.probabilities.copy()
    rng = np.random.default_rng(seed)
    for clip, speaker in enumerate(answers.speakers):
        others = answers.speakers == speaker
        others[clip] = False
        drawn = rng.permutation(np.flatnonzero(others))
        of_label, first = np.unique(answers.y_true[drawn], return_index=True)
        drawn = np.delete(drawn, first[of_label != answers.y_true[clip]])
        if enrolment == "neutral":
            drawn = drawn[quiet[drawn]]
        drawn = drawn[np.cumsum(answers.seconds[drawn]) <= seconds]
        if len(drawn):
            heard = float(answers.seconds[drawn].sum())
            result[clip] = speakers.correction(logs[drawn], heard / window_s)(result[clip])
    return replace(answers, probabilities=result)
