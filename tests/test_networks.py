"""The networks: sizes, standard deviation over time, and ensembles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ser_edge.backends.numeric import NumericModel
from ser_edge_export.keras_graph import graph_of
from ser_edge_train.keras_backend import keras, tf
from ser_edge_train.networks import GlobalStdPooling1D, averaged, build_network
from ser_edge_train.recipes import RECIPES

pytestmark = pytest.mark.training


@pytest.mark.parametrize(
    ("name", "shape", "parameters", "multiply_adds"),
    [
        ("edge", (130, 22), 40_199, 2.34e6),
        ("seed", (2376, 1), 9_946_567, 232e6),
        ("seed-kaggle", (2376, 1), 7_193_223, 2.03e9),
    ],
)
def test_sizes(name: str, shape: tuple[int, int], parameters: int, multiply_adds: float) -> None:
    network = build_network(name, shape, 7)
    assert network.count_params() == parameters
    assert graph_of(network).multiply_adds == pytest.approx(multiply_adds, rel=0.005)


def test_recipes_name_networks() -> None:
    assert {recipe.network for recipe in RECIPES.values()} == {"edge", "seed", "seed-kaggle"}


def test_the_deviation_has_a_gradient_where_a_unit_is_silent(rng: np.random.Generator) -> None:
    values = rng.standard_normal((2, 9, 3)).astype(np.float32)
    values[..., 1] = 0
    x = tf.Variable(values)
    with tf.GradientTape() as tape:
        result = GlobalStdPooling1D()(x)
        total = tf.reduce_sum(result)
    np.testing.assert_allclose(result, values.std(axis=1), atol=2e-5)
    assert np.isfinite(tape.gradient(total, x)).all()


@pytest.fixture(scope="module")
def networks() -> list[Any]:
    keras.utils.set_random_seed(0)
    return [build_network("edge", (130, 22), 7) for _ in range(3)]


def test_an_ensemble_is_averaged(networks: list[Any], rng: np.random.Generator) -> None:
    inputs = rng.standard_normal((4, 130, 22)).astype(np.float32)
    expected = np.mean([one(inputs) for one in networks], axis=0)
    network = averaged(networks)
    np.testing.assert_allclose(network(inputs), expected, atol=1e-6)
    np.testing.assert_allclose(
        NumericModel(graph_of(network), "joined").run(inputs), expected, atol=1e-5
    )
    assert network.count_params() == pytest.approx(3 * networks[0].count_params(), rel=0.001)
    assert averaged(networks[:1]) is networks[0]


def test_a_lone_file_is_opened_by_export(
    networks: list[Any], tmp_path: Path, fresh: Callable[..., Any]
) -> None:
    """In a process that has not yet registered our layer with Keras."""
    networks[0].save(tmp_path / "mine.keras")
    code = (
        "import sys; from pathlib import Path\n"
        "from ser_edge_export.keras_network import KerasNetwork\n"
        "print(KerasNetwork.open(Path(sys.argv[1]), (130, 22), 7).n_parameters)"
    )
    done = fresh(code, tmp_path / "mine.keras")
    assert done.stdout.strip() == str(networks[0].count_params()), done.stderr


def test_an_ensemble_can_be_stored(
    networks: list[Any], tmp_path: Path, rng: np.random.Generator
) -> None:
    network = averaged(networks)
    network.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False)
    inputs = rng.standard_normal((2, 130, 22)).astype(np.float32)
    np.testing.assert_array_equal(again(inputs), network(inputs))
