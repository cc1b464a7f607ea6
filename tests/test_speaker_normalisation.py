"""Per-speaker normalisation, with mean and deviation estimated from a few clips."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ser_edge_train.feature_store import Windows
from ser_edge_train.speaker_normalisation import SpeakerNormalisation

pytestmark = pytest.mark.training

MEAN, SCALE = np.array([[1.0, -2.0], [2.0, 0.5]], np.float32)


@pytest.fixture
def windows(rng: np.random.Generator) -> Windows:
    """Two different speakers of 20 clips each: an original and two augmentations."""
    clip, number = np.repeat(np.arange(40), 3), np.tile(np.arange(3), 40)
    features = MEAN + SCALE * rng.standard_normal((120, 50, 2))
    features[clip >= 20] = MEAN + SCALE * (2 + 0.5 * rng.standard_normal((60, 50, 2)))
    features[number == 1] += 3 * SCALE  # another microphone
    return Windows(features.astype(np.float32), clip, number)


def normalised(
    windows: Windows, rows: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float32]:
    speakers = ["anna"] * 20 + ["ben"] * 20
    normalise = SpeakerNormalisation(windows, speakers, MEAN, SCALE)
    many = normalise(np.repeat(rows, 20), rng)
    return np.asarray((many - MEAN) / SCALE)


def test_speakers_become_alike(windows: Windows, rng: np.random.Generator) -> None:
    originals = np.flatnonzero(windows.augmentation == 0)
    anna, ben = (normalised(windows, originals[of], rng) for of in (slice(0, 20), slice(20, 40)))
    before = windows.features[originals[20:]].mean() - windows.features[originals[:20]].mean()
    assert abs(before) > 2
    # Shrinkage: about half of 2 deviations is left on average.
    assert 0.5 < ben.mean() - anna.mean() < 1.2
    assert ben.std(axis=1).mean() > 0.5 * 1.1


def test_an_augmentation_is_normalised_by_clips_from_the_same_room(
    windows: Windows, rng: np.random.Generator
) -> None:
    in_room, not_in_room = (
        np.flatnonzero((windows.augmentation == c) & (windows.clip < 20)) for c in (1, 2)
    )
    assert normalised(windows, in_room, rng).mean() < 0.6 * 3
    assert abs(normalised(windows, not_in_room, rng).mean()) < 0.1


def test_the_estimate_varies(windows: Windows, rng: np.random.Generator) -> None:
    means = normalised(windows, np.array([60]), rng).mean(axis=(1, 2))
    assert means.std() > 0.1
