"""Several networks of a recipe, trained by other chances and averaged in one."""

from __future__ import annotations

from pathlib import Path

from ser_edge.frontend import InputConfig
from ser_edge_train.fit import Examples, History, fit, standardisation
from ser_edge_train.keras_backend import keras, set_seed
from ser_edge_train.networks import averaged, build_network
from ser_edge_train.recipes import Recipe


def train_members(
    recipe: Recipe, training: Examples, validation: Examples | None, *, seed: int, scratch: Path
) -> tuple[keras.Model, InputConfig, list[History]]:
    """Train as many as the recipe has, and join them.

    Parameters
    ----------
    recipe : Recipe
        What they are and how they are trained.
    training : Examples
        The windows; the input is standardised by them.
    validation : Examples or None
        Originals, to be measured on after each epoch.
    seed : int
        Members are numbered on from seed to seed, so that no two have the same chances.
    scratch : Path
        Folder for what is needed to go on after a break; see `ser_edge_train.fit.fit`.

    Returns
    -------
    network : keras.Model
    config : InputConfig
    histories : list of dict
        Of each member.
    """
    config = standardisation(training.windows, recipe)
    members, histories = [], []
    for number in range(recipe.members):
        own_seed, own_scratch = seed * recipe.members + number, scratch / f"member{number}"
        set_seed(own_seed)
        member = build_network(recipe.network, config.shape, training.targets.shape[1])
        own_scratch.mkdir(parents=True, exist_ok=True)
        again = "" if validation else " again"
        history = fit(
            member,
            recipe,
            config,
            training,
            validation,
            seed=own_seed,
            scratch=own_scratch,
            title=f"training network {number + 1} of {recipe.members}{again}",
        )
        histories.append(history)
        members.append(member)
    return averaged(members), config, histories
