"""`ser-edge train --folds`: a run for each fold and seed, in one folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from joblib import Parallel, delayed

from ser_edge_train.dataset import Dataset, all_windows, load_dataset
from ser_edge_train.feature_store import FeatureStore, Windows
from ser_edge_train.folders import reserved
from ser_edge_train.folds import n_folds
from ser_edge_train.interrupts import certain_interrupt
from ser_edge_train.progress import tracked
from ser_edge_train.recipes import Recipe
from ser_edge_train.report import write_report
from ser_edge_train.run import Run
from ser_edge_train.splits import Split
from ser_edge_train.summary import Summary
from ser_edge_train.train import (
    TrainOptions,
    augmented_clips,
    disk_errors,
    resumed_folder,
    split_dataset,
    train_split,
)


def cross_validate(
    sources: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    options: TrainOptions,
    *,
    folds: Sequence[int] | None = None,
    seeds: int = 1,
    cache: Path | None = None,
    jobs: int = -1,
    overwrite: bool = False,
) -> list[Run]:
    """Train a network for each fold and seed.

    After an interruption, the same call continues with the unfinished runs.

    Parameters
    ----------
    sources, cache, overwrite
        See `ser_edge_train.train.train`.
    out : path
        The folder to write, with run folders ``fold0-seed0`` and so on.
    options : TrainOptions
        Recipe and protocol; its seed is the first one. All runs share the same augmentations.
    folds : sequence of int, optional
        The folds to test; by default all, so that every clip is tested once per seed.
    seeds : int > 0
        Networks for each fold.
    jobs : int
        Processes, each training with one thread; -1 is one per core.

    Returns
    -------
    runs : list of Run
        Ordered by fold, then seed.

    Raises
    ------
    SerEdgeError, ConfigError
        See `ser_edge_train.train.train`.
    """
    out = Path(out)
    recipe = options.chosen_recipe()
    with reserved(out, overwrite=overwrite), certain_interrupt():
        store = FeatureStore(recipe, cache, options.seed, jobs)
        dataset = load_dataset(
            sources, store, keep_going=options.keep_going, calm_apart=options.calm_apart
        )
        if folds is None:
            folds = range(n_folds(dataset.clips, options.protocol, seed=options.seed))
        cases = [
            replace(options, fold=fold, seed=options.seed + seed)
            for fold in folds
            for seed in range(seeds)
        ]
        splits = [split_dataset(dataset, recipe, case) for case in cases]
        augmented = sorted({clip for split in splits for clip in augmented_clips(split, recipe)})
        windows = all_windows(dataset, store, augmented)
        with disk_errors(out), resumed_folder(out, dataset, options) as folder:
            tasks = (
                delayed(_train_one)(dataset, split, windows, recipe, case, folder)
                for split, case in zip(splits, cases, strict=True)
            )
            done = Parallel(n_jobs=jobs, return_as="generator")(tasks)
            names = list(tracked(done, "training", len(cases)))
            # The interrupted command may have named other folds and seeds.
            for other in folder.iterdir():
                if other.is_file():
                    other.unlink()
                elif other.name not in names:
                    shutil.rmtree(other)
            write_report(folder, [Summary.of([Run.open(folder / name) for name in names])])
    return [Run.open(out / name) for name in names]


def _train_one(
    dataset: Dataset,
    split: Split,
    windows: Windows,
    recipe: Recipe,
    options: TrainOptions,
    folder: Path,
) -> str:
    name = f"fold{options.fold}-seed{options.seed}"
    if not (folder / name).is_dir():
        # Before TensorFlow is imported: the processes are parallel, not their threads.
        os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
        # This process may outlive a command that was killed, while another one continues.
        with reserved(folder / name):
            train_split(dataset, split, windows, recipe, options, folder / name)
    return name


def find_runs(folder: str | os.PathLike[str]) -> list[Run]:
    """Open a run folder, or all runs in a folder of `cross_validate`.

    Raises
    ------
    SerEdgeError
        If there is no run, or one is damaged.
    """
    inside = sorted(path.parent for path in Path(folder).glob("*/run.json"))
    return [Run.open(path) for path in inside or [Path(folder)]]
