"""`ser-edge train --folds`: a run for each fold and seed, side by side in one folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from joblib import Parallel, delayed

from ser_edge_train.dataset import Dataset, all_windows
from ser_edge_train.feature_store import Windows
from ser_edge_train.folders import check_free, move_into_place
from ser_edge_train.folds import n_folds
from ser_edge_train.progress import tracked
from ser_edge_train.report import write_report
from ser_edge_train.run import Run
from ser_edge_train.summary import Summary
from ser_edge_train.train import (
    RESUME,
    TrainOptions,
    copied_clips,
    gather,
    resumed_folder,
    split_dataset,
    train_on,
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
    """Train a network for each fold and seed, as `ser_edge_train.train.train` does.

    An interrupted call leaves what it has beside `out`; the same call then goes on from there.

    Parameters
    ----------
    sources : sequence of path
        Folders or CSV files of labelled speech; see `ser_edge_train.corpora.find_clips`.
    out : path
        The folder to write: run folders ``fold0-seed0`` and so on.
    options : TrainOptions
        Recipe and protocol; the seeds count from its seed on. All share their altered copies.
    folds : sequence of int, optional
        Which to test; by default all, so that every clip is tested once a seed.
    seeds : int > 0
        Networks of each fold.
    cache : Path, optional
        Folder for computed features, instead of the user's cache folder.
    jobs : int
        Processes; each trains with one thread. -1 is one a core.
    overwrite : bool
        Whether `out` may be replaced.

    Returns
    -------
    runs : list of Run
        In the order of folds and seeds.

    Raises
    ------
    SerEdgeError
        If the data cannot be used, or cannot be divided by the protocol.
    ConfigError
        If an option is not legal.
    """
    out = Path(out)
    check_free(out, overwrite=overwrite)
    store, material = gather(sources, options, cache, jobs)
    if folds is None:
        folds = range(n_folds(material.clips, options.protocol, seed=options.seed))
    cases = [
        replace(options, fold=fold, seed=options.seed + seed)
        for fold in folds
        for seed in range(seeds)
    ]
    splits = [split_dataset(material, case) for case in cases]  # all of them can be made
    copied = sorted({number for split in splits for number in copied_clips(split, options)})
    windows = all_windows(material, store, copied)
    clips = [item.digest for item in material.originals]
    partial = resumed_folder(out, {**asdict(options), "clips": clips})
    tasks = (delayed(_train_one)(material, windows, partial, case) for case in cases)
    done = Parallel(n_jobs=jobs, return_as="generator")(tasks)
    names = list(tracked(done, "training", len(cases)))
    write_report(partial, [Summary.of([Run.open(partial / name) for name in names])])
    (partial / RESUME).unlink()
    move_into_place(partial, out)
    return [Run.open(out / name) for name in names]


def _train_one(material: Dataset, windows: Windows, folder: Path, options: TrainOptions) -> str:
    name = f"fold{options.fold}-seed{options.seed}"
    if not (folder / name).is_dir():
        # Ahead of TensorFlow's import: processes side by side, and not threads.
        os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
        split = split_dataset(material, options)
        train_on(material, split, windows, folder / name, options)
    return name


def find_runs(folder: str | os.PathLike[str]) -> list[Run]:
    """Open a run folder, or all the runs that a folder of `cross_validate` holds.

    Raises
    ------
    SerEdgeError
        If there is none, or one is damaged.
    """
    inside = sorted(path.parent for path in Path(folder).glob("*/run.json"))
    return [Run.open(path) for path in inside or [Path(folder)]]
