"""Train an ensemble: several networks of a recipe with different seeds, averaged into one."""

from __future__ import annotations

from pathlib import Path

from ser_edge.frontend import InputConfig
from ser_edge_train.backup import History
from ser_edge_train.fit import fit, standardisation
from ser_edge_train.keras_backend import keras, set_seed
from ser_edge_train.networks import averaged, build_network
from ser_edge_train.parts import Examples
from ser_edge_train.recipes import Recipe


def train_ensemble(
    recipe: Recipe, training: Examples, validation: Examples | None, *, seed: int, scratch: Path
) -> tuple[keras.Model, InputConfig, list[History]]:
    """Train the networks of a recipe and average them into one.

    The training part also standardises the input. `validation` is None for retraining. `scratch`
    is a folder for backups, as for `ser_edge_train.fit.fit`. Networks of different seeds never
    share a random seed.

    Returns
    -------
    network : keras.Model
    config : InputConfig
    histories : list of dict
        One for each network.
    """
    config = standardisation(training.windows, recipe)
    networks, histories = [], []
    for number in range(recipe.ensemble):
        own_seed, own_scratch = seed * recipe.ensemble + number, scratch / f"network{number}"
        set_seed(own_seed)
        network = build_network(recipe.network, config.shape, training.targets.shape[1])
        own_scratch.mkdir(parents=True, exist_ok=True)
        verb = "training" if validation else "retraining"
        history = fit(
            network,
            recipe,
            config,
            training,
            validation,
            seed=own_seed,
            scratch=own_scratch,
            title=f"{verb} network {number + 1} of {recipe.ensemble}",
        )
        histories.append(history)
        networks.append(network)
    return averaged(networks), config, histories
