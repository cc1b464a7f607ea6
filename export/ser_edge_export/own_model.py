"""Somebody else's network as a source: a ``.keras`` or ``.onnx`` file that takes our features."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge.frontend import InputConfig
from ser_edge_export.trained_model import Network, Source
from ser_edge_export.window_audio import window_samples
from ser_edge_train.dataset import held_out, load_dataset
from ser_edge_train.feature_store import FeatureStore
from ser_edge_train.recipes import RECIPES, Recipe


@dataclass(frozen=True)
class OwnModel:
    """A network's file, and what the file does not say.

    Parameters
    ----------
    path : Path
        A ``.keras``, ``.h5`` or ``.onnx`` file.
    labels : sequence of str
        What its outputs mean, in order.
    recipe : str
        The recipe (`ser_edge_train.recipes`) whose features, windows and layout it takes.
    clips : sequence of Path
        Labelled recordings, as for training: half of the speakers serve to calibrate, the others
        to prove.
    scaler : Path, optional
        A ``.json`` or ``.npz`` file with ``mean`` and ``scale``, if the features are standardised
        before the network gets them.
    cache : Path, optional
        Folder for computed features, instead of the user's cache folder.
    """

    path: Path
    labels: Sequence[str]
    recipe: str
    clips: Sequence[Path]
    scaler: Path | None = None
    cache: Path | None = None

    def source(self, **onnx_options: bool) -> Source:
        """Read the network and the clips.

        Parameters
        ----------
        **onnx_options : bool
            ``unsigned`` and ``reduce_range``; see `ser_edge_export.onnx_writer.Int8`.

        Returns
        -------
        source : Source

        Raises
        ------
        SerEdgeError
            If the file, the clips or the scaler cannot be used, or do not fit each other.
        """
        if not self.labels or not self.clips:
            raise SerEdgeError(
                f"{self.path}: says nothing of its labels and has no clips to be proved on; give "
                "--labels angry,happy,... in the order of its outputs, and --clips DIR"
            )
        if self.recipe not in RECIPES:
            raise ConfigError(f"recipe={self.recipe!r}; expected one of {', '.join(RECIPES)}")
        recipe = RECIPES[self.recipe]
        config = _input_config(recipe, self.scaler)
        network = self._network(config, onnx_options)
        store = FeatureStore(recipe)
        if self.cache is not None:
            store = FeatureStore(recipe, self.cache)
        material = load_dataset(self.clips, store)
        pairs = [
            pair
            for pair in zip(material.clips, material.originals, strict=True)
            if pair[0].label in self.labels
        ]
        if len(pairs) < 2:
            raise SerEdgeError(
                f"{', '.join(map(str, self.clips))}: holds {len(pairs)} clips with a label of "
                f"{', '.join(self.labels)}; name a folder with more, or other --labels"
            )
        # A clip whose speaker is not known counts as one of its own.
        speakers = [clip.speaker or str(clip.path) for clip, _ in pairs]
        halves = GroupShuffleSplit(1, test_size=0.5, random_state=0)
        chosen, proved = next(halves.split(pairs, groups=speakers))
        validation, test = (
            held_out([pairs[i] for i in half], self.labels) for half in (chosen, proved)
        )
        calibration = config.network_inputs(validation.features)
        recordings = [(pairs[i][0].path, pairs[i][1].digest) for i in proved]
        logits = network.logits(config.network_inputs(test.features))
        about = {
            "protocol": {
                "name": "unknown",
                "notes": [
                    "The network came as a file: whether it was trained on speakers of these clips "
                    "is not known here.",
                    *material.notes,
                ],
            },
            "corpora": {
                name: {
                    "clips": int((test.corpora == name).sum()),
                    "speakers": len(set(test.speakers[test.corpora == name])),
                    "trained_on": False,
                    "licence": "your own",
                    "citation": "",
                }
                for name in sorted(set(test.corpora.tolist()))
            },
            "recipe": recipe.to_dict(),
            "parameters": network.n_parameters,
            "metrics": {
                name: asdict(scores)
                for name, scores in test.predictions(logits, 1.0).scores(self.labels).items()
            },
            "licence": f"that of {self.path.name}, which is not known here",
        }
        return Source(
            self.path.stem,
            network,
            tuple(self.labels),
            config,
            1.0,
            None,
            calibration[np.random.default_rng(0).permutation(len(calibration))],
            validation,
            test,
            partial(window_samples, recordings, config, len(test.features)),
            about,
        )

    def _network(self, config: InputConfig, onnx_options: dict[str, bool]) -> Network:
        # Keras and ONNX take seconds to import.
        if self.path.suffix == ".onnx":
            from ser_edge_export.onnx_network import OnnxNetwork

            return OnnxNetwork.open(self.path, config.shape, len(self.labels), **onnx_options)
        from ser_edge_export.keras_network import KerasNetwork

        return KerasNetwork.open(self.path, config.shape, len(self.labels), **onnx_options)


def check_fits(
    path: Path,
    inputs: Sequence[Sequence[Any]],
    outputs: Sequence[Sequence[Any]],
    shape: Sequence[int],
    n_labels: int,
) -> None:
    """Hold a network's inputs and outputs against what it will be given.

    Parameters
    ----------
    path : Path
        Its file.
    inputs, outputs : sequence of shapes
        Without the number of windows.
    shape : sequence of int
        Of the input that the recipe makes.
    n_labels : int
        Number of names for the output.

    Raises
    ------
    SerEdgeError
        If they differ, or there are several.
    """
    if len(inputs) != 1 or len(outputs) != 1:
        raise SerEdgeError(
            f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs; expected one of each"
        )
    takes, gives = tuple(inputs[0]), tuple(outputs[0])
    if takes != tuple(shape):
        raise SerEdgeError(
            f"{path}: takes inputs of shape {takes}, and the recipe makes {tuple(shape)}; choose "
            "another --recipe, or train the network on the recipe's features"
        )
    if gives != (n_labels,):
        raise SerEdgeError(
            f"{path}: gives outputs of shape {gives}, and there are {n_labels} labels; give "
            "--labels with one name for each output"
        )


def _input_config(recipe: Recipe, scaler: Path | None) -> InputConfig:
    features, window = recipe.features, recipe.window
    n_frames = features.n_frames(window.n_samples(features.sample_rate))
    size = len(features.columns) * (1 if recipe.layout == "sequence" else n_frames)
    mean, scale = [0.0] * size, [1.0] * size
    if scaler is not None:
        mean, scale = _statistics(scaler)
    try:
        return InputConfig(features, window, recipe.layout, tuple(mean), tuple(scale))
    except ConfigError as error:
        raise SerEdgeError(f"{scaler}: {error}") from None


def _statistics(path: Path) -> tuple[list[float], list[float]]:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                found = {name: arrays[name].ravel().tolist() for name in ("mean", "scale")}
        else:
            found = json.loads(path.read_text(encoding="utf-8"))
        return list(found["mean"]), list(found["scale"])
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise SerEdgeError(
            f"{path}: is no scaler ({reason}); expected a .json or .npz file with the lists mean "
            "and scale, such as a StandardScaler's mean_ and scale_"
        ) from None
