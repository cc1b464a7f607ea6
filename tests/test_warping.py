"""Networks that hear voices with another vocal tract."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from librosa import mel_frequencies

from ser_edge.errors import ConfigError
from ser_edge.features import FeatureConfig
from ser_edge.features.mel import dct_matrix
from ser_edge.frontend import InputConfig
from ser_edge_train.networks import averaged, build_network
from ser_edge_train.recipes import RECIPES, Recipe
from ser_edge_train.warping import warp_matrix, warped

pytestmark = pytest.mark.training

EDGE = RECIPES["edge"]


@pytest.fixture
def config(rng: np.random.Generator) -> InputConfig:
    n = len(EDGE.features.columns)
    mean, scale = rng.normal(0, 50, n), rng.uniform(1, 100, n)
    return InputConfig(
        EDGE.features, EDGE.window, EDGE.layout, tuple(mean.tolist()), tuple(scale.tolist())
    )


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
    wanted, found = mfcc(raised), warp_matrix(config, factor) @ mfcc(vowel)
    off = np.abs(wanted - found).max()
    assert off < 3
    assert factor == 1 or off < 0.2 * np.abs(wanted - mfcc(vowel)).max()


def test_a_warped_network_hears_what_the_features_would_be(
    config: InputConfig, rng: np.random.Generator
) -> None:
    network = build_network("edge", config.shape, 4)
    scale = np.asarray(config.scale)
    windows = np.asarray(config.mean) + scale * rng.normal(size=(3, *config.shape))
    raised = windows.copy()
    columns = config.features.columns_of["mfcc"]
    mean = np.asarray(config.mean)[columns]
    matrix = warp_matrix(config.features, 1.11)
    raised[..., columns] = mean + (raised[..., columns] - mean) @ matrix.T
    here, there = (
        config.network_inputs(features.astype(np.float32)) for features in (windows, raised)
    )
    copy = warped(network, config, 1.11)
    np.testing.assert_allclose(copy.predict(here), network.predict(there), atol=1e-4)
    assert np.abs(network.predict(here) - network.predict(there)).max() > 1e-2
    assert warped(network, config, 1.0) is network
    both = averaged([network, copy]).predict(here)
    np.testing.assert_allclose(both, (network.predict(here) + copy.predict(here)) / 2, atol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"warps": ()},
        {"warps": (1.0, 0.0)},
        {"warps": (1.0, 1.1), "network": "seed"},
        {"warps": (1.0, 1.1), "features": FeatureConfig(descriptors=("zcr",))},
    ],
)
def test_what_cannot_be_warped_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="warps="):
        replace(EDGE, **settings)


def test_warps_are_stored() -> None:
    recipe = RECIPES["edge-max"]
    assert len(recipe.warps) == 2
    stored = recipe.to_dict()
    assert Recipe.from_dict({**stored, "warps": list(recipe.warps)}) == recipe
    del stored["warps"]  # as before there were any
    assert Recipe.from_dict(stored).warps == (1.0,)
