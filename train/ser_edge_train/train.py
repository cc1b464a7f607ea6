"""`ser-edge train`: from folders of labelled speech to a run folder."""

from __future__ import annotations

import csv
import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.adaptation.speaker_model import SpeakerModel
from ser_edge.frontend import InputConfig
from ser_edge_train import splits
from ser_edge_train.corpora import CALM, CORPORA, LABELS
from ser_edge_train.dataset import Dataset, all_windows, load_dataset
from ser_edge_train.enrolment import fit_speakers
from ser_edge_train.feature_store import FeatureStore, Windows
from ser_edge_train.folders import check_free, move_into_place, partial_folder
from ser_edge_train.metrics import fit_temperature
from ser_edge_train.predictions import Predictions
from ser_edge_train.report import classification_table, write_report
from ser_edge_train.run import HeldOut, Run, RunSettings, save_windows
from ser_edge_train.summary import Summary
from ser_edge_train.train_options import TrainOptions
from ser_edge_train.versions import versions

if TYPE_CHECKING:
    from ser_edge_train.keras_backend import keras

__all__ = [
    "RESUME",
    "TrainOptions",
    "copied_clips",
    "gather",
    "resumed_folder",
    "split_dataset",
    "train",
    "train_on",
]

logger = logging.getLogger(__name__)

_MADE_WITH = ("ser-edge", "tensorflow", "tensorflow-cpu", "keras", "librosa", "numpy")
_CALIBRATION_WINDOWS = 1024
RESUME = "resume.json"


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

    An interrupted call leaves what it has beside `out`; the same call then goes on from there.

    Parameters
    ----------
    sources : sequence of path
        Folders or CSV files of labelled speech; see `ser_edge_train.corpora.find_clips`.
    out : path
        The run folder to write.
    options : TrainOptions
        Recipe, protocol and seed.
    cache : Path, optional
        Folder for computed features, instead of the user's cache folder.
    jobs : int
        Processes that compute features; -1 is one a core.
    overwrite : bool
        Whether `out` may be replaced.

    Returns
    -------
    run : Run

    Raises
    ------
    SerEdgeError
        If the data cannot be used, or cannot be divided by the protocol.
    ConfigError
        If an option is not legal.
    """
    out = Path(out)
    check_free(out, overwrite=overwrite)
    store, material = gather(sources, options, cache, jobs)
    split = split_dataset(material, options)
    windows = all_windows(material, store, copied_clips(split, options))
    return train_on(material, split, windows, out, options)


def gather(
    sources: Sequence[str | os.PathLike[str]],
    options: TrainOptions,
    cache: Path | None,
    jobs: int,
) -> tuple[FeatureStore, Dataset]:
    """Find the clips and compute the features of each one's original, as the options say."""
    store = FeatureStore(options.chosen_recipe(), seed=options.seed, jobs=jobs)
    if cache is not None:
        store = replace(store, folder=Path(cache))
    material = load_dataset(
        sources, store, keep_going=options.keep_going, calm_apart=options.calm_apart
    )
    return store, material


def split_dataset(material: Dataset, options: TrainOptions) -> splits.Split:
    """Divide clips as the options say."""
    return splits.split_clips(
        material.clips,
        options.protocol,
        n_copies=options.chosen_recipe().wave.copies,
        fold=options.fold,
        test_corpus=options.test_corpus,
        train_speakers=options.train_speakers,
        seed=options.seed,
    )


def copied_clips(split: splits.Split, options: TrainOptions) -> list[int]:
    """Return the numbers of the clips whose altered copies are trained on."""
    wanted = split.refit if options.chosen_recipe().refit else split
    return [int(number) for number in wanted.altered]


def train_on(
    material: Dataset, split: splits.Split, windows: Windows, out: Path, options: TrainOptions
) -> Run:
    """Train a network on windows whose features are there, and write a run folder.

    Parameters
    ----------
    material, split
        The clips, and the part of each.
    windows : Windows
        Of all of them, and of the copies that the split uses.
    out : Path
        The run folder to write; what stands there is replaced.
    options : TrainOptions
        Recipe, protocol and seed.

    Returns
    -------
    run : Run
    """
    clips = [clip.digest for clip in material.originals]
    partial = resumed_folder(out, {**asdict(options), "clips": clips})
    _write_run(partial, out.name, options, material, split, windows)
    move_into_place(partial, out)
    return Run.open(out)


