"""From samples to the network's input: one path, for training and device."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from raising import raises

from ser_edge.errors import AudioError, ConfigError
from ser_edge.features import FeatureConfig, FeatureExtractor
from ser_edge.frontend import MAX_PEAK, MIN_PEAK, Frontend, InputConfig
from ser_edge.window import WindowConfig

FEATURES = FeatureConfig(n_mfcc=3)
WINDOW = WindowConfig(duration_s=0.5, hop_s=0.25)
SEQUENCE = InputConfig(
    FEATURES, WINDOW, "sequence", mean=(0.1, 0.2, -300, 50, 0), scale=(0.1, 0.2, 100, 40, 25)
)
FLAT = InputConfig(FEATURES, WINDOW, "flat", tuple(range(110)), tuple(range(1, 111)))


def test_each_window_has_the_features_of_its_own_samples(rng: np.random.Generator) -> None:
    clip = rng.uniform(-0.5, 0.5, 20000).astype(np.float32)
    features, starts = Frontend(FEATURES, WINDOW)(clip)
    assert len(starts) == 3
    for window, start in zip(features, starts, strict=True):
        expected = FeatureExtractor(FEATURES)(clip[start : start + 11025])
        np.testing.assert_array_equal(window, expected)


def test_a_short_clip_is_repeated(rng: np.random.Generator) -> None:
    clip = rng.uniform(-0.5, 0.5, 3000).astype(np.float32)
    features, starts = Frontend(FEATURES, WINDOW)(clip)
    assert starts.tolist() == [0]
    np.testing.assert_array_equal(features[0], FeatureExtractor(FEATURES)(np.resize(clip, 11025)))


def test_inputs_are_standardised_by_column_or_by_element(rng: np.random.Generator) -> None:
    clip = rng.uniform(-0.5, 0.5, 20000).astype(np.float32)
    features, _ = Frontend(FEATURES, WINDOW)(clip)
    assert SEQUENCE.window_shape == (22, 5)
    inputs = SEQUENCE.network_inputs(features)
    assert inputs.shape == (3, *SEQUENCE.shape) == (3, 22, 5)
    assert inputs.dtype == np.float32
    expected = (features - np.array(SEQUENCE.mean)) / np.array(SEQUENCE.scale)
    np.testing.assert_allclose(inputs, expected, rtol=1e-5, atol=1e-5)

    inputs = FLAT.network_inputs(features)
    assert inputs.shape == (3, *FLAT.shape) == (3, 110, 1)
    vector = FeatureExtractor(FEATURES).flat(clip[:11025])
    expected = (vector - np.arange(110)) / np.arange(1, 111)
    np.testing.assert_allclose(inputs[0, :, 0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("peak", [0.0, 0.99 * MIN_PEAK])
def test_silence_is_refused(peak: float) -> None:
    with raises(AudioError, f"{peak:.2g}", MIN_PEAK):
        Frontend(FEATURES, WINDOW)(np.full(5000, peak, np.float32))


@pytest.mark.parametrize("peak", [1.01 * MAX_PEAK, 32767.0, 3e38])
def test_samples_beyond_full_scale_are_refused(peak: float) -> None:
    with raises(AudioError, f"{peak:.4g}"):
        Frontend(FEATURES, WINDOW)(np.array([0, -peak] * 3000, np.float32))


@pytest.mark.parametrize("peak", [1.01 * MIN_PEAK, 0.99 * MAX_PEAK])
def test_levels_between_are_not(peak: float) -> None:
    features, _ = Frontend(FEATURES, WINDOW)(np.array([0, -peak] * 3000, np.float32))
    assert np.isfinite(features).all()


def test_no_samples_are_refused() -> None:
    with raises(AudioError, "silent"):
        Frontend(FEATURES, WINDOW)(np.zeros(0, np.float32))


@pytest.mark.parametrize(
    ("change", "values"),
    [
        ({"layout": "cube"}, ["layout='cube'"]),
        ({"layout": ["flat"]}, ["layout=['flat']"]),
        ({"mean": (0.0,) * 4}, ["mean", 4, 5]),
        ({"scale": ()}, ["scale", 0, 5]),
        ({"mean": (0, 0, np.nan, 0, 0)}, ["mean[2]=nan"]),
        ({"mean": (0, 0, -1e300, 0, 0)}, ["mean[2]=-1e+300"]),
        ({"mean": ("0",) * 5}, ["mean[0]='0'"]),
        ({"scale": (1, 1, 1, 1, 0)}, ["scale[4]=0"]),
        ({"scale": (1, 1, -1, 1, 1)}, ["scale[2]=-1"]),
        ({"scale": (1, 1, np.inf, 1, 1)}, ["scale[2]=inf"]),
        ({"scale": (1, 1, 1e-300, 1, 1)}, ["scale[2]=1e-300"]),
        ({"scale": (1, 1, 10**400, 1, 1)}, ["scale[2]=1000"]),
        ({"layout": "flat"}, ["mean", 5, 110]),
        ({"features": replace(FEATURES, n_fft=16384, center=False)}, ["0 frames"]),
        (
            {
                "features": replace(FEATURES, sample_rate=192000, hop_length=1),
                "window": WindowConfig(duration_s=60),
            },
            ["11520001 frames", 6553],
        ),
    ],
)
def test_illegal_settings_are_named(change: dict[str, Any], values: list[object]) -> None:
    with raises(ConfigError, *values):
        replace(SEQUENCE, **change)


def test_settings_survive_a_dictionary() -> None:
    assert InputConfig.from_dict(asdict(FLAT)) == FLAT
    for missing in asdict(FLAT):
        settings = asdict(FLAT)
        del settings[missing]
        with raises(ConfigError, repr(missing)):
            InputConfig.from_dict(settings)
