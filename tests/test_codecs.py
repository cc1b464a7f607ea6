"""Codecs: decoded speech keeps level and timing, and loses detail."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from raising import raises
from scipy.signal import lfilter

from ser_edge.errors import SerEdgeError
from ser_edge_train import augment
from ser_edge_train.codecs import CODECS, Codec
from ser_edge_train.recipes import WaveAugmentation

pytestmark = pytest.mark.training

RATE = 22050


@pytest.fixture
def speech() -> NDArray[np.float32]:
    """A buzz of 110 Hz through a resonance at 500 Hz, in syllables."""
    buzz = np.zeros(2 * RATE)
    buzz[:: RATE // 110] = 1
    turn, decay = 2 * np.pi * 500 / RATE, np.exp(-np.pi * 80 / RATE)
    vowel = lfilter([1], [1, -2 * decay * np.cos(turn), decay**2], buzz)
    syllables = np.maximum(0, np.sin(2 * np.pi * 3 * np.arange(2 * RATE) / RATE))
    return np.asarray(0.3 * vowel * syllables / np.abs(vowel).max(), np.float32)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: f"{codec.subtype}-{codec.sample_rate}")
def test_what_comes_back(codec: Codec, speech: NDArray[np.float32]) -> None:
    decoded = codec(speech, RATE)
    assert decoded.dtype == np.float32
    assert decoded.shape == speech.shape
    assert 0.8 < np.corrcoef(decoded, speech)[0, 1] < 0.99999
    assert np.linalg.norm(decoded) == pytest.approx(np.linalg.norm(speech), rel=0.4)
    np.testing.assert_array_equal(codec(speech, RATE), decoded)


def test_half_of_the_rooms_have_a_codec(speech: NDArray[np.float32]) -> None:
    """Odd augmentations differ from those without codecs, in about half of the sessions."""

    def augmented(kind: str, number: int, session: int) -> NDArray[np.float32]:
        rngs = np.random.default_rng(0), np.random.default_rng(session)
        return augment.augment_wave(speech, RATE, WaveAugmentation(kind, 2), number, *rngs)

    sessions = range(24)
    differ = [
        not np.array_equal(augmented("voices", 1, session), augmented("coded", 1, session))
        for session in sessions
    ]
    assert 7 <= sum(differ) <= 17
    np.testing.assert_array_equal(augmented("voices", 2, 0), augmented("coded", 2, 0))


def test_a_codec_that_is_missing(speech: NDArray[np.float32]) -> None:
    with raises(SerEdgeError, "libsndfile 1.", "OPUS", "soundfile"):
        Codec("WAV", "OPUS", 8000)(speech, RATE)
