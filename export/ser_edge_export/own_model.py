"""A network from a ``.keras`` or ``.onnx`` file that uses the features of a recipe."""

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

from ser_edge.checks import check_choice
from ser_edge.errors import ConfigError, SerEdgeError
from ser_edge.frontend import InputConfig
from ser_edge_export.trained_model import Network, TrainedModel
from ser_edge_export.window_audio import window_samples
from ser_edge_train.dataset import held_out, load_dataset
from ser_edge_train.feature_store import FeatureStore
from ser_edge_train.recipes import RECIPES, Recipe
from ser_edge_train.run import HeldOut


@dataclass(frozen=True)
class OwnModel:
    """A network's file, and the settings that are not in it.

    Parameters
    ----------
    path : Path
        A ``.keras``, ``.h5`` or ``.onnx`` file.
    labels : sequence of str
        Labels of its outputs, in order.
    recipe : str
        The recipe (`ser_edge_train.recipes`) of its features, windows and layout.
    clips : sequence of Path
        Labelled recordings, as for training: half of the speakers are used for calibration, the
        others for the test.
    scaler : Path, optional
        A ``.json`` or ``.npz`` file with ``mean`` and ``scale``, if its input is standardised.
    cache : Path, optional
        Folder for computed features, instead of the user's cache folder.
    """

    path: Path
    labels: Sequence[str]
    recipe: str
    clips: Sequence[Path]
    scaler: Path | None = None
    cache: Path | None = None

    def trained_model(self, **onnx_options: bool) -> TrainedModel:
        """Read the network and the clips.

        Parameters
        ----------
        **onnx_options : bool
            ``unsigned`` and ``reduce_range``; see `ser_edge_export.onnx_writer.Int8`.

        Returns
        -------
        model : TrainedModel

        Raises
        ------
        ConfigError
            If labels or clips are missing, or the recipe is unknown.
        SerEdgeError
            If the file, the clips or the scaler cannot be used, or do not fit each other.
        """
        given = {"--labels": self.labels, "--clips": self.clips}
        missing = [option for option, values in given.items() if not values]
        if missing:
            raise ConfigError(
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
                "give --labels angry,happy,... in the order of the outputs, and --clips DIR",
                self.path,
            )
        check_choice("recipe", self.recipe, RECIPES)
        recipe = RECIPES[self.recipe]
        config = _input_config(recipe, self.scaler)
        network = self._network(config, onnx_options)
        store = FeatureStore(recipe, self.cache)
        dataset = load_dataset(self.clips, store)
        pairs = [
            pair
            for pair in zip(dataset.clips, dataset.originals, strict=True)
            if pair[0].label in self.labels
        ]
        if len(pairs) < 2:
            raise SerEdgeError(
                f"{len(pairs)} clips have a label of {', '.join(self.labels)}, expected 2 or more",
                "name a folder with more clips, or other --labels",
                ", ".join(map(str, self.clips)),
            )
        # A clip of an unknown speaker counts as a speaker of its own.
        speakers = [clip.speaker or str(clip.path) for clip, _ in pairs]
        split = GroupShuffleSplit(1, test_size=0.5, random_state=0)
        parts = next(split.split(pairs, groups=speakers))
        validation, test = (held_out([pairs[i] for i in part], self.labels) for part in parts)
        calibration = config.network_inputs(validation.features)
        recordings = [(pairs[i][0].path, pairs[i][1].digest) for i in parts[1]]
        return TrainedModel(
            name=self.path.stem,
            network=network,
            labels=tuple(self.labels),
            input=config,
            temperature=1.0,
            speakers=None,
            calibration=calibration[np.random.default_rng(0).permutation(len(calibration))],
            validation=validation,
            test=test,
            samples=partial(window_samples, recordings, config, len(test.features)),
            about=self._about(recipe, config, network, test, dataset.notes),
        )

    def _network(self, config: InputConfig, onnx_options: dict[str, bool]) -> Network:
        # Keras and ONNX take seconds to import.
        if self.path.suffix == ".onnx":
            from ser_edge_export.onnx_network import OnnxNetwork

            return OnnxNetwork.open(self.path, config.shape, len(self.labels), **onnx_options)
        from ser_edge_export.keras_network import KerasNetwork

        return KerasNetwork.open(self.path, config.shape, len(self.labels), **onnx_options)

    def _about(
        self,
        recipe: Recipe,
        config: InputConfig,
        network: Network,
        test: HeldOut,
        notes: Sequence[str],
    ) -> dict[str, Any]:
        logits = network.logits(config.network_inputs(test.features))
        scores = test.predictions(logits, 1.0).scores(self.labels)
        unknown = (
            "The network came as a file. Whether it was trained on speakers of these clips is "
            "unknown."
        )
        return {
            "protocol": {"name": "unknown", "notes": [unknown, *notes]},
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
            "metrics": {name: asdict(score) for name, score in scores.items()},
            "licence": f"that of {self.path.name}, which is unknown",
        }


def _input_config(recipe: Recipe, scaler: Path | None) -> InputConfig:
    features, window = recipe.features, recipe.window
    n_frames = features.n_frames(window.n_samples(features.sample_rate))
    size = len(features.columns) * (1 if recipe.layout == "sequence" else n_frames)
    if scaler is None:
        return InputConfig(features, window, recipe.layout, (0.0,) * size, (1.0,) * size)
    mean, scale = _read_scaler(scaler)
    try:
        return InputConfig(features, window, recipe.layout, tuple(mean), tuple(scale))
    except ConfigError as error:
        raise SerEdgeError(error.problem, "give the scaler of this network", scaler) from None


def _read_scaler(path: Path) -> tuple[list[float], list[float]]:
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
            f"is not a scaler ({reason}), expected a .json or .npz file with the lists mean and "
            "scale",
            "write a StandardScaler's mean_ and scale_ to it",
            path,
        ) from None
