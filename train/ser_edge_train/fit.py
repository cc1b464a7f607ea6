"""Fit a network to windows by a recipe: with progress bar, history and backups to resume from."""

from __future__ import annotations

import math
import shutil
import time
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
from ser_edge_train.parts import Examples
from ser_edge_train.progress import progress_bar
from ser_edge_train.recipes import Recipe
from ser_edge_train.speaker_normalisation import SpeakerNormalisation
from ser_edge_train.vtlp import vtlp

History = dict[str, list[float]]

BACKUP_S = 10.0  # minimum time between backups: one takes as long as several steps


def standardisation(windows: Windows, recipe: Recipe) -> InputConfig:
    """Fit mean and scale on the training windows (`sklearn.preprocessing.StandardScaler`).

    Layout ``"sequence"`` standardises each column, ``"flat"`` each element of the vector.
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


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Training batches. Each epoch draws and augments them anew, with a seed of its own."""

    def __init__(self, examples: Examples, config: InputConfig, recipe: Recipe, seed: int) -> None:
        super().__init__()
        self._examples = examples
        self._config = config
        self._recipe = recipe
        self._seed = seed
        self._windows_of_clips = [
            np.flatnonzero(examples.windows.clip == clip)
            for clip in np.unique(examples.windows.clip)
        ]
        if recipe.batch.speaker_normalised:
            mean, scale = (np.asarray(v, np.float32) for v in (config.mean, config.scale))
            self._normalise = SpeakerNormalisation(examples.windows, examples.speakers, mean, scale)
        n_drawn = len(examples.targets) if recipe.every_row else len(self._windows_of_clips)
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
            drawn = np.array([self._rng.choice(windows) for windows in self._windows_of_clips])
            self._order = self._rng.permutation(drawn)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        size, settings, rng = self._recipe.batch_size, self._recipe.batch, self._rng
        chosen = self._order[index * size : (index + 1) * size]
        features, targets = self._examples.windows.features[chosen], self._examples.targets[chosen]
        config = self._recipe.features
        if settings.speaker_normalised:
            some = rng.random(len(chosen)) < settings.speaker_normalised
            features[some] = self._normalise(chosen[some], rng)
        if settings.formants or settings.pitch:
            features = vtlp(
                features, config, formants=settings.formants, pitch=settings.pitch, rng=rng
            )
        if settings.equaliser_db:
            features = augment.equalise(features, config, settings.equaliser_db, rng)
        if settings.gain_db:
            features = augment.vary_level(features, config, settings.gain_db, rng)
        inputs = self._config.network_inputs(features)
        if settings.shift_frames or settings.time_masks or settings.column_mask:
            inputs = augment.mask(inputs, settings, rng)
        if settings.mixup and rng.random() < 0.5:
            inputs, targets = augment.mixup(inputs, targets, settings.mixup, rng)
        return inputs, targets


class _Backup(keras.callbacks.BackupAndRestore):  # type: ignore[misc]
    """Back up at the end of an epoch, at most every `BACKUP_S` seconds.

    Keras writes to a second folder, which is then renamed: it could not read a backup that was
    interrupted. The last backup stays until the scratch folder is removed.
    """

    def __init__(self, folder: Path) -> None:
        self._complete, self._partial = folder, partial_folder(folder)
        super().__init__(str(self._partial), delete_checkpoint=False)
        self._at = time.monotonic()

    def on_train_begin(self, logs: Any = None) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)
        if self._complete.is_dir():
            shutil.copytree(self._complete, self._partial)
        super().on_train_begin(logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if time.monotonic() - self._at >= BACKUP_S:
            super().on_epoch_end(epoch, logs)
            move_into_place(self._partial, self._complete)
            self._at = time.monotonic()


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Start each epoch's batches and show a progress bar."""

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
        title, prefix = ("validation ", "val_") if "val_loss" in logs else ("", "")
        loss, accuracy = logs[f"{prefix}loss"], logs[f"{prefix}accuracy"]
        text = f"{self._title}, {title}loss {loss:.2f}, accuracy {accuracy:.0%}"
        self._bar.update(self._task, completed=epoch + 1, description=text)

    def on_train_end(self, logs: Any = None) -> None:
        self.close()

    def close(self) -> None:
        """Remove the bar from the terminal."""
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
    network, recipe, config
        An untrained network, its recipe and its standardisation.
    training, validation : Examples
        The validation part is evaluated after each epoch; it may be None.
    seed : int
        Seed of batch order and augmentation.
    scratch : Path
        Folder for backups: after an interruption, the same call continues from the last one.
    title : str
        Text of the progress bar.

    Returns
    -------
    history : dict of str to list of float
        Keras's history, one value per epoch.
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
    callbacks = [epochs, log, _Backup(scratch / "backup")]
    if recipe.patience:
        callbacks += [
            keras.callbacks.EarlyStopping(patience=recipe.patience, restore_best_weights=True),
            # By convention: the published recipe does not state them.
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
    partial = scratch / "partial.weights.h5"
    network.save_weights(partial)
    partial.rename(trained)
    return _history(scratch)


def _history(scratch: Path) -> History:
    rows = np.atleast_1d(np.genfromtxt(scratch / "history.csv", delimiter=",", names=True))
    # After an interruption, epochs since the last backup are in the file twice: keep the last.
    _, last = np.unique(rows["epoch"][::-1], return_index=True)
    rows = rows[::-1][last]
    return {name: rows[name].tolist() for name in rows.dtype.names}


def _optimizer(recipe: Recipe, n_batches: int) -> Any:
    if recipe.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(recipe.learning_rate)
    steps = n_batches * recipe.epochs
    # 0.3 and 25 are PyTorch's defaults for the one-cycle schedule (Smith & Topin 2018).
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
