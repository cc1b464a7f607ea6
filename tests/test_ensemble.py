"""Training an ensemble."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ser_edge_train import ensemble
from ser_edge_train.feature_store import Windows
from ser_edge_train.parts import Examples
from ser_edge_train.recipes import RECIPES

pytestmark = pytest.mark.training


def test_every_network_has_a_seed_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seeds: list[int] = []

    def fit(*_: object, seed: int, **__: object) -> dict[str, list[float]]:
        seeds.append(seed)
        return {}

    monkeypatch.setattr(ensemble, "fit", fit)
    recipe = replace(RECIPES["edge"], ensemble=2)
    features = np.zeros((1, 130, len(recipe.features.columns)), np.float32)
    place = np.zeros(1, np.int64)
    examples = Examples(Windows(features, place, place), np.eye(2, dtype=np.float32)[:1], ("",))
    for seed in range(3):
        ensemble.train_ensemble(recipe, examples, None, seed=seed, scratch=tmp_path)
    assert seeds == list(range(6))
