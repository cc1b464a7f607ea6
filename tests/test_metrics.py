"""Metrics: UAR, its interval over speakers, averaging by clip, temperature."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.metrics import recall_score

from ser_edge.prediction import softmax
from ser_edge_train.metrics import fit_temperature, mcnemar, score, signal_to_noise_db
from ser_edge_train.predictions import average_by_clip

LABELS = ("angry", "happy", "sad")


def test_scores_agree_with_scikit_learn(rng: np.random.Generator) -> None:
    y_true = rng.integers(0, 2, 300)  # the third class does not occur, but is predicted
    predicted = np.where(rng.random(300) < 0.6, y_true, rng.integers(0, 3, 300))
    scores = score(y_true, predicted, [f"s{i % 5}" for i in range(300)], LABELS)
    recalls = recall_score(y_true, predicted, labels=[0, 1], average=None)
    assert scores.uar == pytest.approx(recalls.mean())
    assert scores.recall == pytest.approx({"angry": recalls[0], "happy": recalls[1]})
    assert scores.wa == pytest.approx((y_true == predicted).mean())
    assert np.sum(scores.confusion) == scores.n_clips == 300
    assert scores.n_speakers == 5
    assert scores.uar_low is not None
    assert scores.uar_high is not None
    assert scores.uar_low <= scores.uar <= scores.uar_high


def test_the_interval_is_over_speakers() -> None:
    # All clips of two speakers are right, all of the other two are wrong.
    y_true = np.tile([0, 1, 2], 400)
    speakers = np.repeat(["a", "b", "c", "d"], 300)
    predicted = np.where(np.isin(speakers, ["a", "b"]), y_true, (y_true + 1) % 3)
    scores = score(y_true, predicted, speakers.tolist(), LABELS)
    assert scores.uar == pytest.approx(0.5)
    assert (scores.uar_low, scores.uar_high) == pytest.approx((0, 1))


def test_the_interval_has_95_percent_of_the_resamples() -> None:
    """With one class and a clip per speaker, the resampled UAR is binomial: B(400, 0.8) / 400."""
    y_true = np.zeros(400, np.int64)
    predicted = (np.arange(400) < 80).astype(np.int64)
    scores = score(y_true, predicted, [f"s{i}" for i in range(400)], LABELS)
    resampled = binom(400, 0.8)
    low, high = resampled.ppf([0.025, 0.975]) / 400
    assert scores.uar_low == pytest.approx(low, abs=0.003)
    assert scores.uar_high == pytest.approx(high, abs=0.003)
    # The 90 % interval is outside this tolerance.
    assert np.abs(resampled.ppf([0.05, 0.95]) / 400 - [low, high]).min() > 0.003


def test_one_speaker_gives_no_interval() -> None:
    scores = score(np.array([0, 1]), np.array([0, 1]), ["me", "me"], LABELS)
    assert (scores.uar, scores.uar_low, scores.interval) == (1.0, None, "one speaker")


@pytest.mark.parametrize(
    ("predicted", "speakers", "is_chance"),
    [
        ([0] * 8, "aabbccdd", True),  # the same label for every clip
        ([1, 0] * 4, "aabbccdd", True),  # never right
        ([0, 1] * 4, "aabbccdd", False),
        ([0] * 8, "aaaaaaaa", True),
        ([0, 1] * 4, "aaaaaaaa", False),
        ([0, 1, 0, 1, 1, 0, 1, 0], "aaaabbbb", True),  # right on one of two speakers
    ],
)
def test_chance(predicted: list[int], speakers: str, is_chance: bool) -> None:
    scores = score(np.array([0, 1] * 4), np.array(predicted), list(speakers), LABELS)
    assert scores.chance == 0.5  # sad does not occur
    assert scores.is_chance == is_chance


def test_windows_are_averaged_by_clip() -> None:
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.2, 0.8]])
    averaged = average_by_clip(probabilities, np.array([0, 1, 0, 1]))
    np.testing.assert_allclose(averaged, [[0.75, 0.25], [0.1, 0.9]])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature_is_found(rng: np.random.Generator, temperature: float) -> None:
    calibrated: NDArray[np.float32] = rng.normal(0, 2, (20000, 4)).astype(np.float32)
    chances = softmax(calibrated)
    y_true = (chances.cumsum(axis=1) > rng.random((20000, 1))).argmax(axis=1)
    assert fit_temperature(calibrated * temperature, y_true) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize(
    ("only_one", "only_other", "expected"),
    # The sums of binomial tails, by hand.
    [(0, 0, 1.0), (3, 3, 1.0), (6, 0, 2 / 64), (0, 6, 2 / 64), (5, 1, 14 / 64)],
)
def test_mcnemar(only_one: int, only_other: int, expected: float) -> None:
    one = np.array([True] * (4 + only_one) + [False] * (4 + only_other))
    other = np.array([True] * 4 + [False] * (4 + only_one) + [True] * only_other)
    assert mcnemar(one, other) == pytest.approx(expected)


def test_signal_to_noise() -> None:
    signal = np.full((10, 7), 2, np.float32)
    assert signal_to_noise_db(signal, signal) is None
    assert signal_to_noise_db(signal, signal + np.float32(0.125)) == pytest.approx(24.08, abs=0.01)
    assert signal_to_noise_db(signal, signal * np.float32(1.5)) == pytest.approx(6.02, abs=0.01)
    silent = np.zeros((10, 7), np.float32)
    assert signal_to_noise_db(silent, silent) is None
    assert signal_to_noise_db(silent, signal) == pytest.approx(-324.5, abs=0.1)
