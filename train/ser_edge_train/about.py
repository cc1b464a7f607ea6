"""The description of a run in ``run.json``: protocol, corpora, metrics and versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ser_edge_train.dataset import Dataset
from ser_edge_train.parts import Parts
from ser_edge_train.predictions import Predictions
from ser_edge_train.published import CORPORA
from ser_edge_train.recipes import Recipe
from ser_edge_train.splits import TEST, TRAIN, Split
from ser_edge_train.train_options import TrainOptions
from ser_edge_train.versions import versions

_PACKAGES = ("ser-edge", "tensorflow", "tensorflow-cpu", "keras", "librosa", "numpy")


def describe(
    parts: Parts, recipe: Recipe, options: TrainOptions, predictions: Predictions
) -> dict[str, Any]:
    """Describe how a network was trained, and its metrics on the test clips."""
    notes = [*parts.split.notes, *parts.dataset.notes]
    if options.protocol == "leaky":
        notes.insert(1, _leakage(parts.split, predictions))
    if recipe.retrain:
        notes.append(
            "The network was retrained on training and validation clips, after the validation "
            "clips had set temperature and speaker model; the learning curves are of the first "
            "training."
        )
    return {
        "protocol": {
            "name": options.protocol,
            "fold": options.fold,
            "test_corpus": options.test_corpus,
            "seed": options.seed,
            "notes": notes,
        },
        "corpora": _corpora(parts.dataset, parts.split, options.licence),
        "metrics": {
            name: asdict(scores) for name, scores in predictions.scores(parts.labels).items()
        },
        "versions": versions(*_PACKAGES),
    }


def _leakage(split: Split, predictions: Predictions) -> str:
    """Compare the accuracy on test rows whose clip is also in training with that on the others."""
    clips = split.rows(TEST)[:, 0]  # in the order of `predictions`
    leaked = (split.parts[clips] == TRAIN).any(axis=1)
    correct = predictions.predicted == predictions.y_true
    accuracies = [
        f"{correct[rows].mean():.1%} of the {rows.sum()} {which}"
        for rows, which in (
            (leaked, "whose clip is also in training"),
            (~leaked, "whose clip is not"),
        )
        if rows.any()
    ]
    return f"Effect of the leak, test rows predicted correctly: {', '.join(accuracies)}."


def _corpora(dataset: Dataset, split: Split, licence: str | None) -> dict[str, dict[str, Any]]:
    about = {}
    for name in sorted({clip.corpus for clip in dataset.clips}):
        clips = [i for i, clip in enumerate(dataset.clips) if clip.corpus == name]
        corpus = None if licence else CORPORA.get(name)
        about[name] = {
            "clips": len(clips),
            "speakers": len({dataset.clips[i].speaker for i in clips}),
            "trained_on": bool((split.parts[clips] == TRAIN).any()),
            "licence": corpus.licence if corpus else licence or "your own",
            "citation": corpus.citation if corpus else "",
            "voices": corpus.voices if corpus else "",
        }
    return about
