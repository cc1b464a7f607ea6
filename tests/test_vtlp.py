"""VTLP and pitch change on features."""

from __future__ import annotations

import numpy as np
import pytest
from librosa import mel_frequencies

from ser_edge.features import FeatureConfig, FeatureExtractor
from ser_edge.features.mel import dct_matrix
from ser_edge_train.recipes import RECIPES
from ser_edge_train.vtlp import vtlp, vtlp_matrix


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.11])
@pytest.mark.parametrize(("fmin", "fmax"), [(0.0, None), (100.0, 8000.0)])
def test_the_matrix_raises_formants(factor: float, fmin: float, fmax: float | None) -> None:
    config = FeatureConfig(fmin=fmin, fmax=fmax)
    hertz = mel_frequencies(config.n_mels + 2, fmin=fmin, fmax=fmax or 11025)[1:-1]
    dct = dct_matrix(config.n_mfcc, config.n_mels)

    def mfcc(formants: list[float]) -> np.ndarray:  # type: ignore[type-arg]
        peaks = [20 * np.exp(-(np.log(hertz / formant) ** 2) / 0.3) for formant in formants]
        return np.asarray((np.sum(peaks, axis=0) - 60) @ dct)

    vowel, raised = [600.0, 1700.0, 2600.0], [f * factor for f in (600.0, 1700.0, 2600.0)]
    wanted, found = mfcc(raised), vtlp_matrix(config, factor) @ mfcc(vowel)
    off = np.abs(wanted - found).max()
    assert off < 3
    assert factor == 1 or off < 0.2 * np.abs(wanted - mfcc(vowel)).max()


def test_each_window_has_a_voice_of_its_own(rng: np.random.Generator) -> None:
    config = RECIPES["edge"].features
    columns = config.columns_of
    window = rng.normal(size=(9, len(config.columns))).astype(np.float32)
    batch = np.repeat(window[None], 300, axis=0)
    before = batch.copy()
    changed = vtlp(batch, config, formants=2.5, pitch=4.0, rng=rng)
    np.testing.assert_array_equal(batch, before)
    for name in ("zcr", "log_rms", "voicing"):
        np.testing.assert_array_equal(changed[..., columns[name]], batch[..., columns[name]])

    ends = [
        np.abs(vtlp_matrix(config, 2 ** (semitones / 12)) @ window[0, columns["mfcc"]])
        for semitones in (-2.5, 2.5)
    ]
    found = changed[:, 0, columns["mfcc"]]
    assert len(np.unique(found.round(4), axis=0)) > 20
    for end in ends:
        assert np.abs(np.abs(found) - end).max(axis=1).min() < 1e-3

    octaves = (changed - batch)[..., columns["log_f0"]] / batch[..., columns["voicing"]]
    np.testing.assert_allclose(octaves, octaves[:, :1].repeat(9, axis=1), atol=1e-3)
    assert octaves.min() < -0.3
    assert octaves.max() > 0.3
    assert np.abs(octaves).max() < 4 / 12 + 1e-3


def test_the_pitch_moves_as_a_higher_voice_s(rng: np.random.Generator) -> None:
    config = FeatureConfig(descriptors=("mfcc", "log_f0", "voicing"))

    def buzz(period: int) -> np.ndarray:  # type: ignore[type-arg]
        samples = 1e-4 * rng.standard_normal(2 * config.sample_rate).astype(np.float32)
        samples[::period] += 0.1
        return FeatureExtractor(config)(samples)[8:-8]

    class ByOctaves(np.random.Generator):
        def uniform(self, *_: object) -> np.ndarray:  # type: ignore[type-arg,override]
            return np.full((1, 1, 1), np.log2(170 / 140))

    low, high = buzz(170), buzz(140)
    chance = ByOctaves(np.random.PCG64())
    changed = vtlp(low[None], config, formants=0, pitch=6.0, rng=chance)[0]
    pitch, mfcc = config.columns_of["log_f0"], config.columns_of["mfcc"]
    assert np.abs(low - high)[:, pitch].min() > 0.2
    np.testing.assert_allclose(changed[:, pitch], high[:, pitch], atol=0.03)
    np.testing.assert_allclose(changed[:, mfcc], low[:, mfcc], atol=1e-3)


def test_other_columns_do_not_change(rng: np.random.Generator) -> None:
    config = FeatureConfig(descriptors=("zcr", "log_f0"))
    batch = rng.normal(size=(5, 9, 2)).astype(np.float32)
    changed = vtlp(batch, config, formants=2.5, pitch=4.0, rng=rng)
    np.testing.assert_array_equal(changed, batch)
