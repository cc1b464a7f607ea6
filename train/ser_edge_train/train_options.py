"""What ``ser-edge train`` takes beside the data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ser_edge.errors import ConfigError
from ser_edge_train.recipes import RECIPES, Recipe


@dataclass(frozen=True)
class TrainOptions:
    """What ``ser-edge train`` takes beside the data.

    Parameters
    ----------
    recipe : str
        A name in `RECIPES`.
    protocol, fold, test_corpus, train_speakers
        See `ser_edge_train.splits.split_clips`.
    epochs, copies, members : int, optional
        Instead of the recipe's: how long to train, altered copies of each training clip, and
        networks averaged in one.
    refit : bool, optional
        Instead of the recipe's: whether the validation speakers are trained on as well, once they
        have given temperature and what adaptation rests on; takes twice as long. The protocol
        ``leaky`` has none.
    seed : int
        Decides split, augmentation, weights and order.
    calm_apart : bool
        Whether calm is a label of its own, and does not count as neutral.
    keep_going : bool
        Train even where more than 5 % of the files cannot be used.
    licence : str, optional
        Terms of the data, instead of those that are known of the corpora.
    """

    recipe: str = "edge"
    protocol: str = "speaker"
    fold: int = 0
    test_corpus: str | None = None
    train_speakers: int | None = None
    epochs: int | None = None
    copies: int | None = None
    members: int | None = None
    refit: bool | None = None
    seed: int = 0
    calm_apart: bool = False
    keep_going: bool = False
    licence: str | None = None

    def chosen_recipe(self) -> Recipe:
        """Return the recipe with what is asked for instead of its own.

        A published one cuts its vectors as its code does, but only where the protocol is too.

        Raises
        ------
        ConfigError
            If there is no recipe of that name, or it, or the protocol, cannot be refitted.
        """
        if self.recipe not in RECIPES:
            raise ConfigError(f"recipe={self.recipe!r}; expected one of {', '.join(RECIPES)}")
        recipe = RECIPES[self.recipe]
        asked = {name: getattr(self, name) for name in ("epochs", "members", "refit")}
        recipe = replace(recipe, **{k: v for k, v in asked.items() if v is not None})
        if self.copies is not None:
            recipe = replace(recipe, wave=replace(recipe.wave, copies=self.copies))
        if self.protocol == "leaky":
            if self.refit:
                raise ConfigError(
                    "protocol leaky cannot be refitted: its validation clips are its test clips; "
                    "leave out --refit, or take another --protocol"
                )
            recipe = replace(recipe, refit=False, zero_tail=recipe.layout == "flat")
        return recipe