def resumed_folder(out: Path, settings: dict[str, Any]) -> Path:
    """Return the folder beside `out`; what an interrupted call of the same settings left stays."""
    partial = partial_folder(out)
    marker = partial / RESUME
    text = json.dumps(settings)
    if marker.is_file() and marker.read_text(encoding="utf-8") == text:
        logger.info("going on where an interrupted run of the same settings stopped")
        return partial
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    marker.write_text(text, encoding="utf-8")
    return partial


def _write_run(
    folder: Path,
    name: str,
    options: TrainOptions,
    material: Dataset,
    split: splits.Split,
    windows: Windows,
) -> None:
    # Keras and TensorFlow take seconds to import: not before the data is known to be good.
    from ser_edge_train.ensemble import train_members
    from ser_edge_train.fit import Examples, logits

    recipe = options.chosen_recipe()
    training, validation, test = (
        windows.select(split.rows(part)) for part in (splits.TRAIN, splits.VALIDATION, splits.TEST)
    )
    names = (*LABELS, CALM)
    clip_labels = np.array([names.index(clip.label) for clip in material.clips])
    present = np.unique(clip_labels[training.clip])
    labels = tuple(names[i] for i in present)
    numbers = np.searchsorted(present, clip_labels)
    one_hot = np.eye(len(labels), dtype=np.float32)
    speakers = tuple(
        clip.speaker or item.digest
        for clip, item in zip(material.clips, material.originals, strict=True)
    )

    def examples(part: Windows) -> Examples:
        return Examples(part, one_hot[numbers[part.clip]], speakers)

    scratch = folder / "scratch"
    network, config, histories = train_members(
        recipe,
        examples(training),
        examples(validation),
        seed=options.seed,
        scratch=scratch / "chosen",
    )
    history = _write_history(folder / "history.csv", histories)
    validated, tested = (_held_out(part, material, numbers) for part in (validation, test))
    trained_on = split.rows(splits.TRAIN)
    heard = _held_out(training.select(trained_on[trained_on[:, 1] == 0]), material, numbers)
    temperature, speaker_model = _chosen(network, config, validated, heard)
    if recipe.refit:
        training = windows.select(split.refit.rows(splits.TRAIN))
        network, config, _ = train_members(
            recipe, examples(training), None, seed=options.seed, scratch=scratch / "refit"
        )
    validation_logits, test_logits = (
        logits(network, config.network_inputs(part.features)) for part in (validated, tested)
    )
    answers = tested.answers(test_logits, temperature)
    scores = answers.scores(labels)
    notes = [*split.notes, *material.notes]
    if options.protocol == "leaky":
        notes.insert(1, _what_leaks(split, answers))
    if recipe.refit:
        notes.append(
            "Trained once more, on the validation clips too, after they had given the temperature "
            "and what adaptation rests on; the learning curves are those of the first time."
        )
    about = {
        "protocol": {
            "name": options.protocol,
            "fold": options.fold,
            "test_corpus": options.test_corpus,
            "seed": options.seed,
            "notes": notes,
        },
        "corpora": _corpora(material, split, options.licence),
        "parameters": int(network.count_params()),
        "epochs": len(history["loss"]),
        "metrics": {name: asdict(value) for name, value in scores.items()},
        "training_speakers": sorted({material.clips[i].speaker for i in np.unique(training.clip)}),
        "versions": versions(*_MADE_WITH),
    }
    settings = RunSettings(name, recipe, labels, config, temperature, speaker_model, about)
    settings.save(folder)
    network.save(folder / "model.keras")
    rng = np.random.default_rng(options.seed)
    drawn = rng.permutation(len(training.features))[:_CALIBRATION_WINDOWS]
    save_windows(
        folder,
        training.features[drawn],
        validation=(validated, validation_logits),
        test=(tested, test_logits),
    )
    _write_split(folder, material, split)
    write_report(folder, [Summary.of([Run(folder, settings)])], history)
    (folder / "classification_report.txt").write_text(classification_table(scores["all"], labels))
    (folder / RESUME).unlink()
    shutil.rmtree(scratch)


