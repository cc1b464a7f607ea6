"""`ser-edge train`: a network from folders of labelled speech."""

from __future__ import annotations

import argparse

from ser_edge.choices import PROTOCOLS, RECIPES
from ser_edge.cli.options import add_cache, add_json, add_out
from ser_edge.cli.types import folds, jobs, natural, positive


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument
    add(
        "data",
        nargs="+",
        metavar="DATA_DIR",
        help="RAVDESS, CREMA-D, TESS, SAVEE, EMO-DB, a folder with one folder per label, or a CSV",
    )
    add("--recipe", choices=RECIPES, default="edge", help="features and network; default edge")
    add("--seed", type=natural, default=0, metavar="N", help="random seed; default 0")
    add(
        "--keep-going",
        action="store_true",
        help="train even if over 5 %% of the files, or all of a label, cannot be used",
    )
    add("--licence", metavar="TEXT", help="licence of your own data, for the model card")
    add("--jobs", type=jobs, default=-1, metavar="N", help="feature processes; default all cores")
    add_out(parser, "run folder; default runs/RECIPE-PROTOCOL")
    add_cache(parser)
    add_json(parser)

    split = parser.add_argument_group("split")
    add = split.add_argument
    add(
        "--protocol",
        choices=PROTOCOLS,
        default="speaker",
        help="how test clips are split off; default speaker: no test speaker is in training",
    )
    tested = split.add_mutually_exclusive_group()
    add = tested.add_argument
    add("--fold", type=natural, metavar="N", help="number of the test fold; default 0")
    add("--folds", type=folds, metavar="all|0,1,...", help="cross-validate: one run for each fold")
    add = split.add_argument
    add("--seeds", type=positive, default=1, metavar="N", help="runs for each fold; default 1")
    add("--test-corpus", metavar="NAME", help="test corpus of --protocol corpus")
    add(
        "--train-speakers",
        type=positive,
        metavar="N",
        help="use only N training speakers, to see what more speakers gain",
    )
    add("--calm", action="store_true", help="keep calm apart from neutral")

    training = parser.add_argument_group("training", "Without these, as in the recipe.")
    add = training.add_argument
    add("--epochs", type=positive, metavar="N", help="passes over the training clips")
    add("--augmentations", type=natural, metavar="N", help="augmented copies of each clip")
    add("--ensemble", type=positive, metavar="N", help="networks that are averaged into one")
    add(
        "--retrain",
        action=argparse.BooleanOptionalAction,
        help="at the end, retrain on training + validation speakers",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train, and print the report."""
    from ser_edge_train.command import train_command

    train_command(arguments)
    return 0
