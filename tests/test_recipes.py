"""Recipes and training options: what is refused when they are made, before any clip is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from raising import raises

from ser_edge import ConfigError

pytest.importorskip("ser_edge_train.recipes")

from ser_edge_train.augment import _KINDS
from ser_edge_train.feature_store import FeatureStore
from ser_edge_train.recipes import AUGMENTATIONS, RECIPES, BatchAugmentation, WaveAugmentation
from ser_edge_train.train_options import TrainOptions

NUMBERS = (float("nan"), float("inf"), "3", True)


def values(*others: object) -> tuple[Any, ...]:
    return (-1, None, *NUMBERS, *others)


@pytest.mark.parametrize(
    ("name", "illegal"),
    [
        ("network", ("foo",)),
        ("layout", ("x",)),
        ("optimizer", ("foo",)),
        ("learning_rate", values(0)),
        ("weight_decay", values()),
        ("label_smoothing", values(7)),
        ("batch_size", values(1, 64.5)),
        ("epochs", values(0, 1.5)),
        ("patience", values(0.5)),
        ("ensemble", values(0)),
    ],
)
def test_illegal_recipes(name: str, illegal: tuple[Any, ...]) -> None:
    for value in illegal:
        with raises(ConfigError, f"{name}={value!r}"):
            replace(RECIPES["edge"], **{name: value})


@pytest.mark.parametrize("name", BatchAugmentation.__dataclass_fields__)
def test_illegal_batch_augmentation(name: str) -> None:
    for value in values():
        with raises(ConfigError, f"{name}={value!r}"):
            BatchAugmentation(**{name: value})


def test_batch_augmentation_that_could_not_be_drawn() -> None:
    with raises(ConfigError, "speaker_normalised=1.5"):
        BatchAugmentation(speaker_normalised=1.5)
    with raises(ConfigError, "time_mask_frames=0"):
        BatchAugmentation(time_masks=1)


def test_illegal_wave_augmentation() -> None:
    with raises(ConfigError, "kind='zzz'"):
        WaveAugmentation("zzz", 1)
    for value in values(0.5):
        with raises(ConfigError, f"augmentations={value!r}"):
            WaveAugmentation("voices", value)
    assert set(AUGMENTATIONS) == set(_KINDS)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"recipe": "best"}, ["recipe='best'", *RECIPES]),
        ({"protocol": "x"}, ["protocol='x'", "speaker"]),
        ({"protocol": "corpus"}, ["test_corpus=None", "--test-corpus"]),
        ({"test_corpus": "tess"}, ["test_corpus='tess'", "--protocol"]),
        ({"protocol": "clip", "train_speakers": 3}, ["train_speakers=3", "protocol='clip'"]),
        ({"protocol": "leaky", "retrain": True}, ["retrain=True"]),
        ({"recipe": "seed", "retrain": True}, ["retrain=True"]),
        ({"train_speakers": 0}, ["train_speakers=0"]),
        ({"fold": -1}, ["fold=-1"]),
        ({"fold": None}, ["fold=None"]),
        ({"seed": -1}, ["seed=-1"]),
        ({"seed": 0.5}, ["seed=0.5"]),
        ({"epochs": 0}, ["epochs=0"]),
        ({"ensemble": 0}, ["ensemble=0"]),
        ({"augmentations": -2}, ["augmentations=-2"]),
    ],
)
def test_illegal_training_options(options: dict[str, Any], named: list[str]) -> None:
    with raises(ConfigError, *named):
        TrainOptions(**options)


@pytest.mark.parametrize("jobs", [0, -2, 1.5, "all"])
def test_an_illegal_number_of_processes(jobs: Any) -> None:
    with raises(ConfigError, f"jobs={jobs!r}"):
        FeatureStore(RECIPES["edge"], jobs=jobs)
