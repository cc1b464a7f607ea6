"""Fundamental frequency and voicing, of synthetic sounds and compared with librosa."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from raising import raises

from ser_edge import ConfigError, FeatureConfig, FeatureExtractor, audio

RATE = 22050
BOTH = ("log_f0", "voicing")
EXTRACT = FeatureExtractor(FeatureConfig(descriptors=BOTH))


def voice(hertz: float, rng: np.random.Generator, lowest: int = 1) -> NDArray[np.float32]:
    """A second of harmonics that fall off as a voice's do, in faint noise."""
    time = np.arange(RATE) / RATE
    harmonics = np.arange(lowest, int(4000 / hertz) + 1)
    turns = rng.uniform(0, 2 * np.pi, len(harmonics))
    waves = np.sin(2 * np.pi * np.outer(time, hertz * harmonics) + turns) / harmonics
    noisy = waves.sum(axis=1) + 0.03 * rng.standard_normal(RATE)
    return np.asarray(0.1 * noisy, np.float32)


def within(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The frames that lie within a signal."""
    return EXTRACT(samples)[2:-2]


@pytest.mark.parametrize("hertz", [65, 90, 123.4, 200, 277, 410, 590])
def test_a_voice_has_its_fundamental_frequency(hertz: float, rng: np.random.Generator) -> None:
    log_f0, voicing = within(voice(hertz, rng)).T
    np.testing.assert_allclose(200 * 2**log_f0, hertz, rtol=0.03)
    assert voicing.min() > 0.9


@pytest.mark.parametrize("hertz", [100, 200])
def test_a_telephone_takes_the_lowest_harmonics_and_leaves_the_pitch(
    hertz: float, rng: np.random.Generator
) -> None:
    log_f0, _ = within(voice(hertz, rng, lowest=3)).T
    np.testing.assert_allclose(200 * 2**log_f0, hertz, rtol=0.03)


def test_noise_and_silence_have_none(rng: np.random.Generator) -> None:
    noise = within((0.1 * rng.standard_normal(RATE)).astype(np.float32))
    assert np.median(noise[:, 1]) < 0.4
    assert np.median(np.abs(noise[:, 0])) < 0.05
    silence = EXTRACT(np.zeros(RATE, np.float32))
    assert not silence[:, 1].any()
    np.testing.assert_allclose(silence[:, 0], 0, atol=1e-6)


def test_a_gain_changes_neither(rng: np.random.Generator) -> None:
    sound = voice(150, rng)
    np.testing.assert_allclose(EXTRACT(0.1 * sound), EXTRACT(sound), atol=1e-3)


def test_the_last_digit_decides_no_octave(rng: np.random.Generator) -> None:
    """Two equally loud voices an octave apart, where choosing one period would be arbitrary."""
    both = voice(110, rng) + voice(220, rng)
    digits = np.float32(1) + np.finfo(np.float32).eps * rng.choice([-1, 0, 1], len(both))
    np.testing.assert_allclose(EXTRACT(both * digits.astype(np.float32)), EXTRACT(both), atol=1e-4)


def test_frames_have_to_hold_two_periods() -> None:
    FeatureConfig(n_fft=368, descriptors=BOTH)
    with raises(ConfigError, "n_fft=367", 368, "22050 Hz"):
        FeatureConfig(n_fft=367, descriptors=("zcr", "voicing"))
    FeatureConfig(n_fft=367, descriptors=("zcr",))


@pytest.mark.parametrize("n_fft", [368, 512, 1024, 2048])
@pytest.mark.parametrize("hertz", [20, 45, 52, 60])
def test_a_rumble_is_no_more_than_periodic(n_fft: int, hertz: float) -> None:
    """Its leakage into the lowest bins would have an autocorrelation above 1."""
    extract = FeatureExtractor(FeatureConfig(n_fft=n_fft, descriptors=BOTH))
    rumble = np.sin(2 * np.pi * hertz / RATE * np.arange(RATE))
    log_f0, voicing = extract(rumble.astype(np.float32)).T
    assert np.abs(log_f0).max() < np.log2(600 / 60)
    assert voicing.max() <= 1


def test_short_frames_have_no_low_pitch(rng: np.random.Generator) -> None:
    """Two periods have to fit the frame: with 512 samples, from 87 Hz on."""
    extract = FeatureExtractor(FeatureConfig(n_fft=512, descriptors=BOTH))
    log_f0, _ = extract(voice(250, rng))[2:-2].T
    np.testing.assert_allclose(200 * 2**log_f0, 250, rtol=0.05)


@pytest.mark.corpora
def test_real_voices_have_librosas_pitch(corpora_dir: Path) -> None:
    librosa = pytest.importorskip("librosa")
    clips = sorted((corpora_dir / "ravdess").rglob("*.flac"))[::60]
    off, n_voiced = 0, 0
    for clip in clips:
        samples = audio.load(clip, RATE)
        log_f0, voicing = EXTRACT(samples).T
        expected = librosa.yin(samples, fmin=60, fmax=600, sr=RATE, hop_length=512)[: len(log_f0)]
        voiced = (voicing > 0.7)[: len(expected)]
        off += (np.abs(log_f0[: len(expected)] - np.log2(expected / 200))[voiced] > 0.25).sum()
        n_voiced += voiced.sum()
    assert n_voiced > 500
    assert off < 0.1 * n_voiced
