"""Adaptation to a speaker: a correction is learned without labels, saved, loaded and applied."""

from __future__ import annotations

import io
import json
import math
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hanging import make_pipe
from numpy.typing import NDArray
from raising import raises
from recordings import written

from ser_edge import BundleError, Classifier, ConfigError, Profile, SerEdgeError
from ser_edge.adaptation.speaker_model import Correction, SpeakerModel, centred_logs
from ser_edge.cli.command_line import main

N_LABELS = 7


def speaker_model(spread: float = 1.0) -> SpeakerModel:
    means = 3 * (np.eye(N_LABELS) - 1 / N_LABELS)
    covariance = 0.5 * (np.eye(N_LABELS) - 1 / N_LABELS)
    return SpeakerModel(
        tuple(map(tuple, means.tolist())), tuple(map(tuple, covariance.tolist())), spread
    )


def spoken(
    model: SpeakerModel,
    labels: NDArray[np.int64],
    offset: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    noise = rng.multivariate_normal(np.zeros(N_LABELS), np.asarray(model.covariance), len(labels))
    return np.asarray(np.asarray(model.means)[labels] + offset + noise)


@pytest.fixture
def bundle(bundle_dir: Path, tmp_path: Path) -> Path:
    """A bundle whose manifest has a speaker model."""
    folder = tmp_path / "bundle"
    shutil.copytree(bundle_dir, folder)
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text("utf-8"))
    model = speaker_model()
    content["speakers"] = {
        "means": model.means,
        "covariance": model.covariance,
        "spread": model.spread,
    }
    manifest.write_text(json.dumps(content), "utf-8")
    return folder


@pytest.fixture
def clip(rng: np.random.Generator) -> NDArray[np.float32]:
    return (0.1 * rng.standard_normal(4 * 22050)).astype(np.float32)


EVERY = list(range(N_LABELS)) * 5
IDENTITY = Correction(np.eye(N_LABELS), np.zeros(N_LABELS))


@pytest.mark.parametrize("labels", [[4] * 30, [0] * 30])
def test_an_offset_is_found_in_one_mood(labels: list[int], rng: np.random.Generator) -> None:
    """What is learned is the speaker, not the mood."""
    model = speaker_model()
    offset = 0.6 * centred_logs(rng.dirichlet(np.ones(N_LABELS)))
    offset *= 1 / np.abs(offset).max()
    found = model.offset(spoken(model, np.array(labels), offset, rng), len(labels))
    np.testing.assert_allclose(found, offset, atol=0.4)
    assert np.abs(found - offset).mean() < 0.4 * np.abs(offset).mean()
    assert found.mean() == pytest.approx(0, abs=1e-9)


def test_labels_become_equally_frequent_in_all_moods(rng: np.random.Generator) -> None:
    model = speaker_model()
    offset = np.array([2.0, -1.0, -0.5, -0.5, 0, 0, 0])
    logs = spoken(model, np.array(EVERY), offset, rng)
    found = model.offset(logs, len(logs))
    assert np.corrcoef(found, offset)[0, 1] > 0.95
    assert found.mean() == pytest.approx(0, abs=1e-9)

    def unevenness(logs: NDArray[np.float64]) -> float:
        shares = np.exp(logs)
        frequencies = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        return float(np.abs(frequencies - 1 / N_LABELS).max())

    assert unevenness(logs - found) < 0.5 * unevenness(logs)
    # Nor more after an hour.
    np.testing.assert_array_equal(model.offset(logs, 20), found)
    weights = [model.correction(logs, n).weights for n in (10, 20, len(logs))]
    np.testing.assert_array_equal(weights[1], weights[2])
    assert np.abs(weights[0] - weights[1]).max() > 1e-3


@pytest.mark.parametrize("spread", [0.1, 1.0])
def test_the_scatter_tells_one_mood_from_all(spread: float, rng: np.random.Generator) -> None:
    model = speaker_model(spread)
    offset = 3 * centred_logs(rng.dirichlet(np.ones(N_LABELS)))
    for labels, least, most in ((EVERY, 0.99, 1), ([4] * 12, 0, 0.01), ([0] * 6, 0, 0.1)):
        logs = spoken(model, np.array(labels), offset, rng)
        mixed = model.mixed(logs, len(logs))
        assert least <= mixed <= most
        assert model.mixed(logs - offset, len(logs)) == pytest.approx(mixed, abs=1e-9)
        assert abs(model.mixed(logs, 2) - 0.5) < abs(mixed - 0.5)
    assert model.mixed(logs[:1], 5) == model.mixed(logs, 1) == 0.5


