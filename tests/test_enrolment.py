"""Adaptation is measured without leaks: the other clips reveal nothing about the tested one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ser_edge.adaptation.speaker_model import Correction, SpeakerModel, centred_logs
from ser_edge_train.enrolment import adapted
from ser_edge_train.predictions import Predictions

LABELS = ("angry", "calm", "neutral")
EACH = 4


class Recorder(SpeakerModel):
    """Record the labels of the clips that it adapts to; they are in the probabilities."""

    def __init__(self) -> None:
        self.counts: list[NDArray[np.int64]] = []

    def correction(self, logs: NDArray[np.float64], n_independent: float) -> Correction:
        assert n_independent == pytest.approx(2 * len(logs) / 3)
        self.counts.append(np.bincount(logs.argmax(axis=1), minlength=len(LABELS)))
        return Correction(np.eye(len(LABELS)), np.array([1.0, -0.5, -0.5]))


@pytest.fixture
def predictions() -> Predictions:
    y_true = np.tile(np.repeat(np.arange(len(LABELS)), EACH), 2)
    probabilities = 0.1 + 0.7 * np.eye(len(LABELS))[y_true]
    speakers = np.repeat(["anna", "ben"], len(LABELS) * EACH)
    corpora, seconds = np.full(len(y_true), ""), np.full(len(y_true), 2.0)
    return Predictions(y_true, speakers, corpora, seconds, probabilities)


def adapted_to(
    predictions: Predictions, seconds: float, enrolment: str = "mixed"
) -> NDArray[np.int64]:
    """Count the clips of each label that each clip is adapted to."""
    model = Recorder()
    after = adapted(predictions, model, LABELS, seconds=seconds, window_s=3.0, enrolment=enrolment)
    np.testing.assert_array_equal(after.y_true, predictions.y_true)
    moved = centred_logs(predictions.probabilities) - centred_logs(after.probabilities)
    np.testing.assert_allclose(moved, [[1.0, -0.5, -0.5]] * len(moved), atol=1e-9)
    return np.array(model.counts)


def test_all_labels_are_equally_frequent(predictions: Predictions) -> None:
    expected = [[EACH - 1] * len(LABELS)] * len(predictions.y_true)
    np.testing.assert_array_equal(adapted_to(predictions, 1000), expected)


def test_neutral_enrolment_uses_neutral_and_calm_clips(predictions: Predictions) -> None:
    counts = adapted_to(predictions, 1000, "neutral")
    np.testing.assert_array_equal(counts, [[0, EACH - 1, EACH - 1]] * len(predictions.y_true))


def test_seconds_limit_the_clips(predictions: Predictions) -> None:
    assert (adapted_to(predictions, 7.9).sum(axis=1) == 3).all()


def test_without_other_clips_nothing_changes(predictions: Predictions) -> None:
    for seconds in (0, 1.9):
        after = adapted(predictions, Recorder(), LABELS, seconds=seconds, window_s=3.0)
        np.testing.assert_allclose(after.probabilities, predictions.probabilities)