def _chosen(
    network: keras.Model, config: InputConfig, validated: HeldOut, heard: HeldOut
) -> tuple[float, SpeakerModel]:
    """Find what validation clips decide: the temperature, and what adaptation rests on."""
    from ser_edge_train.fit import logits

    said, said_in_training = (
        logits(network, config.network_inputs(part.features)) for part in (validated, heard)
    )
    temperature = fit_temperature(said, validated.y_true[validated.clip])
    return temperature, fit_speakers(
        validated.answers(said, temperature), heard.answers(said_in_training, temperature)
    )


def _what_leaks(split: splits.Split, answers: Predictions) -> str:
    """Compare the test rows that have another copy of their clip in training with the others."""
    clips = split.rows(splits.TEST)[:, 0]  # in the order in which `_held_out` numbers them
    known = (split.parts[clips] == splits.TRAIN).any(axis=1)
    right = answers.predicted == answers.y_true
    parts = [(known, "another copy of their clip"), (~known, "none")]
    told = [
        f"of the {there.sum()} with {what} in training {right[there].mean():.1%} are heard rightly"
        for there, what in parts
        if there.any()
    ]
    return f"What leaks, by the test rows: {', '.join(told)}."


def _write_history(
    path: Path, histories: Sequence[dict[str, list[float]]]
) -> dict[str, list[float]]:
    """Average what the members' epochs gave, as long as all of them went on."""
    epochs = min(len(history["loss"]) for history in histories)
    mean = {
        name: np.mean([history[name][:epochs] for history in histories], axis=0).tolist()
        for name in histories[0]
    }
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(mean)
        rows.writerows(zip(*mean.values(), strict=True))
    return mean


def _held_out(part: Windows, material: Dataset, numbers: NDArray[np.int64]) -> HeldOut:
    """Gather a part's clips; in the leaky protocol every copy counts as one."""
    pairs, item = np.unique(np.stack([part.clip, part.copy]), axis=1, return_inverse=True)
    clips = [material.clips[i] for i in pairs[0]]
    return HeldOut(
        features=part.features,
        clip=item.reshape(-1),
        y_true=numbers[pairs[0]],
        speakers=np.array([clip.speaker or "unknown" for clip in clips]),
        corpora=np.array([clip.corpus for clip in clips]),
        seconds=np.array([material.originals[i].seconds for i in pairs[0]]),
    )


def _corpora(
    material: Dataset, split: splits.Split, licence: str | None
) -> dict[str, dict[str, Any]]:
    about = {}
    for name in sorted({clip.corpus for clip in material.clips}):
        members = [i for i, clip in enumerate(material.clips) if clip.corpus == name]
        corpus = None if licence else CORPORA.get(name)
        about[name] = {
            "clips": len(members),
            "speakers": len({material.clips[i].speaker for i in members}),
            "trained_on": bool((split.parts[members] == splits.TRAIN).any()),
            "licence": corpus.licence if corpus else licence or "your own",
            "citation": corpus.citation if corpus else "",
            "voices": corpus.voices if corpus else "",
        }
    return about


def _write_split(folder: Path, material: Dataset, split: splits.Split) -> None:
    with (folder / "split.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        n_copies = split.parts.shape[1] - 1
        rows.writerow(
            ["path", "corpus", "speaker", "label", "sha256", "part"]
            + [f"copy{i}" for i in range(1, n_copies + 1)]
        )
        for clip, item, parts in zip(material.clips, material.originals, split.parts, strict=True):
            names = [splits.PARTS[part] for part in parts]
            rows.writerow([clip.path, clip.corpus, clip.speaker, clip.label, item.digest, *names])
    if material.rejected:
        with (folder / "rejected.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(
                [("path", "reason"), *((item.path, item.reason) for item in material.rejected)]
            )
