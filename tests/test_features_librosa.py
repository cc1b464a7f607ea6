"""ZCR, RMS and MFCC against live librosa: random signals, every legal setting, corner cases."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from librosa_features import CORNERS, assert_librosas, librosas, random_signal

from ser_edge.features import FeatureConfig, FeatureExtractor, frames


def test_random_signals_are_librosas(rng: np.random.Generator) -> None:
    extract = FeatureExtractor()
    for _ in range(100):
        y = random_signal(rng)
        assert_librosas(extract(y), y, extract.config)


@pytest.mark.parametrize("n_fft", [2048, 511])
@pytest.mark.parametrize("case", CORNERS)
def test_corner_cases_are_librosas(case: str, n_fft: int) -> None:
    extract = FeatureExtractor(FeatureConfig(n_fft=n_fft))
    y = CORNERS[case].astype(np.float32)
    assert_librosas(extract(y), y, extract.config)


@st.composite
def configs(
    draw: st.DrawFn, descriptors: tuple[str, ...] = ("zcr", "rms", "mfcc")
) -> FeatureConfig:
    """Every legal setting, with usual and awkward values more often than others."""
    rate = draw(st.sampled_from([8000, 16000, 22050, 24414, 48000]) | st.integers(8000, 192000))
    length = st.integers(1, 14).map(lambda power: 2**power) | st.integers(2, 16384)
    n_fft = draw(st.sampled_from([2, 3, 255, 400, 2048, 2049]) | length)
    n_mels = draw(st.sampled_from([13, 40, 128]) | st.integers(1, 512))
    fmin = draw(st.just(0.0) | st.floats(0, rate / 2 - 1.01))
    return FeatureConfig(
        sample_rate=rate,
        n_fft=n_fft,
        hop_length=draw(st.sampled_from([1, max(1, n_fft // 4), n_fft]) | length),
        n_mfcc=draw(st.integers(1, n_mels)),
        n_mels=n_mels,
        fmin=fmin,
        fmax=draw(st.none() | st.floats(fmin + 1.001, rate / 2)),
        center=draw(st.booleans()),
        descriptors=descriptors,
    )


@settings(max_examples=500, suppress_health_check=list(HealthCheck))
@given(configs(), st.integers(0, 1 << 32), st.sampled_from([1, 10000, frames._PIECE]))
def test_any_configuration_is_librosas(config: FeatureConfig, seed: int, piece: int) -> None:
    most = min(8000, 40 * config.hop_length + 100)
    y = random_signal(np.random.default_rng(seed), most)
    if not config.center:
        y = np.resize(y, max(len(y), config.n_fft))
    with mock.patch.object(frames, "_PIECE", piece):
        features = FeatureExtractor(config)(y)
    assert features.shape == (config.n_frames(len(y)), len(config.columns))
    assert_librosas(features, y, config, zcr=1e-6, rms=1e-6)

    # In 2 of 2500 configurations librosa's MFCC were more than 1e-3 from ours: energy that lies
    # outside the mel bands leaves noise in them through its float32 transform. They are then as far
    # from its own of float64 samples, and ours are not: 1.5e-4 was the most.
    mfcc = features[:, config.columns_of["mfcc"]]
    far = np.abs(mfcc - librosas(y, config)["mfcc"]) > 1e-3
    if far.any():
        exact = librosas(y.astype(np.float64), config)["mfcc"]
        np.testing.assert_allclose(mfcc[far], exact[far], rtol=0, atol=5e-4)