def test_little_speech_is_trusted_little(rng: np.random.Generator) -> None:
    model = speaker_model(spread=0.1)
    offset = np.array([1.0, -1.0, 0, 0, 0, 0, 0])
    logs = spoken(model, np.arange(N_LABELS), offset, rng)
    sizes = [np.abs(model.offset(logs, n)).max() for n in (0.5, 5, 50)]
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[0] < 0.1


def test_where_a_speakers_labels_lie_is_learned(rng: np.random.Generator) -> None:
    """From all moods; one alone does not move the others."""
    model = speaker_model()
    offset = np.array([1.0, -1.0, 0, 0, 0, 0, 0])
    y_true = np.array(EVERY * 20)
    errors = {"offset": 0, "correction": 0}
    for _ in range(5):
        means = np.asarray(model.means) + 0.8 * rng.standard_normal((N_LABELS, N_LABELS))
        means -= means.mean(axis=1, keepdims=True)
        own = SpeakerModel(tuple(map(tuple, means.tolist())), model.covariance, model.spread)
        learned, tested = (spoken(own, np.array(labels), offset, rng) for labels in (EVERY, y_true))
        shares = np.exp(tested)
        corrected = model.correction(learned, len(learned))(
            shares / shares.sum(axis=1, keepdims=True)
        )
        np.testing.assert_allclose(corrected.sum(axis=1), 1)
        errors["correction"] += (corrected.argmax(axis=1) != y_true).sum()
        moved = tested - model.offset(learned, len(learned))
        errors["offset"] += (moved.argmax(axis=1) != y_true).sum()
    assert errors["correction"] < 0.7 * errors["offset"]
    one_mood = spoken(model, np.array([4] * 30), offset, rng)
    weights = model.correction(one_mood, 30).weights
    np.testing.assert_allclose(weights, np.eye(N_LABELS), atol=1e-3)


def test_what_is_learned_is_a_ratio_of_densities(rng: np.random.Generator) -> None:
    """Of the speaker's normal densities to everybody's; only the means differ."""
    model = speaker_model()
    logs = spoken(model, np.array(EVERY), np.zeros(N_LABELS), rng)
    correction = model.correction(logs, 10)  # windows that overlap
    means = np.asarray(model.means)
    inverse = np.linalg.inv(np.asarray(model.covariance) + 1e-2 * np.eye(N_LABELS))

    def density(rows: NDArray[np.float64], about: NDArray[np.float64]) -> NDArray[np.float64]:
        away = rows[:, None] - about
        return np.asarray(-0.5 * np.einsum("ncd,de,nce->nc", away, inverse, away))

    rows = logs - model.offset(logs, 10)
    shares = np.exp(density(rows, means))
    shares *= model.mixed(logs, 10) * 10 / len(logs) / shares.sum(axis=1, keepdims=True)
    moved = (30 * means + shares.T @ rows) / (30 + shares.sum(axis=0))[:, None]
    expected = rows + density(rows, moved) - density(rows, means)
    found = logs @ correction.weights.T - correction.offset
    np.testing.assert_allclose(
        found - found.mean(axis=1, keepdims=True),
        expected - expected.mean(axis=1, keepdims=True),
        atol=1e-9,
    )
    assert correction.offset.mean() == pytest.approx(0, abs=1e-9)


def test_an_adapted_classifier_corrects(bundle: Path, clip: NDArray[np.float32]) -> None:
    plain = Classifier.load(bundle, backend="numeric")
    adapted = plain.adapt([clip[:50000], clip[20000:]], 22050)
    profile = adapted.profile
    assert profile is not None
    assert profile.seconds == pytest.approx(50000 / 22050 + 3.0, abs=0.2)
    before, after = (c.predict(clip, 22050) for c in (plain, adapted))
    for one, other in zip(before.windows, after.windows, strict=True):
        shares = np.array(list(one.probabilities.values()))
        expected = profile.correction(shares)
        assert np.abs(expected - shares).max() > 1e-3
        np.testing.assert_allclose(list(other.probabilities.values()), expected, atol=1e-6)
    assert adapted.adapt([clip], 22050).profile == plain.adapt([clip], 22050).profile
    assert adapted.with_profile(None).predict(clip, 22050).label == before.label


def test_a_profile_is_saved_and_loaded(
    bundle: Path, clip: NDArray[np.float32], tmp_path: Path
) -> None:
    adapted = Classifier.load(bundle, backend="numeric").adapt([clip], 22050)
    assert adapted.profile is not None
    path = tmp_path / "anna.json"
    adapted.profile.save(path)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    again = Classifier.load(bundle, profile=Profile.load(path))
    assert again.profile == adapted.profile
    assert pickle.loads(pickle.dumps(adapted)).profile == adapted.profile


