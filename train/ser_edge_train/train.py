"""`ser-edge train`: from folders of labelled speech to a run folder.

`train` loads a dataset and splits it; `train_split` trains, calibrates, evaluates and saves.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.speaker_model import SpeakerModel
from ser_edge.frontend import InputConfig
from ser_edge_train.corpora import CORPORA
from ser_edge_train.dataset import Dataset, all_windows, load_dataset
from ser_edge_train.enrolment import fit_speakers
from ser_edge_train.feature_store import FeatureStore, Windows
from ser_edge_train.folders import check_free, move_into_place, partial_folder
from ser_edge_train.metrics import fit_temperature
from ser_edge_train.parts import Parts
from ser_edge_train.predictions import Predictions
from ser_edge_train.recipes import Recipe
from ser_edge_train.report import classification_table, write_report
from ser_edge_train.run import HeldOut, Run, RunSettings, save_windows
from ser_edge_train.splits import PARTS, TEST, TRAIN, VALIDATION, Split, split_clips
from ser_edge_train.summary import Summary
from ser_edge_train.train_options import TrainOptions
from ser_edge_train.versions import versions

if TYPE_CHECKING:
    from ser_edge_train.keras_backend import keras

__all__ = ["RESUME", "TrainOptions", "resumed_folder", "split_dataset", "train", "train_split"]

logger = logging.getLogger(__name__)

RESUME = "resume.json"
_PACKAGES = ("ser-edge", "tensorflow", "tensorflow-cpu", "keras", "librosa", "numpy")
_CALIBRATION_WINDOWS = 1024  # stored for int8 calibration


def train(
    sources: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    options: TrainOptions,
    *,
    cache: Path | None = None,
    jobs: int = -1,
    overwrite: bool = False,
) -> Run:
    """Train a network and write a run folder.

    After an interruption, the same call continues from the last backup.

    Parameters
    ----------
    sources : sequence of path
        Folders or CSV files of labelled speech; see `ser_edge_train.corpora.find_clips`.
    out : path
        The run folder to write.
    options : TrainOptions
        Recipe, protocol and seed.
    cache : Path, optional
        Folder for computed features; by default the user's cache folder.
    jobs : int
        Processes that compute features; -1 is one per core.
    overwrite : bool
        Whether `out` may be replaced.

    Returns
    -------
    run : Run

    Raises
    ------
    SerEdgeError
        If the data cannot be used, or cannot be split by the protocol.
    ConfigError
        If an option is out of range or does not fit the data.
    """
    out = Path(out)
    check_free(out, overwrite=overwrite)
    recipe = options.chosen_recipe()
    store = FeatureStore(recipe, cache, options.seed, jobs)
    dataset = load_dataset(
        sources, store, keep_going=options.keep_going, calm_apart=options.calm_apart
    )
    split = split_dataset(dataset, recipe, options)
    windows = all_windows(dataset, store, augmented_clips(split, recipe))
    return train_split(dataset, split, windows, recipe, options, out)


def split_dataset(dataset: Dataset, recipe: Recipe, options: TrainOptions) -> Split:
    """Split the clips by the protocol of the options."""
    return split_clips(
        dataset.clips,
        options.protocol,
        n_augmentations=recipe.wave.augmentations,
        fold=options.fold,
        test_corpus=options.test_corpus,
        train_speakers=options.train_speakers,
        seed=options.seed,
    )


def augmented_clips(split: Split, recipe: Recipe) -> list[int]:
    """Return the indices of the clips whose augmentations are trained on."""
    clips: list[int] = (split.retrain if recipe.retrain else split).augmented.tolist()
    return clips


def train_split(
    dataset: Dataset,
    split: Split,
    windows: Windows,
    recipe: Recipe,
    options: TrainOptions,
    out: Path,
) -> Run:
    """Train a network on computed features and write a run folder; an existing one is replaced.

    Parameters
    ----------
    dataset, split
        The clips and their parts.
    windows : Windows
        Of all originals and of the augmentations that the split uses.
    recipe, options
        The recipe is that of the options.
    out : Path
        The run folder to write.

    Returns
    -------
    run : Run
    """
    # Keras and TensorFlow take seconds to import: only after the data has been checked.
    from ser_edge_train.ensemble import train_ensemble

    folder = resumed_folder(out, dataset, options)
    scratch = folder / "scratch"
    parts = Parts.of(dataset, split, windows)

    training, validation = parts.examples(TRAIN), parts.examples(VALIDATION)
    network, config, histories = train_ensemble(
        recipe, training, validation, seed=options.seed, scratch=scratch / "first"
    )
    temperature, speakers = _calibrate(network, config, parts)
    if recipe.retrain:
        training = parts.retrain.examples(TRAIN)
        network, config, _ = train_ensemble(
            recipe, training, None, seed=options.seed, scratch=scratch / "retrained"
        )
    held_out = {"validation": parts.held_out(VALIDATION), "test": parts.held_out(TEST)}
    logits = {name: _logits(network, config, part) for name, part in held_out.items()}
    predictions = held_out["test"].predictions(logits["test"], temperature)

    history = _mean_history(histories)
    about = {
        "protocol": _protocol(parts, recipe, options, predictions),
        "corpora": _corpora(dataset, split, options.licence),
        "parameters": int(network.count_params()),
        "epochs": len(history["loss"]),
        "metrics": {
            name: asdict(scores) for name, scores in predictions.scores(parts.labels).items()
        },
        "training_speakers": sorted(
            {dataset.clips[clip].speaker for clip in np.unique(training.windows.clip)}
        ),
        "versions": versions(*_PACKAGES),
    }
    settings = RunSettings(out.name, recipe, parts.labels, config, temperature, speakers, about)
    settings.save(folder)
    network.save(folder / "model.keras")
    _save_windows(folder, training.windows, held_out, logits, options.seed)
    _save_split(folder, dataset, split)
    _save_report(Run(folder, settings), predictions, history)
    (folder / RESUME).unlink()
    shutil.rmtree(scratch)
    move_into_place(folder, out)
    return Run.open(out)


def resumed_folder(out: Path, dataset: Dataset, options: TrainOptions) -> Path:
    """Return the partial folder for `out`; keep its content if data and options are the same."""
    partial = partial_folder(out)
    marker = partial / RESUME
    clips = [clip.digest for clip in dataset.originals]
    text = json.dumps({**asdict(options), "clips": clips})
    if marker.is_file() and marker.read_text(encoding="utf-8") == text:
        logger.info("continuing an interrupted run with the same settings")
        return partial
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    marker.write_text(text, encoding="utf-8")
    return partial


def _calibrate(
    network: keras.Model, config: InputConfig, parts: Parts
) -> tuple[float, SpeakerModel]:
    """Fit the temperature on validation windows, and the speaker model on validation clips."""
    validation, training = parts.held_out(VALIDATION), parts.held_out(TRAIN, originals=True)
    validation_logits, training_logits = (
        _logits(network, config, part) for part in (validation, training)
    )
    temperature = fit_temperature(validation_logits, validation.y_true[validation.clip])
    return temperature, fit_speakers(
        validation.predictions(validation_logits, temperature),
        training.predictions(training_logits, temperature),
    )


def _logits(network: keras.Model, config: InputConfig, part: HeldOut) -> NDArray[np.float32]:
    from ser_edge_train.fit import logits

    return logits(network, config.network_inputs(part.features))


def _mean_history(histories: Sequence[dict[str, list[float]]]) -> dict[str, list[float]]:
    """Average the histories of an ensemble, over the epochs that all networks have."""
    epochs = min(len(history["loss"]) for history in histories)
    return {
        name: np.mean([history[name][:epochs] for history in histories], axis=0).tolist()
        for name in histories[0]
    }


def _protocol(
    parts: Parts, recipe: Recipe, options: TrainOptions, predictions: Predictions
) -> dict[str, Any]:
    """Describe how the figures were obtained."""
    notes = [*parts.split.notes, *parts.dataset.notes]
    if options.protocol == "leaky":
        notes.insert(1, _leakage(parts.split, predictions))
    if recipe.retrain:
        notes.append(
            "The network was retrained on training and validation clips, after the validation "
            "clips had set temperature and speaker model; the learning curves are of the first "
            "training."
        )
    return {
        "name": options.protocol,
        "fold": options.fold,
        "test_corpus": options.test_corpus,
        "seed": options.seed,
        "notes": notes,
    }


def _leakage(split: Split, predictions: Predictions) -> str:
    """Compare the accuracy on test rows whose clip is also in training with that on the others."""
    clips = split.rows(TEST)[:, 0]  # in the order of `predictions`
    leaked = (split.parts[clips] == TRAIN).any(axis=1)
    correct = predictions.predicted == predictions.y_true
    accuracies = [
        f"{correct[rows].mean():.1%} of the {rows.sum()} {which}"
        for rows, which in (
            (leaked, "whose clip is also in training"),
            (~leaked, "whose clip is not"),
        )
        if rows.any()
    ]
    return f"Effect of the leak, test rows predicted correctly: {', '.join(accuracies)}."


def _corpora(dataset: Dataset, split: Split, licence: str | None) -> dict[str, dict[str, Any]]:
    about = {}
    for name in sorted({clip.corpus for clip in dataset.clips}):
        clips = [i for i, clip in enumerate(dataset.clips) if clip.corpus == name]
        corpus = None if licence else CORPORA.get(name)
        about[name] = {
            "clips": len(clips),
            "speakers": len({dataset.clips[i].speaker for i in clips}),
            "trained_on": bool((split.parts[clips] == TRAIN).any()),
            "licence": corpus.licence if corpus else licence or "your own",
            "citation": corpus.citation if corpus else "",
            "voices": corpus.voices if corpus else "",
        }
    return about


def _save_windows(
    folder: Path,
    training: Windows,
    held_out: dict[str, HeldOut],
    logits: dict[str, NDArray[np.float32]],
    seed: int,
) -> None:
    order = np.random.default_rng(seed).permutation(len(training.features))
    calibration = training.features[order[:_CALIBRATION_WINDOWS]]
    save_windows(folder, calibration, **{name: (held_out[name], logits[name]) for name in held_out})


def _save_split(folder: Path, dataset: Dataset, split: Split) -> None:
    n_augmentations = split.parts.shape[1] - 1
    header = ["path", "corpus", "speaker", "label", "sha256", "part"]
    header += [f"augmentation{number}" for number in range(1, n_augmentations + 1)]
    rows = [
        (clip.path, clip.corpus, clip.speaker, clip.label, item.digest, *(PARTS[p] for p in parts))
        for clip, item, parts in zip(dataset.clips, dataset.originals, split.parts, strict=True)
    ]
    _write_csv(folder / "split.csv", header, rows)
    if dataset.rejected:
        rejected = [(item.path, item.reason) for item in dataset.rejected]
        _write_csv(folder / "rejected.csv", ["path", "reason"], rejected)


def _save_report(run: Run, predictions: Predictions, history: dict[str, list[float]]) -> None:
    _write_csv(run.folder / "history.csv", list(history), zip(*history.values(), strict=True))
    write_report(run.folder, [Summary.of([run])], history)
    labels = run.settings.labels
    table = classification_table(predictions.score(labels), labels)
    (run.folder / "classification_report.txt").write_text(table, encoding="utf-8")


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
