"""Descriptors compared with librosa; nothing else is computed."""

from unittest import mock

import librosa
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from librosa_features import CORNERS, assert_librosas, librosas, no_complaints, random_signal
from numpy.typing import NDArray
from raising import raises
from test_features_librosa import configs

from ser_edge.errors import AudioError
from ser_edge.features import FeatureConfig, FeatureExtractor
from ser_edge.features.descriptors import DESCRIPTORS

SPECTRAL = ("centroid", "rolloff", "flatness", "log_mel")


def assert_spectral_are_librosas(y: NDArray[np.float32], config: FeatureConfig) -> None:
    # Measured over 1000 configurations: log_mel 2e-5 dB, centroid 4e-8 of the sample rate, flatness
    # 1.7e-6, a step of float32 in the logarithm of the power.
    features = FeatureExtractor(config)(y)
    centroid = 1e-6 * config.sample_rate
    assert_librosas(features, y, config, centroid=centroid, flatness=1e-5, log_mel=1e-3)
    assert_rolloff(features[:, config.columns_of["rolloff"]][:, 0], y, config)


def assert_rolloff(
    found: NDArray[np.float32], y: NDArray[np.float32], config: FeatureConfig
) -> None:
    """Compare with the definition, for in 1 of 250 frames librosa's float32 sum is a bin off."""
    framing = {"n_fft": config.n_fft, "hop_length": config.hop_length, "center": config.center}
    with no_complaints():
        spectra = librosa.stft(y.astype(np.float64), **framing)
    total = np.cumsum(np.abs(spectra).T, axis=1)
    bins = np.rint(found * (config.n_fft / config.sample_rate)).astype(int)
    np.testing.assert_allclose(found, bins * (config.sample_rate / config.n_fft), rtol=1e-6)
    share = total / np.maximum(total[:, -1:], 1e-30)
    share[total[:, -1] == 0] = 1  # librosa's rolloff of silence is the lowest bin
    rows = np.arange(len(bins))
    assert (share[rows, bins] >= 0.85 - 1e-5).all()
    assert (share[rows, bins - 1][bins > 0] <= 0.85 + 1e-5).all()


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(configs(SPECTRAL), st.integers(0, 1 << 32))
def test_any_configuration_is_librosas(config: FeatureConfig, seed: int) -> None:
    y = random_signal(np.random.default_rng(seed), min(8000, 40 * config.hop_length + 100))
    if not config.center:
        y = np.resize(y, max(len(y), config.n_fft))
    assert_spectral_are_librosas(y, config)


@pytest.mark.parametrize("case", sorted(set(CORNERS) - {"denormal"}))
def test_corner_cases_are_librosas(case: str) -> None:
    y = CORNERS[case].astype(np.float32)
    assert_spectral_are_librosas(y, FeatureConfig(descriptors=SPECTRAL))


def test_below_the_range_of_float32_is_silence() -> None:
    """Its squares are zero; librosa, which does not square here, finds a centroid in it."""
    extract = FeatureExtractor(FeatureConfig(descriptors=("centroid", "rolloff", "flatness")))
    quiet = CORNERS["denormal"].astype(np.float32)
    np.testing.assert_array_equal(extract(quiet), extract(np.zeros(2000, np.float32)))


def test_most_rolloffs_are_the_same_number(rng: np.random.Generator) -> None:
    config = FeatureConfig(descriptors=("rolloff",))
    extract = FeatureExtractor(config)
    equal = []
    for _ in range(30):
        y = random_signal(rng)
        equal.extend(extract(y) == librosas(y, config)["rolloff"].astype(np.float32))
    assert np.mean(equal) >= 0.99  # measured: 99.6 %


def test_delta_is_librosas(rng: np.random.Generator) -> None:
    config = FeatureConfig(n_mfcc=13, descriptors=("zcr", "delta"))
    extract = FeatureExtractor(config)
    for _ in range(30):
        y = random_signal(rng)
        y = np.resize(y, max(len(y), 8 * config.hop_length))
        # A tenth of what the MFCC may be away: 1e-4 was measured, librosa's own rounding.
        assert_librosas(extract(y), y, config, zcr=1e-6, delta=5e-4)


def test_delta_needs_nine_frames() -> None:
    extract = FeatureExtractor(FeatureConfig(descriptors=("delta", "mfcc")))
    assert extract(np.ones(8 * 512, np.float32)).shape == (9, 40)
    with raises(AudioError, "8 frames", "delta", source="the array"):
        extract(np.ones(8 * 512 - 1, np.float32))


@pytest.mark.parametrize(
    ("descriptors", "n_transforms", "bands"),
    [
        (("zcr", "rms", "log_rms"), 0, False),
        (SPECTRAL[:3], 3, False),
        (tuple(DESCRIPTORS), 3, True),
    ],
)
def test_only_what_is_asked_for_is_computed_and_once(
    descriptors: tuple[str, ...], n_transforms: int, bands: bool
) -> None:
    extract = FeatureExtractor(FeatureConfig(descriptors=descriptors))
    with mock.patch.object(np.fft, "rfft", wraps=np.fft.rfft) as rfft:
        extract(np.ones(55125, np.float32))
    assert rfft.call_count == n_transforms  # of 36 frames each
    assert bool(extract._groups) == bands
