"""Features of sliding windows are those of the windows, however the signal comes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raising import raises

from ser_edge import ConfigError, FeatureConfig, FeatureExtractor
from ser_edge.features.rolling import RollingFeatures


@st.composite
def cases(draw: st.DrawFn) -> tuple[FeatureConfig, int, int]:
    hop_length, n_fft = draw(st.integers(50, 600)), 2 * draw(st.integers(64, 600))
    descriptors = [("zcr", "log_rms", "mfcc"), ("rms",), ("log_mel", "delta")]
    if n_fft >= 268:  # two periods of 120 Hz
        descriptors.append(("log_f0", "voicing", "mfcc"))
    config = FeatureConfig(
        sample_rate=16000,
        n_fft=n_fft,
        hop_length=hop_length,
        center=draw(st.booleans()),
        n_mels=draw(st.integers(20, 64)),
        n_mfcc=13,
        descriptors=draw(st.sampled_from(descriptors)),
    )
    n_samples = draw(st.integers(max(6000, config.n_fft), 9000))
    return config, n_samples, draw(st.integers(1, (n_samples - 1) // hop_length))


@given(cases(), st.integers(0, 2**32 - 1), st.lists(st.integers(1, 9000), min_size=1, max_size=9))
@settings(max_examples=60)
def test_windows_are_as_if_they_stood_alone(
    case: tuple[FeatureConfig, int, int], seed: int, pieces: list[int]
) -> None:
    config, n_samples, hop_frames = case
    rng = np.random.default_rng(seed)
    signal = (0.3 * rng.standard_normal(n_samples + 4 * hop_frames * config.hop_length)).astype("f")
    signal *= np.exp(3 * np.sin(np.arange(len(signal)) / 3000) - 3).astype(np.float32)
    extract = FeatureExtractor(config)
    rolling = RollingFeatures(extract, n_samples, hop_frames)
    windows = []
    for start, window, features in rolling.feed(signal):
        np.testing.assert_array_equal(window, signal[start:][:n_samples])
        windows.append((start, features))
    assert [start for start, _ in windows] == [n * rolling.hop_samples for n in range(5)]
    for start, features in windows:
        alone = extract(signal[start:][:n_samples])
        np.testing.assert_allclose(features, alone, rtol=1e-5, atol=2e-4)

    rolling.restart()
    again = [w for part in np.split(signal, np.cumsum(pieces)) for w in rolling.feed(part)]
    for (start, one), (same, _, other) in zip(windows, again, strict=True):
        assert start == same
        np.testing.assert_array_equal(one, other)

    rolling.restart()
    first = n_samples + hop_frames * config.hop_length
    list(rolling.feed(signal[:first]))
    [(start, _, last)] = rolling.feed(signal[first:], latest=True)
    assert start == windows[-1][0]
    np.testing.assert_allclose(last, windows[-1][1], rtol=1e-5, atol=2e-4)


def test_no_frame_is_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    config = FeatureConfig()
    extract = FeatureExtractor(config)
    rows: dict[str, list[int]] = {"_fill_frames": [], "_fill_bands": []}

    def count(step: str) -> None:
        original = getattr(FeatureExtractor, step)

        def counted(self: FeatureExtractor, *arguments: np.ndarray) -> None:  # type: ignore[type-arg]
            rows[step].append(len(arguments[1]))
            original(self, *arguments)

        monkeypatch.setattr(FeatureExtractor, step, counted)

    count("_fill_frames")
    count("_fill_bands")
    rolling = RollingFeatures(extract, 55125, hop_frames=11)
    list(rolling.feed(np.ones(55125 + 20 * 11 * 512, np.float32)))
    # A hop's 11 frames, 2 at each edge, and 3 between the parts.
    assert rows["_fill_frames"] == [108, *[18] * 20]
    # The window's loudest band stays the same.
    assert rows["_fill_bands"] == [108, *[18] * 20]


@pytest.mark.parametrize("hop_frames", [0, 108])
def test_windows_have_to_overlap(hop_frames: int) -> None:
    with raises(ConfigError, 55125, hop_frames * 512):
        RollingFeatures(FeatureExtractor(), 55125, hop_frames)
