"""Augmentation: the expected changes, and repeatability."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from ser_edge import FeatureConfig, FeatureExtractor
from ser_edge_train import augment
from ser_edge_train.recipes import BatchAugmentation, WaveAugmentation

RATE = 22050
KINDS = ["published", "voices", "coded"]


@pytest.fixture
def tone() -> NDArray[np.float32]:
    time = np.arange(2 * RATE) / RATE
    return np.asarray(0.3 * np.sin(2 * np.pi * 440 * time), np.float32)


def pitch_hz(samples: NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * RATE / len(samples))


@pytest.mark.parametrize("kind", KINDS)
def test_augmentation_0_is_the_clip(
    kind: str, tone: NDArray[np.float32], rng: np.random.Generator
) -> None:
    assert augment.augment_wave(tone, RATE, WaveAugmentation(kind, 2), 0, rng, rng) is tone


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [1, 2])
def test_augmentations_are_repeatable(kind: str, number: int, tone: NDArray[np.float32]) -> None:
    settings = WaveAugmentation(kind, 2)
    first, again, other = (
        augment.augment_wave(
            tone, RATE, settings, number, np.random.default_rng(seed), np.random.default_rng(seed)
        )
        for seed in (1, 1, 2)
    )
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
    if (kind, number) != ("published", 2):  # that one has constants only
        assert len(first) != len(other) or not np.array_equal(first, other)


def test_published_augmentations_are_noisy_or_higher_and_slower(
    tone: NDArray[np.float32], rng: np.random.Generator
) -> None:
    settings = WaveAugmentation("published", 2)
    noisy = augment.augment_wave(tone, RATE, settings, 1, rng, rng)
    assert len(noisy) == len(tone)
    assert pitch_hz(noisy) == pytest.approx(440, abs=1)
    raised = augment.augment_wave(tone, RATE, settings, 2, rng, rng)
    assert len(raised) == pytest.approx(len(tone) / 0.8, abs=2)
    assert pitch_hz(raised) == pytest.approx(440 * 2 ** (0.7 / 12), abs=2)


def test_voices_stay_in_range(tone: NDArray[np.float32], rng: np.random.Generator) -> None:
    settings = WaveAugmentation("voices", 8)
    pitches, lengths = [], []
    for number in range(1, 9):
        augmented = augment.augment_wave(tone, RATE, settings, number, rng, rng)
        pitches.append(12 * math.log2(pitch_hz(augmented) / 440))
        lengths.append(len(tone) / len(augmented))
    assert -3.55 <= min(pitches) < -0.2
    assert 0.2 < max(pitches) <= 3.55
    assert 0.84 <= min(lengths) < max(lengths) <= 1.16


@pytest.mark.parametrize("factor", [2 ** (-2.5 / 12), 2 ** (2.5 / 12)])
def test_formants_move_and_the_pitch_stays(factor: float) -> None:
    """A buzz of 110 Hz through a resonance at 1500 Hz."""
    buzz = np.zeros(2 * RATE)
    buzz[:: round(RATE / 110)] = 0.1
    turn, decay = 2 * math.pi * 1500 / RATE, math.exp(-math.pi * 150 / RATE)
    vowel = lfilter([1], [1, -2 * decay * math.cos(turn), decay**2], buzz).astype(np.float32)
    moved = augment.move_formants(vowel, RATE, factor).astype(np.float32)
    assert len(moved) == len(vowel)

    def formant_hz(samples: NDArray[np.float32]) -> float:
        hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
        near = (hertz > 500) & (hertz < 3500)
        power = np.abs(np.fft.rfft(samples)[near]) ** 2
        return float(np.exp(np.average(np.log(hertz[near]), weights=power)))

    assert formant_hz(moved) / formant_hz(vowel) == pytest.approx(factor, rel=0.05)
    extract = FeatureExtractor(FeatureConfig(descriptors=("log_f0",)))
    assert 200 * 2 ** np.median(extract(moved)) == pytest.approx(110, rel=0.02)


def test_silence_has_no_formants() -> None:
    assert not augment.move_formants(np.zeros(5000, np.float32), RATE, 1.1).any()


def test_a_gain_changes_features_as_playing_louder_does(tone: NDArray[np.float32]) -> None:
    config = FeatureConfig(descriptors=("zcr", "log_rms", "mfcc"))
    extract = FeatureExtractor(config)

    class Plus6dB(np.random.Generator):
        def uniform(self, *args: object) -> NDArray[np.float64]:  # type: ignore[override]
            return np.array([[6.0]])

    varied = augment.vary_level(extract(tone)[None], config, 6.0, Plus6dB(np.random.PCG64()))[0]
    np.testing.assert_allclose(varied, extract(tone * 10 ** (6 / 20)), atol=2e-2)


def test_masks_keep_most_and_shift_all(rng: np.random.Generator) -> None:
    batch = rng.normal(1, 0.1, (200, 108, 22)).astype(np.float32)
    settings = BatchAugmentation(shift_frames=8, time_masks=2, time_mask_frames=16, column_mask=3)
    before = batch.copy()
    masked = augment.mask(batch, settings, rng)
    np.testing.assert_array_equal(batch, before)
    share = (masked == 0).mean()
    assert 0.05 < share < 0.3
    assert ((masked == 0).all(axis=1).sum(axis=1) <= 2).all()  # fewer than 3 columns each
    unmasked = augment.mask(batch, BatchAugmentation(shift_frames=8), rng)
    np.testing.assert_array_equal(np.sort(unmasked, axis=1), np.sort(batch, axis=1))
    assert not np.array_equal(unmasked, batch)


def test_mixup_blends_inputs_and_targets_alike(rng: np.random.Generator) -> None:
    targets = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 32)]
    mixed, mixed_targets = augment.mixup(targets * 2, targets, 0.3, rng)
    np.testing.assert_allclose(mixed, 2 * mixed_targets, rtol=1e-6)
    np.testing.assert_allclose(mixed_targets.sum(axis=1), 1, rtol=1e-6)


def test_another_microphone_is_what_a_filter_does(rng: np.random.Generator) -> None:
    config = FeatureConfig()
    noise = rng.standard_normal(3 * RATE)
    spectrum = np.fft.rfft(noise)
    frequencies = np.fft.rfftfreq(len(noise), 1 / RATE)
    # Each mel band 6 dB louder than the one two octaves below it, about.
    tilted = np.fft.irfft(spectrum * np.maximum(frequencies, 50) ** 0.25, len(noise))
    extract = FeatureExtractor(config)
    features = [extract((0.05 * x / x.std()).astype(np.float32))[4:-4, 2:] for x in (noise, tilted)]
    filtered = (features[1] - features[0]).mean(axis=0)

    batch = np.zeros((400, 5, 22), np.float32)
    moved = augment.equalise(batch, config, 6.0, rng)
    assert not batch.any()
    assert not moved[:, :, :2].any()
    np.testing.assert_array_equal(moved[:, :1].repeat(5, axis=1), moved)
    offsets = moved[moved.any(axis=(1, 2)), 0, 2:]
    assert 160 < len(offsets) < 240
    np.testing.assert_allclose(offsets[:, 0], 0, atol=1e-3)
    # A smooth curve lies in the first coefficients, and a real filter is among what is drawn.
    deviation = offsets.std(axis=0)
    assert deviation[1] > 5 * deviation[12:].max()
    assert (np.abs(filtered[1:8]) < 3 * deviation[1:8]).all()


def test_librosa_is_compiled_before_several_processes_use_it(tmp_path: Path) -> None:
    """Processes that compile at the same time corrupt numba's cache."""
    code = """
import os
from pathlib import Path
import numpy as np
import ser_edge_train.feature_store
from ser_edge_train.augment import augment_wave
from ser_edge_train.recipes import RECIPES
def compiled():
    return sorted(path.name for path in Path(os.environ["NUMBA_CACHE_DIR"]).rglob("guf-*.nbi"))
before = compiled()
rng = np.random.default_rng(0)
for recipe in RECIPES.values():
    augment_wave(np.sin(np.arange(30000) / 9, dtype=np.float32), 22050, recipe.wave, 1, rng, rng)
    augment_wave(np.sin(np.arange(30000) / 9, dtype=np.float32), 22050, recipe.wave, 2, rng, rng)
assert len(before) > 0
assert before == compiled(), compiled()
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
