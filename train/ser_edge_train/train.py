"""`ser-edge train`: from folders of labelled speech to a run folder.

`train` loads a dataset and splits it; `train_split` trains, calibrates, evaluates and saves.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.speaker_model import SpeakerModel
from ser_edge.errors import SerEdgeError
from ser_edge.frontend import InputConfig
from ser_edge_train.about import describe
from ser_edge_train.clips import legal_text
from ser_edge_train.dataset import Dataset, all_windows, load_dataset
from ser_edge_train.enrolment import fit_speakers
from ser_edge_train.feature_store import FeatureStore, Windows
from ser_edge_train.folders import move_into_place, partial_folder, reserved
from ser_edge_train.interrupts import certain_interrupt, check_interrupt
from ser_edge_train.metrics import fit_temperature
from ser_edge_train.parts import Parts
from ser_edge_train.recipes import Recipe
from ser_edge_train.report import classification_table, write_report
from ser_edge_train.run import HeldOut, Run, RunSettings, save_windows
from ser_edge_train.splits import PARTS, TEST, TRAIN, VALIDATION, Split, split_clips
from ser_edge_train.summary import Summary
from ser_edge_train.train_options import TrainOptions

if TYPE_CHECKING:
    from ser_edge_train.backup import History
    from ser_edge_train.keras_backend import keras

__all__ = [
    "TrainOptions",
    "disk_errors",
    "resumed_folder",
    "split_dataset",
    "train",
    "train_split",
]

logger = logging.getLogger(__name__)

Evaluated = tuple[HeldOut, NDArray[np.float32]]  # clips, and the logits of their windows

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

    After an interruption, the same call continues from the last backup, and the network is the
    same, bit for bit, as without the interruption.

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

    Raises
    ------
    SerEdgeError
        If the data cannot be used, or cannot be split by the protocol; if `out` exists, cannot be
        written or is being written by another process.
    ConfigError
        If an option is out of range or does not fit the data.
    """
    out = Path(out)
    recipe = options.chosen_recipe()
    with reserved(out, overwrite=overwrite), certain_interrupt():
        store = FeatureStore(recipe, cache, options.seed, jobs)
        dataset = load_dataset(
            sources, store, keep_going=options.keep_going, calm_apart=options.calm_apart
        )
        split = split_dataset(dataset, recipe, options)
        windows = all_windows(dataset, store, augmented_clips(split, recipe))
        with disk_errors(out):
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


@dataclass(frozen=True)
class Trained:
    """A trained and calibrated network, with its training windows and the learning curves."""

    network: keras.Model
    config: InputConfig
    temperature: float
    speakers: SpeakerModel
    windows: Windows
    history: History


def train_split(
    dataset: Dataset,
    split: Split,
    windows: Windows,
    recipe: Recipe,
    options: TrainOptions,
    out: Path,
) -> Run:
    """Train a network on computed features and write a run folder; an existing one is replaced.

    `windows` are those of all originals and of the augmentations that the split uses.
    """
    with resumed_folder(out, dataset, options) as folder:
        parts = Parts.of(dataset, split, windows)
        trained = _train(parts, recipe, options.seed, folder.parent / "scratch")
        check_interrupt()
        evaluated = _evaluate(trained, parts)
        check_interrupt()
        _save(folder, legal_text(out.name), parts, recipe, options, trained, evaluated)
    return Run.open(out)


@contextmanager
def resumed_folder(out: Path, dataset: Dataset, options: TrainOptions) -> Iterator[Path]:
    """Yield a folder that becomes `out` if the block succeeds.

    Its parent, the partial folder, is kept if the block fails. It is used again, with its content,
    if data and options are the same. It is removed after the folder has its new name: a process
    that is killed at any moment loses nothing.
    """
    partial = partial_folder(out)
    marker, folder = partial / "resume.json", partial / "run"
    clips = [clip.digest for clip in dataset.originals]
    text = json.dumps({**asdict(options), "clips": clips}).encode()
    if marker.is_file() and marker.read_bytes() == text:
        logger.info("continuing an interrupted run with the same settings")
    else:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        marker.write_bytes(text)
    folder.mkdir(exist_ok=True)
    yield folder
    move_into_place(folder, out)
    shutil.rmtree(partial)


@contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """Turn the system's errors, such as that of a full disk, into one that says how to go on."""
    try:
        yield
    except OSError as error:
        partial = partial_folder(out)
        raise SerEdgeError(
            f"cannot be written ({error.strerror or error})",
            "free space and run the same command again to continue, or move the folder to another "
            f"disk and run it with --out OTHER_DISK/{out.name}",
            partial,
        ) from None


def _train(parts: Parts, recipe: Recipe, seed: int, scratch: Path) -> Trained:
    """Train on the training part, calibrate, and retrain on the validation part too."""
    # Keras and TensorFlow take seconds to import: only after the data has been checked.
    from ser_edge_train.ensemble import train_ensemble

    training, validation = parts.examples(TRAIN), parts.examples(VALIDATION)
    network, config, histories = train_ensemble(
        recipe, training, validation, seed=seed, scratch=scratch / "first"
    )
    temperature, speakers = _calibrate(network, config, parts)
    if recipe.retrain:
        training = parts.retrain.examples(TRAIN)
        network, config, _ = train_ensemble(
            recipe, training, None, seed=seed, scratch=scratch / "retrained"
        )
    history = _mean_history(histories)
    return Trained(network, config, temperature, speakers, training.windows, history)


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


def _mean_history(histories: Sequence[History]) -> History:
    """Average the histories of an ensemble, over the epochs that all networks have."""
    epochs = min(len(history["loss"]) for history in histories)
    return {
        name: np.mean([history[name][:epochs] for history in histories], axis=0).tolist()
        for name in histories[0]
    }


def _evaluate(trained: Trained, parts: Parts) -> dict[str, Evaluated]:
    """Run the network on the validation and the test clips."""
    held_out = {"validation": parts.held_out(VALIDATION), "test": parts.held_out(TEST)}
    return {
        name: (part, _logits(trained.network, trained.config, part))
        for name, part in held_out.items()
    }


def _save(
    folder: Path,
    name: str,
    parts: Parts,
    recipe: Recipe,
    options: TrainOptions,
    trained: Trained,
    evaluated: dict[str, Evaluated],
) -> None:
    """Write all files of the run."""
    test, logits = evaluated["test"]
    predictions = test.predictions(logits, trained.temperature)
    settings = RunSettings(
        name,
        recipe,
        parts.labels,
        trained.config,
        trained.temperature,
        trained.speakers,
        about=describe(parts, recipe, options, predictions)
        | {
            "parameters": int(trained.network.count_params()),
            "epochs": len(trained.history["loss"]),
            "training_speakers": parts.speakers(trained.windows),
        },
    )
    settings.save(folder)
    trained.network.save(folder / "model.keras")
    order = np.random.default_rng(options.seed).permutation(len(trained.windows.features))
    save_windows(folder, trained.windows.features[order[:_CALIBRATION_WINDOWS]], **evaluated)
    _save_split(folder, parts.dataset, parts.split)
    _write_csv(
        folder / "history.csv",
        list(trained.history),
        zip(*trained.history.values(), strict=True),
    )
    write_report(folder, [Summary.of([Run(folder, settings)])], trained.history)
    table = classification_table(predictions.score(parts.labels), parts.labels)
    (folder / "classification_report.txt").write_text(table, encoding="utf-8")


def _save_split(folder: Path, dataset: Dataset, split: Split) -> None:
    n_augmentations = split.parts.shape[1] - 1
    header = ["path", "corpus", "speaker", "label", "sha256", "part"]
    header += [f"augmentation{number}" for number in range(1, n_augmentations + 1)]
    rows = [
        (clip.path, clip.corpus, clip.speaker, clip.label, item.digest, *(PARTS[p] for p in parts))
        for clip, item, parts in zip(dataset.clips, dataset.originals, split.parts, strict=True)
    ]
    _write_csv(folder / "split.csv", header, rows)
    unused = [(item.path, item.reason) for item in (*dataset.rejected, *dataset.left_out)]
    if unused:
        _write_csv(folder / "rejected.csv", ["path", "reason"], unused)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    # Bytes of paths that are not UTF-8 stay as they are.
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        csv.writer(file).writerows([header, *rows])
