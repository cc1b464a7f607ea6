"""Speaker adaptation: fit the speaker model of a network, and measure the gain.

`ser_edge.adaptation.speaker_model` describes the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.speaker_model import SpeakerModel, centred_logs
from ser_edge_train.predictions import Predictions

# Prior: variance of speaker offsets over the variance within a speaker; docs/decisions.md has what
# other values gave.
SPREAD = 0.1
ENROLMENTS = ("mixed", "neutral")


def fit_speakers(validation: Predictions, training: Predictions) -> SpeakerModel:
    """Fit the speaker model of a network.

    The means of each label are averaged over validation and training clips. Validation clips have
    few speakers, whose own offsets would bias the means. Training clips have many, but the network
    is more certain of them: their means are scaled to the size of the validation means.

    Parameters
    ----------
    validation, training : Predictions
        Calibrated, of the same network; every label occurs in `training`.
    """
    logs = centred_logs(validation.probabilities)
    trained = _means(training, centred_logs(training.probabilities))
    means = _means(validation, logs)
    found = np.isfinite(means).all(axis=1)
    scale = float((trained[found] * means[found]).sum() / (trained[found] ** 2).sum())
    blended = np.where(found[:, None], 0.5 * scale * trained + 0.5 * means, scale * trained)
    # Covariance within speakers: of the residuals about the mean of label and speaker.
    rest = logs - np.where(found[:, None], means, 0.0)[validation.y_true]
    for speaker in np.unique(validation.speakers):
        own = validation.speakers == speaker
        rest[own] -= rest[own].mean(axis=0)
    covariance = rest.T @ rest / len(rest)
    return SpeakerModel(
        tuple(map(tuple, blended.tolist())), tuple(map(tuple, covariance.tolist())), SPREAD
    )


def _means(predictions: Predictions, logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average by label [shape=(n_labels, n_labels)]; NaN for labels without a clip."""
    n_labels = logs.shape[1]
    sums = np.zeros((n_labels, n_labels))
    np.add.at(sums, predictions.y_true, logs)
    counts = np.bincount(predictions.y_true, minlength=n_labels)[:, None]
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def adapted(
    predictions: Predictions,
    speakers: SpeakerModel,
    labels: Sequence[str],
    *,
    seconds: float,
    window_s: float,
    enrolment: str = "mixed",
    seed: int = 0,
) -> Predictions:
    """Adapt the prediction for each clip to its speaker, with other clips and without labels.

    One clip of every other label is removed before the draw. The tested clip itself is missing from
    its own label: without this, the least frequent label would be the right answer.

    Parameters
    ----------
    predictions : Predictions
        Not adapted.
    speakers : SpeakerModel
        Of the network.
    labels : sequence of str
        Of the network.
    seconds : float >= 0
        Maximum speech of the speaker to adapt to, in whole clips drawn at random [s].
    window_s : float > 0
        Duration of the network's windows [s].
    enrolment : {"mixed", "neutral"}
        Draw clips of any label, or neutral and calm clips only.
    seed : int
        Seed of the draw.

    Returns
    -------
    adapted : Predictions
        Unchanged for clips whose speaker has no other clip.
    """
    logs = centred_logs(predictions.probabilities)
    neutral = np.isin(np.asarray(labels)[predictions.y_true], ("neutral", "calm"))
    result = predictions.probabilities.copy()
    rng = np.random.default_rng(seed)
    for clip, speaker in enumerate(predictions.speakers):
        others = predictions.speakers == speaker
        others[clip] = False
        drawn = rng.permutation(np.flatnonzero(others))
        of_label, first = np.unique(predictions.y_true[drawn], return_index=True)
        drawn = np.delete(drawn, first[of_label != predictions.y_true[clip]])
        if enrolment == "neutral":
            drawn = drawn[neutral[drawn]]
        drawn = drawn[np.cumsum(predictions.seconds[drawn]) <= seconds]
        if len(drawn):
            drawn_s = float(predictions.seconds[drawn].sum())
            result[clip] = speakers.correction(logs[drawn], drawn_s / window_s)(result[clip])
    return replace(predictions, probabilities=result)
