"""A training that continues from a backup ends with the same bits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser_edge_train import backup, fit
from ser_edge_train.backup import load_arrays, save_arrays, set_variables
from ser_edge_train.feature_store import Windows
from ser_edge_train.keras_backend import keras, set_seed
from ser_edge_train.networks import build_network
from ser_edge_train.parts import Examples
from ser_edge_train.recipes import RECIPES, Recipe

pytestmark = pytest.mark.training

EPOCHS = 8
EDGE = replace(RECIPES["edge"], epochs=EPOCHS, batch_size=8, retrain=False)
PATIENT = replace(EDGE, optimizer="rmsprop", learning_rate=1e-2, weight_decay=0.0, patience=3)


def random_examples(seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(24, 130, len(EDGE.features.columns))).astype(np.float32)
    clips = np.arange(24)
    targets = np.eye(4, dtype=np.float32)[rng.integers(4, size=24)]
    return Examples(Windows(features, clips, 0 * clips), targets, ("01", "02") * 12)


def trained(recipe: Recipe, scratch: Path) -> tuple[list[Any], backup.History]:
    """Train; return the weights and the history."""
    # What is learned is wrong in validation, so early stopping and the learning rate's reduction
    # have something to count.
    training = random_examples(1)
    validation = replace(training, targets=np.roll(training.targets, 1, axis=1))
    config = fit.standardisation(training.windows, recipe)
    set_seed(3)
    network = build_network("edge", training.windows.features.shape[1:], 4)
    scratch.mkdir(exist_ok=True)
    history = fit.fit(
        network, recipe, config, training, validation, seed=3, scratch=scratch, title="test"
    )
    return network.get_weights(), history


@pytest.fixture(scope="module", params=[EDGE, PATIENT], ids=["edge", "patient"])
def uninterrupted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Recipe, list[Any], backup.History]:
    return request.param, *trained(request.param, tmp_path_factory.mktemp("uninterrupted"))


def test_the_patient_recipe_stops_early_at_a_lower_rate(
    uninterrupted: tuple[Recipe, list[Any], backup.History],
) -> None:
    recipe, _, history = uninterrupted
    if recipe is PATIENT:
        assert len(history["epoch"]) < EPOCHS
        assert history["learning_rate"][-1] < history["learning_rate"][0]
    else:
        assert history["epoch"] == list(range(EPOCHS))


@pytest.mark.parametrize("last", [0, 2])
def test_every_bit_is_the_same(
    uninterrupted: tuple[Recipe, list[Any], backup.History],
    last: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Interrupt after the backup of an epoch."""
    recipe, weights, history = uninterrupted

    def interrupted(path: Path, arrays: Any) -> None:
        save_arrays(path, arrays)
        if len(arrays["history.epoch"]) == last + 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(backup, "BACKUP_S", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(backup, "save_arrays", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(recipe, tmp_path)
    again, continued = trained(recipe, tmp_path)
    assert continued == history
    for one, other in zip(again, weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_finished_training_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, history = trained(EDGE, tmp_path)
    monkeypatch.setattr(keras.Model, "fit", None)
    again, same = trained(EDGE, tmp_path)
    assert same == history
    for one, other in zip(again, weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("damage", ["empty", "cut", "object"])
def test_a_damaged_file_has_no_arrays(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "backup.npz"
    save_arrays(path, {"variable0": np.arange(100.0)})
    np.testing.assert_array_equal(load_arrays(path)["variable0"], np.arange(100.0))
    content = path.read_bytes()
    if damage == "object":
        np.savez(path, variable0=np.array([None]))
    else:
        path.write_bytes(content[: len(content) // 2 if damage == "cut" else 0])
    assert load_arrays(path) == {}


def test_arrays_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    variable = keras.Variable(np.ones(3))
    for shape in (2, (3, 1)):
        assert not set_variables([variable], {"variable0": np.zeros(shape)})
    assert not set_variables([variable], load_arrays(tmp_path / "none.npz"))
    np.testing.assert_array_equal(variable.numpy(), 1)
    assert set_variables([variable], {"variable0": np.zeros(3)})
    np.testing.assert_array_equal(variable.numpy(), 0)
