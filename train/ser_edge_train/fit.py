"""Fit a network to windows by a recipe, with progress, history and a way to go on after a break."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from ser_edge.features import flatten
from ser_edge.frontend import InputConfig
from ser_edge_train import augment
from ser_edge_train.feature_store import Windows
from ser_edge_train.folders import move_into_place, partial_folder
from ser_edge_train.keras_backend import keep_memory, keras
from ser_edge_train.progress import progress_bar
from ser_edge_train.recipes import Recipe
from ser_edge_train.speaker_normalisation import SpeakerNormalisation
from ser_edge_train.vtlp import other_voices

History = dict[str, list[float]]

BACKUP_S = 10.0  # a backup takes as long as several steps


def standardisation(windows: Windows, recipe: Recipe) -> InputConfig:
    """Fit mean and scale on training windows (`sklearn.preprocessing.StandardScaler`).

    Parameters
    ----------
    windows : Windows
        Of the training part, copies included.
    recipe : Recipe
        Its layout says whether columns or single elements are standardised.

    Returns
    -------
    config : InputConfig
    """
    n_columns = windows.features.shape[-1]
    rows = (
        windows.features.reshape(-1, n_columns)
        if recipe.layout == "sequence"
        else flatten(windows.features, recipe.features)
    )
    scaler = StandardScaler().fit(rows.astype(np.float64))
    return InputConfig(
        recipe.features,
        recipe.window,
        recipe.layout,
        tuple(scaler.mean_.tolist()),
        tuple(scaler.scale_.tolist()),
    )


@dataclass(frozen=True)
class Examples:
    """Windows with their targets.

    Parameters
    ----------
    windows : Windows
    targets : np.ndarray [shape=(n, n_labels), dtype=float32]
        One-hot, of each window.
    speakers : tuple of str
        Of every clip, by the number that windows name it by.
    """

    windows: Windows
    targets: NDArray[np.float32]
    speakers: tuple[str, ...]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Training batches, drawn and augmented anew in each epoch, by chance that the epoch seeds."""

    def __init__(self, examples: Examples, config: InputConfig, recipe: Recipe, seed: int) -> None:
        super().__init__()
        self._examples = examples
        self._config = config
        self._recipe = recipe
        self._seed = seed
        self._of_clip = [
            np.flatnonzero(examples.windows.clip == clip)
            for clip in np.unique(examples.windows.clip)
        ]
        if recipe.batch.levelled:
            mean, scale = (np.asarray(v, np.float32) for v in (config.mean, config.scale))
            self._levelled = SpeakerNormalisation(examples.windows, examples.speakers, mean, scale)
        n_drawn = len(examples.targets) if recipe.every_row else len(self._of_clip)
        self._n_batches = max(1, n_drawn // recipe.batch_size)
        self.start_epoch(0)

    def __len__(self) -> int:
        return self._n_batches

    def start_epoch(self, epoch: int) -> None:
        """Draw the windows of an epoch."""
        self._rng = np.random.default_rng([self._seed, epoch])
        if self._recipe.every_row:
            self._order = self._rng.permutation(len(self._examples.targets))
        else:
            drawn = np.array([self._rng.choice(windows) for windows in self._of_clip])
            self._order = self._rng.permutation(drawn)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        size, settings = self._recipe.batch_size, self._recipe.batch
        chosen = self._order[index * size : (index + 1) * size]
        features, targets = self._examples.windows.features[chosen], self._examples.targets[chosen]
        if settings.levelled:
            some = self._rng.random(len(chosen)) < settings.levelled
            features[some] = self._levelled(chosen[some], self._rng)
        if settings.formants or settings.pitch:
            features = other_voices(
                features,
                self._recipe.features,
                formants=settings.formants,
                pitch=settings.pitch,
                rng=self._rng,
            )
        if settings.equaliser_db:
            features = augment.equalise(
                features, self._recipe.features, settings.equaliser_db, self._rng
            )
        if settings.gain_db:
            features = augment.vary_level(
                features, self._recipe.features, settings.gain_db, self._rng
            )
        inputs = self._config.network_inputs(features)
        if settings.shift_frames or settings.time_masks or settings.column_mask:
            inputs = augment.mask(inputs, settings, self._rng)
        if settings.mixup and self._rng.random() < 0.5:
            inputs, targets = augment.mixup(inputs, targets, settings.mixup, self._rng)
        return inputs, targets


class _Backup(keras.callbacks.BackupAndRestore):  # type: ignore[misc]
    """Keep what is needed to go on: at every epoch, but not within seconds of the last time.

    Keras writes beside, since it could not read what it was interrupted in writing. The last one
    goes with the scratch folder, so that it is there until the trained weights are.
    """

    def __init__(self, folder: Path) -> None:
        self._whole, self._beside = folder, partial_folder(folder)
        super().__init__(str(self._beside), delete_checkpoint=False)
        self._at = time.monotonic()

    def on_train_begin(self, logs: Any = None) -> None:
        shutil.rmtree(self._beside, ignore_errors=True)
        if self._whole.is_dir():
            shutil.copytree(self._whole, self._beside)
        super().on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if time.monotonic() - self._at >= BACKUP_S:
            super().on_epoch_end(epoch, logs)
            move_into_place(self._beside, self._whole)
            self._at = time.monotonic()


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Seed each epoch's draw and show a bar."""

    def __init__(self, batches: Batches, epochs: int, title: str) -> None:
        super().__init__()
        self._batches, self._title = batches, title
        self._bar = progress_bar()
        self._task = self._bar.add_task(title, total=epochs)

    def on_train_begin(self, logs: Any = None) -> None:
        self._bar.start()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._batches.start_epoch(epoch)
        self._bar.update(self._task, completed=epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch == 0:
            keep_memory()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        of, kind = ("validation ", "val_") if "val_loss" in logs else ("", "")
        loss, accuracy = logs[f"{kind}loss"], logs[f"{kind}accuracy"]
        text = f"{self._title}, {of}loss {loss:.2f}, accuracy {accuracy:.0%}"
        self._bar.update(self._task, completed=epoch + 1, description=text)

    def on_train_end(self, logs: Any = None) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar off the terminal."""
        self._bar.stop()


def fit(
    network: keras.Model,
    recipe: Recipe,
    config: InputConfig,
    training: Examples,
    validation: Examples | None,
    *,
    seed: int,
    scratch: Path,
    title: str,
) -> History:
    """Train a network in place.

    Parameters
    ----------
    network : keras.Model
        Untrained.
    recipe : Recipe
        Optimiser, batches, augmentation and stopping.
    config : InputConfig
        Standardisation of the training part.
    training : Examples
        The windows.
    validation : Examples or None
        Originals, to be measured on after each epoch.
    seed : int
        Decides order and augmentation.
    scratch : Path
        Folder for what is needed to go on after a break: the same call then continues after the
        last epoch that was kept.
    title : str
        What the progress bar calls it.

    Returns
    -------
    history : dict of str to list of float
        Keras's, one value an epoch; those of no validation are NaN.
    """
    trained = scratch / "trained.weights.h5"
    if trained.is_file():
        network.load_weights(trained)
        return _history(scratch)
    batches = Batches(training, config, recipe, seed)
    network.compile(
        optimizer=_optimizer(recipe, len(batches)),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        metrics=["accuracy"],
    )
    epochs = _Epochs(batches, recipe.epochs, title)
    log = keras.callbacks.CSVLogger(str(scratch / "history.csv"), append=True)
    callbacks = [
        epochs,
        log,
        _Backup(scratch / "backup"),
    ]
    if recipe.patience:
        callbacks += [
            keras.callbacks.EarlyStopping(patience=recipe.patience, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau(factor=0.4, patience=2, min_lr=1e-6),
        ]
    try:
        network.fit(
            batches,
            validation_data=validation
            and (config.network_inputs(validation.windows.features), validation.targets),
            validation_batch_size=256,
            epochs=recipe.epochs,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
    finally:
        epochs.close()
        if log.csv_file is not None:
            log.csv_file.close()
    written = scratch / "written.weights.h5"
    network.save_weights(written)
    written.rename(trained)
    return _history(scratch)


def _history(scratch: Path) -> History:
    rows = np.atleast_1d(np.genfromtxt(scratch / "history.csv", delimiter=",", names=True))
    # After a break the epochs since the last backup stand there twice.
    _, last = np.unique(rows["epoch"][::-1], return_index=True)
    rows = rows[::-1][last]
    return {name: rows[name].tolist() for name in rows.dtype.names}


def _optimizer(recipe: Recipe, n_batches: int) -> Any:
    if recipe.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(recipe.learning_rate)
    steps = n_batches * recipe.epochs
    warm_up = math.ceil(0.3 * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / 25,
        decay_steps=max(1, steps - warm_up),
        warmup_target=recipe.learning_rate,
        warmup_steps=warm_up,
    )
    return keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay)


def logits(network: keras.Model, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run a network on standardised inputs [shape=(n, *input_shape)]."""
    return np.asarray(network.predict(inputs, batch_size=256, verbose=0))
