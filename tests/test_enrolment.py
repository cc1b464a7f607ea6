"""Adaptation is measured fairly: what is heard before says nothing of the clip that is tested."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ser_edge.adaptation.speaker_model import Correction, SpeakerModel, centred_logs
from ser_edge_train.enrolment import adapted
from ser_edge_train.predictions import Predictions

LABELS = ("angry", "calm", "neutral")
EACH = 4


class Listener(SpeakerModel):
    """Keep the labels of what it is told, which stand in the probabilities."""

    def __init__(self) -> None:
        self.heard: list[NDArray[np.int64]] = []

    def correction(self, logs: NDArray[np.float64], n_independent: float) -> Correction:
        assert n_independent == pytest.approx(2 * len(logs) / 3)
        self.heard.append(np.bincount(logs.argmax(axis=1), minlength=len(LABELS)))
        return Correction(np.eye(len(LABELS)), np.array([1.0, -0.5, -0.5]))


@pytest.fixture
def answers() -> Predictions:
    y_true = np.tile(np.repeat(np.arange(len(LABELS)), EACH), 2)
    said = 0.1 + 0.7 * np.eye(len(LABELS))[y_true]
    speakers = np.repeat(["anna", "ben"], len(LABELS) * EACH)
    return Predictions(said, y_true, speakers, np.full(len(y_true), ""), np.full(len(y_true), 2.0))


def heard_before(
    answers: Predictions, seconds: float, enrolment: str = "mixed"
) -> NDArray[np.int64]:
    listener = Listener()
    after = adapted(answers, listener, LABELS, seconds=seconds, window_s=3.0, enrolment=enrolment)
    np.testing.assert_array_equal(after.y_true, answers.y_true)
    moved = centred_logs(answers.probabilities) - centred_logs(after.probabilities)
    np.testing.assert_allclose(moved, [[1.0, -0.5, -0.5]] * len(moved), atol=1e-9)
    return np.array(listener.heard)


def test_no_label_is_missing_where_its_own_clip_is_tested(answers: Predictions) -> None:
    np.testing.assert_array_equal(
        heard_before(answers, 1000), [[EACH - 1] * len(LABELS)] * len(answers.y_true)
    )


def test_neutral_is_neutral_and_calm(answers: Predictions) -> None:
    heard = heard_before(answers, 1000, "neutral")
    np.testing.assert_array_equal(heard, [[0, EACH - 1, EACH - 1]] * len(answers.y_true))


def test_no_more_is_heard_than_was_asked_for(answers: Predictions) -> None:
    assert (heard_before(answers, 7.9).sum(axis=1) == 3).all()


def test_nothing_heard_changes_nothing(answers: Predictions) -> None:
    for seconds in (0, 1.9):
        after = adapted(answers, Listener(), LABELS, seconds=seconds, window_s=3.0)
        np.testing.assert_allclose(after.probabilities, answers.probabilities)