def test_the_command_line(
    bundle: Path,
    clip: NDArray[np.float32],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    speech = tmp_path / "speech.wav"
    speech.write_bytes(written(clip, 22050))
    profile = tmp_path / "anna.json"
    words = [str(speech), "--bundle", str(bundle), "--backend", "numeric"]
    assert main(["adapt", *words, "--out", str(profile)]) == 0
    assert capsys.readouterr().out.startswith(f"{profile}: ")
    assert main(["adapt", *words, "--out", str(profile)]) == 1
    assert str(profile) in capsys.readouterr().err
    assert main(["adapt", *words, "--out", str(profile), "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(profile.read_text("utf-8"))
    answers = []
    for extra in ([], ["--profile", str(profile)]):
        assert main(["predict", *words, "--json", *extra]) == 0
        answers.append(json.loads(capsys.readouterr().out)["probabilities"])
    assert answers[0] != answers[1]


def test_refusals(
    bundle_dir: Path, bundle: Path, clip: NDArray[np.float32], tmp_path: Path
) -> None:
    classifier = Classifier.load(bundle, backend="numeric")
    with raises(ConfigError, "[]"):
        classifier.adapt([])
    for single in ("clip.wav", b"RIFF", tmp_path / "clip.wav", io.BytesIO(), clip, 5):
        recordings: Any = single
        with raises(ConfigError, type(single).__name__):
            classifier.adapt(recordings, 22050)
    foreign = Profile.of(IDENTITY, classifier.labels, 3.0, "another")
    with raises(ConfigError, "another"):
        classifier.with_profile(foreign)
    manifest = json.loads((bundle_dir / "manifest.json").read_text("utf-8"))
    silent = tmp_path / "silent"
    shutil.copytree(bundle_dir, silent)
    (silent / "manifest.json").write_text(json.dumps({**manifest, "speakers": None}), "utf-8")
    with raises(BundleError):
        Classifier.load(silent, backend="numeric").adapt([clip], 22050)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        {"format_version": 1},
        {"offset": [1, 2]},
        {"offset": {"sad": None}},
        {"offset": {"sad": 1e9}},
        {"offset": {"sad": True}},
        {"weights": None},
        {"weights": {"sad": 1.0}},
        {"weights": {"sad": {"glad": 1.0}}},
        {"weights": {"sad": {"sad": "1"}}},
        {"weights": {}},
        {"seconds": "long"},
        {"network": 3},
    ],
)
def test_damaged_profiles_are_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "anna.json"
    whole = Profile({"sad": {"sad": 1.0}}, {"sad": 0.5}, 12.0, "abc")
    text = content if isinstance(content, str) else json.dumps({**whole.to_dict(), **content})
    path.write_text(text, "utf-8")
    with raises(SerEdgeError, source=path):
        Profile.load(path)


def test_profiles_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with raises(SerEdgeError, source=tmp_path / "nobody.json"):
        Profile.load(tmp_path / "nobody.json")
    make_pipe(tmp_path / "pipe")
    with raises(SerEdgeError, "pipe", source=tmp_path / "pipe"):
        Profile.load(tmp_path / "pipe")
    with raises(SerEdgeError):
        Profile({"sad": {"sad": 1.0}}, {"sad": 0.5}, 12.0, "abc").save(tmp_path / "no" / "a.json")


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({"seconds": -1}, "seconds=-1"),
        ({"network": 5}, "network=5"),
        ({"weights": {}, "offset": {}}, "weights"),
        ({"offset": {"sad": math.inf}}, "offset.sad=inf"),
        ({"weights": {"sad": {"sad": "1"}}}, "sad.sad='1'"),
        ({"weights": {"sad": {"glad": 1.0}}}, "glad"),
    ],
)
def test_profiles_with_illegal_values(change: dict[str, Any], value: str) -> None:
    whole = Profile({"sad": {"sad": 1.0}}, {"sad": 0.5}, 12.0, "abc")
    with raises(ConfigError, value):
        replace(whole, **change)


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({"means": [[0.0]]}, "covariance"),
        ({"means": [[0.0] * 2] * 7}, "means"),
        ({"covariance": [["x"] * 7] * 7}, "covariance='x'"),
        ({"covariance": [[0.0] * 6 + [1.0]] * 7}, "covariance"),
        ({"covariance": (-np.eye(7)).tolist()}, "-1"),
        ({"spread": 0}, "spread=0"),
        ({"means": [], "covariance": []}, "means"),
        ({"means": 3}, "not iterable"),
    ],
)
def test_a_manifest_with_a_bad_speaker_model(
    bundle: Path, change: dict[str, Any], value: str
) -> None:
    manifest = bundle / "manifest.json"
    content = json.loads(manifest.read_text("utf-8"))
    content["speakers"] |= change
    manifest.write_text(json.dumps(content), "utf-8")
    with raises(BundleError, value):
        Classifier.load(bundle, backend="numeric")
