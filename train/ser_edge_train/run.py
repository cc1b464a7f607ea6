"""The run folder: `ser-edge train` writes it, `export` and `evaluate` read it.

=================================  =============================================================
``run.json``                       recipe, protocol, labels, input, temperature, metrics, versions
``model.keras``                    the network
``windows.npz``                    features for calibration (training), and features and logits of
                                   validation and test clips
``split.csv``                      the part of each clip
``rejected.csv``                   files that were not used, and why, if there are any
``history.csv``                    losses and accuracies, and the learning rate if it is reduced,
                                   one row per epoch
``metrics.json``                   figures
``report.html``, ``report.md``     the report, with ``*.png``
``classification_report.txt``      scikit-learn's
=================================  =============================================================
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.speaker_model import SpeakerModel
from ser_edge.errors import ConfigError, SerEdgeError, error_source, first_line
from ser_edge.frontend import InputConfig
from ser_edge.prediction import softmax
from ser_edge.versioned_json import parse_versioned_json
from ser_edge_train.predictions import LabelledClips, Predictions, average_by_clip
from ser_edge_train.recipes import Recipe

FORMAT = "ser-edge-run"
FORMAT_VERSION = 4


@dataclass(frozen=True)
class RunSettings:
    """The content of ``run.json``."""

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

    @classmethod
    def read(cls, path: Path) -> RunSettings:
        """Read ``run.json``; `Run.open` documents the errors."""
        with error_source(path):
            remedy = "train again with this version of ser-edge"
            content = parse_versioned_json(path.read_bytes(), FORMAT, FORMAT_VERSION, remedy=remedy)
            try:
                content["recipe"] = Recipe.from_dict(content["recipe"])
                content["labels"] = tuple(content["labels"])
                content["input"] = InputConfig.from_dict(content["input"])
                content["speakers"] = SpeakerModel.from_dict(content["speakers"])
                return cls(**content)
            except ConfigError as error:
                raise SerEdgeError(error.problem, remedy) from None
            except (KeyError, TypeError, AttributeError) as error:
                raise SerEdgeError(f"a missing or illegal entry: {error!r}", remedy) from None


@dataclass(frozen=True)
class HeldOut(LabelledClips):
    """Features of clips that the network was not trained on: the validation or the test part.

    Parameters
    ----------
    y_true, speakers, corpora, seconds
        See `LabelledClips`.
    features : np.ndarray [shape=(n, n_frames, n_columns), dtype=float32]
        Not standardised.
    clip : np.ndarray [shape=(n,), dtype=int64]
        Clip index of each window.
    """

    features: NDArray[np.float32]
    clip: NDArray[np.int64]

    def predictions(self, logits: NDArray[np.float32], temperature: float) -> Predictions:
        """Return the predictions for the clips.

        Parameters
        ----------
        logits : np.ndarray [shape=(n, n_labels), dtype=float32]
            Of the windows.
        temperature : float > 0
            Divisor of the logits.
        """
        return self.with_probabilities(average_by_clip(softmax(logits / temperature), self.clip))


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
            If the folder is missing, incomplete, of another format version, or damaged.
        """
        folder = Path(folder)
        for name in ("run.json", "model.keras", "windows.npz"):
            if not (folder / name).is_file():
                raise SerEdgeError(
                    f"has no {name}" if folder.is_dir() else "does not exist",
                    "give a folder that `ser-edge train` wrote; `ser-edge export` also reads "
                    ".keras, .h5 and .onnx files",
                    folder,
                )
        return cls(folder, RunSettings.read(folder / "run.json"))

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
            raise SerEdgeError(f"is damaged ({first_line(error)})", "train again", path) from None

    def calibration_inputs(self) -> NDArray[np.float32]:
        """Return network inputs of training windows in random order [shape=(n, *input_shape)]."""
        return self.settings.input.network_inputs(self._windows()["calibration"])

    def held_out(self, part: str) -> HeldOut:
        """Return the clips of the ``"validation"`` or the ``"test"`` part."""
        arrays = self._windows()
        return HeldOut(**{f.name: arrays[f"{part}_{f.name}"] for f in fields(HeldOut)})

    def logits(self, part: str) -> NDArray[np.float32]:
        """Return the float32 network's logits for the windows of `held_out`."""
        return self._windows()[f"{part}_logits"]

    def predictions(self, part: str = "test") -> Predictions:
        """Return the float32 network's calibrated predictions for the clips of `held_out`."""
        return self.held_out(part).predictions(self.logits(part), self.settings.temperature)

    def _windows(self) -> dict[str, NDArray[Any]]:
        path = self.folder / "windows.npz"
        try:
            with np.load(path) as arrays:
                return dict(arrays)
        except (OSError, ValueError, BadZipFile) as error:
            raise SerEdgeError(f"is damaged ({error})", "train again", path) from None


def save_windows(
    folder: Path,
    calibration: NDArray[np.float32],
    **parts: tuple[HeldOut, NDArray[np.float32]],
) -> None:
    """Write ``windows.npz``: for each part its clips, and the logits of their windows."""
    content = io.BytesIO()  # a `ZipFile` on a full disk fails once more when it is closed
    arrays = {
        f"{part}_{name}": array
        for part, (held_out, logits) in parts.items()
        for name, array in {**vars(held_out), "logits": logits}.items()
    }
    np.savez_compressed(content, calibration=calibration, **arrays)
    (folder / "windows.npz").write_bytes(content.getbuffer())
