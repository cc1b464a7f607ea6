"""Room simulation: its effect on a clip, and that clips of a speaker share a room."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ser_edge_train import augment
from ser_edge_train.recipes import WaveAugmentation
from ser_edge_train.room_simulation import RoomSimulation

pytestmark = pytest.mark.training

RATE = 22050
PLAIN = RoomSimulation(0.0, 10.0, (0.0,) * 8, 0.0, 0.0, None, 0.0)


@pytest.fixture
def speech(rng: np.random.Generator) -> NDArray[np.float32]:
    noise = 0.1 * rng.standard_normal(RATE)
    noise[RATE // 2 :] = 0
    return noise.astype(np.float32)


def level_db(samples: NDArray[np.float32], low_hz: float, high_hz: float) -> float:
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(10 * np.log10(power[(frequencies >= low_hz) & (frequencies < high_hz)].sum()))


def test_a_room_without_anything_changes_nothing(
    speech: NDArray[np.float32], rng: np.random.Generator
) -> None:
    np.testing.assert_allclose(PLAIN(speech, RATE, rng), speech, atol=1e-6)


def test_a_room_rings_on(speech: NDArray[np.float32], rng: np.random.Generator) -> None:
    recorded = replace(PLAIN, reverberation_s=0.4, reverberation_db=0.0)(speech, RATE, rng)
    after = [
        np.sqrt(np.mean(recorded[RATE // 2 + at : RATE // 2 + at + 1000] ** 2)) for at in (0, 4410)
    ]
    # 60 dB in 0.4 s are 30 dB in 0.2 s.
    assert 20 * np.log10(after[0] / after[1]) == pytest.approx(30, abs=4)


def test_a_microphone_has_a_response_and_limits(
    speech: NDArray[np.float32], rng: np.random.Generator
) -> None:
    speech = np.roll(speech, RATE // 4)  # silent at both ends, where the low cut rings
    louder = replace(PLAIN, response_db=(-6.0,) * 8)(speech, RATE, rng)
    np.testing.assert_allclose(louder, speech * 10 ** (-6 / 20), atol=1e-6)
    limited = replace(PLAIN, high_cut_hz=4000.0, low_cut_hz=200.0)(speech, RATE, rng)
    for low, high, fall in ((5000, 11000, 50), (500, 3500, 0), (10, 90, 30)):
        change = level_db(speech, low, high) - level_db(limited, low, high)
        assert change == pytest.approx(fall, abs=1)


def test_noise_comes_at_its_level(speech: NDArray[np.float32], rng: np.random.Generator) -> None:
    noise = replace(PLAIN, noise_snr_db=20.0, noise_slope=0.5)(speech, RATE, rng) - speech
    snr_db = 10 * np.log10(np.mean(speech**2) / np.mean(noise**2))
    assert snr_db == pytest.approx(20, abs=0.1)
    assert level_db(noise, 200, 400) > level_db(noise, 3200, 3400)


def test_rooms_stay_within_full_scale(rng: np.random.Generator) -> None:
    loud = np.sign(np.sin(np.arange(RATE) * 0.1)).astype(np.float32)
    for _ in range(20):
        recorded = RoomSimulation.draw(rng)(loud, RATE, rng)
        assert recorded.dtype == np.float32
        assert recorded.shape == loud.shape
        assert np.abs(recorded).max() <= 1.000001


def test_a_speaker_sits_in_one_room(speech: NDArray[np.float32]) -> None:
    """Two clips of one session have the same microphone."""
    settings = WaveAugmentation("voices", 2)
    tilts = np.empty((6, 2))  # sessions and clips
    for session, clip in np.ndindex(tilts.shape):
        rngs = np.random.default_rng(clip), np.random.default_rng(session)
        augmented = augment.augment_wave(speech, RATE, settings, 1, *rngs)
        tilts[session, clip] = level_db(augmented, 200, 1000) - level_db(augmented, 4000, 8000)
    assert np.abs(np.diff(tilts)).max() < 2
    assert np.ptp(tilts, axis=0).min() > 6
