"""Feature settings: which are legal, what the columns are called, and JSON."""

from typing import Any

import numpy as np
import pytest
from raising import raises

from ser_edge.errors import ConfigError
from ser_edge.features import FeatureConfig

ILLEGAL = [
    {"sample_rate": 7999},
    {"sample_rate": 192001},
    {"sample_rate": 22050.0},
    {"sample_rate": 10**400},
    {"n_fft": 1},
    {"n_fft": 10**9},
    {"n_fft": True},
    {"n_fft": "2048"},
    {"hop_length": 0},
    {"hop_length": 16385},
    {"n_mels": 0},
    {"n_mels": 513},
    {"n_mfcc": 0},
    {"n_mfcc": 129},
    {"fmin": -1.0},
    {"fmin": np.nan},
    {"fmin": "low"},
    {"fmin": None},
    {"fmax": 0.5},
    {"fmax": 11026.0},
    {"fmax": np.inf},
    {"fmax": [8000]},
    {"center": "no"},
    {"center": 1},
    {"descriptors": ()},
    {"descriptors": ("zcr", "zcr")},
    {"descriptors": ("pitch",)},
    {"descriptors": (["zcr"],)},
]


@pytest.mark.parametrize("setting", ILLEGAL, ids=str)
def test_illegal_settings_are_named(setting: dict[str, Any]) -> None:
    ((name, value),) = setting.items()
    with raises(ConfigError, f"{name}={repr(value)[:9]}"):
        FeatureConfig(**setting)
    with raises(ConfigError):
        FeatureConfig.from_dict(setting)


@pytest.mark.parametrize("descriptors", [None, 3, "mfcc", ["mfcc"]])
def test_descriptors_are_a_tuple(descriptors: Any) -> None:
    with raises(ConfigError, f"descriptors={descriptors!r}", "('zcr', 'rms'"):
        FeatureConfig(descriptors=descriptors)


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"n_ftt": 2048}, "'n_ftt'"),
        ({"descriptors": 3}, "int"),
        ({"descriptors": [[]]}, "descriptors="),
        ([], "list"),
        (None, "NoneType"),
    ],
)
def test_foreign_settings_are_refused(settings: Any, value: str) -> None:
    with raises(ConfigError, value):
        FeatureConfig.from_dict(settings)


@pytest.mark.parametrize(("fmax", "resolved"), [(None, 8000.0), (3400.0, 3400.0)])
def test_the_mel_range_resolves_none(fmax: float | None, resolved: float) -> None:
    config = FeatureConfig(sample_rate=16000, fmin=50.0, fmax=fmax)
    assert config.mel_range == (50.0, resolved)


def test_settings_survive_json() -> None:
    config = FeatureConfig(16000, 400, 160, 13, 40, 20.0, 7600.0, False, ("log_rms", "mfcc"))
    read_back = {**config.to_dict(), "descriptors": list(config.descriptors)}
    assert FeatureConfig.from_dict(read_back) == config


def test_columns_are_named_in_order() -> None:
    config = FeatureConfig(
        n_mfcc=2, n_mels=3, descriptors=("delta", "centroid", "log_mel", "mfcc", "zcr")
    )
    assert config.columns == (
        *("delta0", "delta1", "centroid", "log_mel0", "log_mel1", "log_mel2"),
        *("mfcc0", "mfcc1", "zcr"),
    )
    assert config.columns_of["log_mel"] == slice(3, 6)
