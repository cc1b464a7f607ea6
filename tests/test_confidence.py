"""Calibration and selective prediction, compared with figures computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ser_edge_train.confidence import reliability, risk_coverage

pytestmark = pytest.mark.training


def test_a_calibrated_network_has_no_error(rng: np.random.Generator) -> None:
    shares = rng.dirichlet(np.ones(5), size=40_000)
    y_true = np.array([rng.choice(5, p=row) for row in shares])
    assert reliability(shares, y_true).error < 0.01
    certain = np.eye(5)[shares.argmax(axis=1)]
    wrong = 1 - (shares.argmax(axis=1) == y_true).mean()
    assert reliability(certain, y_true).error == pytest.approx(wrong)


def test_bins_have_the_means_of_their_clips() -> None:
    shares = np.array([[0.55, 0.45], [0.58, 0.42], [0.9, 0.1], [1.0, 0.0]])
    found = reliability(shares, np.array([0, 1, 0, 0]), n_bins=10)
    np.testing.assert_allclose(found.confidence, [0.565, 0.95])
    np.testing.assert_allclose(found.accuracy, [0.5, 1.0])
    np.testing.assert_allclose(found.share, [0.5, 0.5])
    assert found.error == pytest.approx(0.5 * 0.065 + 0.5 * 0.05)


def test_the_most_certain_clips_are_answered_first() -> None:
    shares = np.array([[0.6, 0.4], [0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    curve = risk_coverage(shares, np.array([1, 0, 1, 0]))
    np.testing.assert_allclose(curve.threshold, [0.9, 0.8, 0.7, 0.6])
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(curve.risk, [0, 1 / 2, 1 / 3, 1 / 2])
    assert curve.area == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert curve.at(0.5) == (0.8, 0.5)
    assert curve.at(1.0) == (0.6, 0.5)
