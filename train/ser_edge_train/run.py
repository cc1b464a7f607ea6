"""The run folder: what `ser-edge train` leaves, and what `export` and `evaluate` read.

=================================  =============================================================
``run.json``                       recipe, protocol, labels, input, temperature, metrics, versions
``model.keras``                    the network
``windows.npz``                    features for calibration (training); of validation and test clips
                                   features and what the network says of them
``split.csv``                      which clip went where
``history.csv``                    losses, an epoch a row
``metrics.json``                   figures
``report.html``, ``report.md``     the page to read, with ``*.png``
``classification_report.txt``      scikit-learn's
=================================  =============================================================
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.speaker_model import SpeakerModel
from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge.frontend import InputConfig
from ser_edge.prediction import softmax
from ser_edge_train.predictions import Predictions, average_by_clip
from ser_edge_train.recipes import Recipe

FORMAT = "ser-edge-run"
FORMAT_VERSION = 3


@dataclass(frozen=True)
class RunSettings:
    """What ``run.json`` says."""

    name: str
    recipe: Recipe
    labels: tuple[str, ...]
    input: InputConfig
    temperature: float
    speakers: SpeakerModel
    about: Mapping[str, Any]

    def save(self, folder: Path) -> None:
        """Write ``run.json``."""
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        (folder / "run.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class HeldOut:
    """Features of clips that the network was not trained on: the validation or the test part.

    Parameters
    ----------
    features : np.ndarray [shape=(n, n_frames, n_columns), dtype=float32]
        Not yet standardised.
    clip : np.ndarray [shape=(n,), dtype=int64]
        Number of the clip that each window belongs to.
    y_true : np.ndarray [shape=(n_clips,), dtype=int64]
        Label of each clip.
    speakers, corpora : np.ndarray [shape=(n_clips,), dtype=str]
        Speaker and corpus of each clip.
    seconds : np.ndarray [shape=(n_clips,), dtype=float64]
        Length of each clip [s].
    """

    features: NDArray[np.float32]
    clip: NDArray[np.int64]
    y_true: NDArray[np.int64]
    speakers: NDArray[np.str_]
    corpora: NDArray[np.str_]
    seconds: NDArray[np.float64]

    def answers(self, logits: NDArray[np.float32], temperature: float) -> Predictions:
        """Gather what a network says of the clips.

        Parameters
        ----------
        logits : np.ndarray [shape=(n, n_labels), dtype=float32]
            Of the windows.
        temperature : float > 0
            Divides them.

        Returns
        -------
        answers : Predictions
        """
        probabilities = average_by_clip(softmax(logits / temperature), self.clip)
        return Predictions(probabilities, self.y_true, self.speakers, self.corpora, self.seconds)


@dataclass(frozen=True)
class Run:
    """A run folder whose settings have been read."""

    folder: Path
    settings: RunSettings

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Run:
        """Read a run's settings.

        Raises
        ------
        SerEdgeError
            If the folder is missing, of another kind, or damaged.
        """
        folder = Path(folder)
        path = folder / "run.json"
        remedy = "expected a folder written by `ser-edge train`"
        if not path.is_file():
            found = "holds no run.json" if folder.is_dir() else "there is no such folder"
            raise SerEdgeError(f"{folder}: {found}; {remedy}")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.get("format") != FORMAT or content.get("format_version") != FORMAT_VERSION:
                raise SerEdgeError(
                    f"{path}: is not a run of format version {FORMAT_VERSION}; {remedy} of this "
                    "version of ser-edge"
                )
            settings = RunSettings(
                content["name"],
                Recipe.from_dict(content["recipe"]),
                tuple(content["labels"]),
                InputConfig.from_dict(content["input"]),
                content["temperature"],
                SpeakerModel.from_dict(content["speakers"]),
                content["about"],
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
            raise SerEdgeError(f"{path}: is damaged ({error}); train again") from None
        for name in ("model.keras", "windows.npz"):
            if not (folder / name).is_file():
                raise SerEdgeError(f"{folder}: lacks {name}; train again, or copy the whole run")
        return cls(folder, settings)

    def network(self) -> Any:
        """Load the Keras model.

        Raises
        ------
        SerEdgeError
            If the file is damaged.
        """
        from ser_edge_train.networks import load_network

        path = self.folder / "model.keras"
        try:
            return load_network(path)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise SerEdgeError(f"{path}: is damaged ({reason}); train again") from None

    def calibration_inputs(self) -> NDArray[np.float32]:
        """Return network inputs of training windows in random order [shape=(n, *input_shape)]."""
        return self.settings.input.network_inputs(self._windows()["calibration"])

    def held_out(self, part: str) -> HeldOut:
        """Return the features and the y_true of the ``"validation"`` or the ``"test"`` part."""
        arrays = self._windows()
        return HeldOut(**{name: arrays[f"{part}_{name}"] for name in HeldOut.__annotations__})

    def logits(self, part: str) -> NDArray[np.float32]:
        """Return what the float32 network says of the windows of `held_out`."""
        return self._windows()[f"{part}_logits"]

    def answers(self, part: str = "test") -> Predictions:
        """Return what the float32 network says of the clips of `held_out`, calibrated."""
        return self.held_out(part).answers(self.logits(part), self.settings.temperature)

    def _windows(self) -> dict[str, NDArray[Any]]:
        path = self.folder / "windows.npz"
        try:
            with np.load(path) as arrays:
                return dict(arrays)
        except (OSError, ValueError, BadZipFile) as error:
            raise SerEdgeError(f"{path}: is damaged ({error}); train again") from None


def save_windows(
    folder: Path,
    calibration: NDArray[np.float32],
    **parts: tuple[HeldOut, NDArray[np.float32]],
) -> None:
    """Write ``windows.npz``: each part's clips, and the logits of their windows."""
    arrays = {
        f"{part}_{name}": array
        for part, (held, logits) in parts.items()
        for name, array in {**vars(held), "logits": logits}.items()
    }
    np.savez_compressed(folder / "windows.npz", calibration=calibration, **arrays)
