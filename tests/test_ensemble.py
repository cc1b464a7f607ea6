"""Several networks of a recipe: each by chances of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ser_edge_train import ensemble
from ser_edge_train.feature_store import Windows
from ser_edge_train.fit import Examples
from ser_edge_train.recipes import RECIPES

pytestmark = pytest.mark.training


def test_no_member_has_another_s_chances(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seeds: list[int] = []

    def fit(*_: object, seed: int, **__: object) -> dict[str, list[float]]:
        seeds.append(seed)
        return {}

    monkeypatch.setattr(ensemble, "fit", fit)
    recipe = replace(RECIPES["edge"], members=2)
    features = np.zeros((1, 130, len(recipe.features.columns)), np.float32)
    place = np.zeros(1, np.int64)
    examples = Examples(Windows(features, place, place), np.eye(2, dtype=np.float32)[:1], ("",))
    for seed in range(3):
        ensemble.train_members(recipe, examples, None, seed=seed, scratch=tmp_path)
    assert seeds == list(range(6))
