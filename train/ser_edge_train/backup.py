"""The state of a training in one file: from it, training continues bit for bit.

NumPy writes the file, not h5py, whose C code ends the process when the disk is full.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ser_edge_train.keras_backend import keras

History = dict[str, list[float]]

BACKUP_S = 10.0  # minimum time between backups: one takes as long as several steps

_COUNTERS = ("best", "best_epoch", "wait", "cooldown_counter")  # of Keras's patient callbacks


class Backup(keras.callbacks.Callback):  # type: ignore[misc]
    """Keep the history, and back up at the end of an epoch, at most every `BACKUP_S` seconds.

    A backup has the variables of network and optimiser (weights, moments, step, learning rate,
    the random state of dropout), the history, and the counters of early stopping and of the
    learning rate's reduction. Batches are drawn by epoch number and need no state.

    Parameters
    ----------
    path : Path
        The file, ``.npz``. It is written beside and renamed.
    network : keras.Model
        Compiled.
    patient : sequence of keras.callbacks.Callback
        `EarlyStopping` and `ReduceLROnPlateau`, if the recipe has them. They come before the
        backup in the list of callbacks.
    """

    def __init__(self, path: Path, network: keras.Model, patient: Sequence[Any]) -> None:
        super().__init__()
        self._path, self._patient = path, patient
        network.optimizer.build(network.trainable_variables)
        self._variables = [*network.variables, *network.optimizer.variables]
        self._restored = load_arrays(path)
        if not set_variables(self._variables, self._restored):
            self._restored = {}
        self.history = history_of(self._restored)
        self._at = time.monotonic()

    @property
    def next_epoch(self) -> int:
        """The epoch to begin with."""
        return len(self.history.get("epoch", ()))

    def on_train_begin(self, logs: Any = None) -> None:
        """Restore the counters, which the other callbacks have just reset."""
        for number, callback in enumerate(self._patient):
            for name in _COUNTERS:
                if (value := self._restored.get(f"{name}{number}")) is not None:
                    setattr(callback, name, value.item())
            if best := numbered(self._restored, f"best_weights{number}."):
                callback.best_weights = best

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Append to the history, and write the file if it is time."""
        for name, value in {"epoch": epoch, **dict(sorted(logs.items()))}.items():
            self.history.setdefault(name, []).append(float(value))
        # After the last epoch a backup would continue with one more.
        if not self.model.stop_training and time.monotonic() - self._at >= BACKUP_S:
            save_arrays(self._path, {**state_of(self._variables, self.history), **self._counters()})
            self._at = time.monotonic()

    def _counters(self) -> dict[str, Any]:
        counters: dict[str, Any] = {}
        for number, callback in enumerate(self._patient):
            values = vars(callback)
            counters |= {f"{n}{number}": values[n] for n in _COUNTERS if values.get(n) is not None}
            best = values.get("best_weights") or ()
            counters |= {f"best_weights{number}.{i}": array for i, array in enumerate(best)}
        return counters


def state_of(variables: Sequence[Any], history: History) -> dict[str, Any]:
    """Return the arrays of variables and of a history, to save."""
    return {
        **{f"variable{i}": variable.numpy() for i, variable in enumerate(variables)},
        **{f"history.{name}": values for name, values in history.items()},
    }


def set_variables(variables: Sequence[Any], arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Set variables to saved arrays; leave them and return False if these do not fit."""
    values = numbered(arrays, "variable")
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        return False
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return True


def history_of(arrays: Mapping[str, NDArray[Any]]) -> History:
    """Return the history in saved arrays."""
    prefix = "history."
    return {
        name.removeprefix(prefix): values.tolist()
        for name, values in arrays.items()
        if name.startswith(prefix)
    }


def numbered(arrays: Mapping[str, NDArray[Any]], prefix: str) -> list[NDArray[Any]]:
    """Return the arrays named by a prefix and the numbers from 0, in order."""
    found: list[NDArray[Any]] = []
    while (array := arrays.get(f"{prefix}{len(found)}")) is not None:
        found.append(array)
    return found


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write a ``.npz`` beside its path and rename it.

    Raises
    ------
    OSError
        If it cannot be written. The old file remains.
    """
    content = io.BytesIO()
    np.savez(content, **arrays)
    partial = path.with_name(f".part.{path.name}")
    partial.write_bytes(content.getbuffer())
    partial.replace(path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read a ``.npz``; a missing or damaged one has no arrays."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        return {}
