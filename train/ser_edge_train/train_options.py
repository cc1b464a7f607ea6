"""The options of ``ser-edge train``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ser_edge.checks import check_choice, check_number
from ser_edge.errors import ConfigError
from ser_edge_train.recipes import RECIPES, Recipe
from ser_edge_train.splits import check_protocol


@dataclass(frozen=True)
class TrainOptions:
    """The options of ``ser-edge train``.

    Parameters
    ----------
    recipe : str
        A name in `RECIPES`.
    protocol, fold, test_corpus, train_speakers
        See `ser_edge_train.splits.split_clips`.
    epochs, augmentations, ensemble, retrain : optional
        Replace the recipe's values; see `ser_edge_train.recipes.Recipe`. Retraining doubles the
        time. Protocol ``leaky`` never retrains.
    seed : int
        Seed of split, augmentation, weights and batch order.
    calm_apart : bool
        Whether calm is a label of its own; otherwise it counts as neutral.
    keep_going : bool
        Train even if more than 5 % of the files cannot be used.
    licence : str, optional
        Licence of the data; by default that of each published corpus.

    Raises
    ------
    ConfigError
        If a value is not legal, if values exclude each other, or if the recipe or the protocol
        cannot retrain.
    """

    recipe: str = "edge"
    protocol: str = "speaker"
    fold: int = 0
    test_corpus: str | None = None
    train_speakers: int | None = None
    epochs: int | None = None
    augmentations: int | None = None
    ensemble: int | None = None
    retrain: bool | None = None
    seed: int = 0
    calm_apart: bool = False
    keep_going: bool = False
    licence: str | None = None

    def __post_init__(self) -> None:
        for name in ("fold", "seed"):
            check_number(name, getattr(self, name), 0, integer=True)
        check_protocol(self.protocol, self.test_corpus, self.train_speakers)
        self.chosen_recipe()

    def chosen_recipe(self) -> Recipe:
        """Return the named recipe with these options."""
        check_choice("recipe", self.recipe, RECIPES)
        recipe = RECIPES[self.recipe]
        given = {name: getattr(self, name) for name in ("epochs", "ensemble", "retrain")}
        recipe = replace(recipe, **{k: v for k, v in given.items() if v is not None})
        if self.augmentations is not None:
            recipe = replace(recipe, wave=replace(recipe.wave, augmentations=self.augmentations))
        if self.protocol == "leaky":
            if self.retrain:
                raise ConfigError(
                    "protocol leaky has retrain=True, but its validation clips are its test clips",
                    "leave out --retrain, or choose another --protocol",
                )
            recipe = replace(recipe, retrain=False, zero_tail=recipe.layout == "flat")
        return recipe
