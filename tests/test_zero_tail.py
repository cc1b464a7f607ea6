"""The published code's vectors of short clips, which only protocol leaky gets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from raising import raises

from ser_edge.errors import AudioError
from ser_edge.features import FeatureConfig, FeatureExtractor, flatten
from ser_edge.window import WindowConfig
from ser_edge_train.train_options import TrainOptions
from ser_edge_train.zero_tail import ZeroTailed

CONFIG = FeatureConfig()
WINDOW = WindowConfig(duration_s=2.5, hop_s=1.25, placement="offset", offset_s=0.6)
RATE = CONFIG.sample_rate


def noise(seconds: float) -> NDArray[Any]:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def test_a_short_clip_is_shifted_and_has_a_tail_of_zeros() -> None:
    samples = noise(2.0)
    features, starts = ZeroTailed(CONFIG, WINDOW)(samples)
    assert features.shape == (1, 108, 22)
    assert starts.tolist() == [round(0.6 * RATE)]
    (vector,) = flatten(features, CONFIG)
    # Zero crossings, RMS and MFCC of the 1.4 s that are left, one behind the other.
    of_frames = FeatureExtractor(CONFIG)(samples[starts[0] :])
    expected = np.concatenate([of_frames[:, 0], of_frames[:, 1], of_frames[:, 2:].ravel()])
    assert len(of_frames) == 61
    np.testing.assert_array_equal(vector[: 61 * 22], expected)
    assert not vector[61 * 22 :].any()


def test_a_long_clip_is_as_ever() -> None:
    samples = noise(4.0)
    features, starts = ZeroTailed(CONFIG, WINDOW)(samples)
    window = samples[starts[0] : starts[0] + WINDOW.n_samples(RATE)]
    np.testing.assert_array_equal(features[0], FeatureExtractor(CONFIG)(window))


def test_a_clip_that_ends_before_the_window() -> None:
    with raises(AudioError, "11025"):
        ZeroTailed(CONFIG, WINDOW)(noise(0.5))


@pytest.mark.parametrize("recipe", ["edge", "seed", "seed-kaggle"])
@pytest.mark.parametrize("protocol", ["leaky", "clip", "speaker"])
def test_who_gets_them(recipe: str, protocol: str) -> None:
    chosen = TrainOptions(recipe=recipe, protocol=protocol).chosen_recipe()
    assert chosen.zero_tail == (protocol == "leaky" and recipe != "edge")
    assert type(chosen).from_dict(chosen.to_dict()) == chosen
    usual = TrainOptions(recipe=recipe, retrain=chosen.retrain).chosen_recipe()
    assert replace(chosen, zero_tail=False) == usual
