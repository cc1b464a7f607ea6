"""Training batches: each augmentation of a recipe changes its own columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ser_edge_train.feature_store import Windows
from ser_edge_train.fit import Batches, standardisation
from ser_edge_train.parts import Examples
from ser_edge_train.recipes import RECIPES, BatchAugmentation

pytestmark = pytest.mark.training

PLAIN = replace(RECIPES["edge"], batch=BatchAugmentation(), batch_size=8)
COLUMNS = PLAIN.features.columns
EVERY = set(COLUMNS)
MFCC = {name for name in COLUMNS if name.startswith("mfcc")}


@pytest.fixture
def examples(rng: np.random.Generator) -> Examples:
    features = rng.normal(size=(64, 130, len(COLUMNS))).astype(np.float32)
    clips = np.arange(64)
    targets = np.eye(8, dtype=np.float32)[clips % 8]
    return Examples(Windows(features, clips, 0 * clips), targets, ("01", "02") * 32)


def drawn(examples: Examples, augmentation: BatchAugmentation) -> list[tuple[np.ndarray, ...]]:  # type: ignore[type-arg]
    recipe = replace(PLAIN, batch=augmentation)
    batches = Batches(examples, standardisation(examples.windows, recipe), recipe, seed=3)
    return [batches[number] for number in range(len(batches))]


@pytest.mark.parametrize(
    ("augmentation", "changed"),
    [
        ({}, set()),
        ({"speaker_normalised": 1.0}, EVERY),
        ({"formants": 2.5}, MFCC),
        ({"pitch": 4.0}, {"log_f0"}),
        ({"equaliser_db": 6.0}, MFCC - {"mfcc0"}),
        ({"gain_db": 6.0}, {"log_rms", "mfcc0"}),
        ({"shift_frames": 8}, EVERY),
        ({"time_masks": 2, "time_mask_frames": 16}, EVERY),
        ({"column_mask": 12}, EVERY),
        ({"mixup": 0.3}, EVERY),
    ],
)
def test_an_augmentation_changes_its_columns(
    examples: Examples, augmentation: dict[str, float], changed: set[str]
) -> None:
    plain, augmented = (
        drawn(examples, BatchAugmentation(**settings))  # type: ignore[arg-type]
        for settings in ({}, augmentation)
    )
    inputs, others = (np.concatenate([batch[0] for batch in side]) for side in (plain, augmented))
    differing = np.abs(others - inputs).max(axis=(0, 1)) > 1e-3
    assert {name for name, differs in zip(COLUMNS, differing, strict=True) if differs} == changed
    targets, mixed = (np.concatenate([batch[1] for batch in side]) for side in (plain, augmented))
    assert np.array_equal(targets, mixed) == ("mixup" not in augmentation)


def test_every_epoch_is_different_and_repeatable(examples: Examples) -> None:
    recipe = RECIPES["edge"]
    batches = Batches(examples, standardisation(examples.windows, recipe), recipe, seed=3)
    first = batches[0][0]
    batches.start_epoch(1)
    assert not np.array_equal(batches[0][0], first)
    batches.start_epoch(0)
    np.testing.assert_array_equal(batches[0][0], first)
