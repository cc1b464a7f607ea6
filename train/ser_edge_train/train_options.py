"""The options of ``ser-edge train``."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ser_edge.checks import check_choice
from ser_edge.errors import ConfigError
from ser_edge_train.recipes import RECIPES, Recipe


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

    def chosen_recipe(self) -> Recipe:
        """Return the named recipe with these options.

        Raises
        ------
        ConfigError
            If the recipe is unknown, or the recipe or the protocol cannot retrain.
        """
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
