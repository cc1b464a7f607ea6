"""Fit a network to windows by a recipe: with progress, history and backups to resume from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from ser_edge.features import flatten
from ser_edge.frontend import InputConfig
from ser_edge_train import augment
from ser_edge_train.backup import (
    Backup,
    History,
    history_of,
    load_arrays,
    save_arrays,
    set_variables,
    state_of,
)
from ser_edge_train.feature_store import Windows
from ser_edge_train.interrupts import check_interrupt, deferred_interrupt
from ser_edge_train.keras_backend import keep_memory, keras
from ser_edge_train.parts import Examples
from ser_edge_train.progress import log_progress, progress_bar
from ser_edge_train.recipes import Recipe
from ser_edge_train.speaker_normalisation import SpeakerNormalisation
from ser_edge_train.vtlp import vtlp


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


class _Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Start each epoch's batches and show the progress."""

    def __init__(self, batches: Batches, epochs: int, title: str) -> None:
        super().__init__()
        self._batches, self._epochs, self._title = batches, epochs, title
        self._bar = progress_bar()
        self._task = self._bar.add_task(title, total=epochs)

    def on_train_begin(self, logs: Any = None) -> None:
        self._bar.start()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._batches.start_epoch(epoch)
        self._bar.update(self._task, completed=epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        check_interrupt()
        if batch == 0:
            keep_memory()

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        check_interrupt()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        title, prefix = ("validation ", "val_") if "val_loss" in logs else ("", "")
        loss, accuracy = logs[f"{prefix}loss"], logs[f"{prefix}accuracy"]
        text = f"{title}loss {loss:.2f}, accuracy {accuracy:.0%}"
        self._bar.update(self._task, completed=epoch + 1, description=f"{self._title}, {text}")
        if self._bar.disable:
            place = f"{self._title}: epoch {epoch + 1} of {self._epochs}"
            log_progress(f"{place}, {text}", epoch + 1, self._epochs)

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
        Folder for backups: after an interruption, the same call continues from the last one, and
        the network is the same, bit for bit, as without the interruption.
    title : str
        Text of the progress bar.

    Returns
    -------
    history : dict of str to list of float
        The epochs' numbers, losses and accuracies, one value per epoch.
    """
    trained = scratch / "trained.npz"
    finished = load_arrays(trained)
    if set_variables(network.variables, finished):
        return history_of(finished)
    batches = Batches(training, config, recipe, seed)
    network.compile(
        optimizer=_optimizer(recipe, len(batches)),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=recipe.label_smoothing
        ),
        metrics=["accuracy"],
    )
    epochs = _Epochs(batches, recipe.epochs, title)
    patient = []
    if recipe.patience:
        patient = [
            keras.callbacks.EarlyStopping(patience=recipe.patience, restore_best_weights=True),
            # By convention: the published recipe does not state them.
            keras.callbacks.ReduceLROnPlateau(factor=0.4, patience=2, min_lr=1e-6),
        ]
    backup = Backup(scratch / "backup.npz", network, patient)
    try:
        with deferred_interrupt():
            network.fit(
                batches,
                validation_data=validation
                and (config.network_inputs(validation.windows.features), validation.targets),
                validation_batch_size=256,
                epochs=recipe.epochs,
                initial_epoch=backup.next_epoch,
                callbacks=[epochs, *patient, backup],
                shuffle=False,
                verbose=0,
            )
    finally:
        epochs.close()
    save_arrays(trained, state_of(network.variables, backup.history))
    return backup.history


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
