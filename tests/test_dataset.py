"""Computing and caching features: by content, by settings, and without losing what was done."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raising import raises
from scipy.io import wavfile

from ser_edge import SerEdgeError
from ser_edge_train import feature_store
from ser_edge_train.corpora import Clip, Rejected
from ser_edge_train.dataset import load_dataset
from ser_edge_train.feature_store import ClipFeatures, FeatureStore, Windows
from ser_edge_train.recipes import RECIPES

RATE = 22050


def record(path: Path, seed: int, seconds: float = 1.5) -> Clip:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    samples = 3000 * rng.standard_normal(round(seconds * RATE))
    wavfile.write(path, RATE, samples.astype(np.int16))
    return Clip(path, "mine", "mine/me", "angry")


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    recipe = RECIPES["edge"]
    recipe = replace(recipe, wave=replace(recipe.wave, augmentations=2))
    return FeatureStore(recipe, tmp_path / "cache", jobs=1)


def computed(item: ClipFeatures | Rejected) -> ClipFeatures:
    assert isinstance(item, ClipFeatures)
    return item


def test_second_time_comes_from_the_cache(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [record(tmp_path / "a.wav", 1), record(tmp_path / "b.wav", 2, seconds=7)]
    first = [computed(item) for item in store.originals(clips) + store.augmented(clips)]
    assert [set(item.augmentation) for item in first] == [{0}, {0}, {1, 2}, {1, 2}]
    assert first[1].features.shape[0] > first[0].features.shape[0] == 1

    monkeypatch.setattr(feature_store, "_features", None)  # computing anything would fail now
    again = [computed(item) for item in store.originals(clips) + store.augmented(clips)]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.features, other.features)
        np.testing.assert_array_equal(one.augmentation, other.augmentation)


def test_processes_give_the_same_features(store: FeatureStore, tmp_path: Path) -> None:
    clips = [record(tmp_path / f"{i}.wav", i) for i in range(4)]
    apart = replace(store, jobs=2, folder=tmp_path / "other")
    for one, other in zip(store.augmented(clips), apart.augmented(clips), strict=True):
        np.testing.assert_array_equal(computed(one).features, computed(other).features)


def test_a_changed_clip_or_setting_is_computed_anew(store: FeatureStore, tmp_path: Path) -> None:
    clip = record(tmp_path / "a.wav", 1)
    first = computed(store.originals([clip])[0]).features
    record(tmp_path / "a.wav", 2)
    assert not np.array_equal(computed(store.originals([clip])[0]).features, first)
    louder = replace(store, recipe=RECIPES["seed"])
    assert computed(louder.originals([clip])[0]).features.shape != first.shape
    reseeded = replace(store, seed=1)
    assert not np.array_equal(
        computed(store.augmented([clip])[0]).features,
        computed(reseeded.augmented([clip])[0]).features,
    )


def test_an_interrupted_run_keeps_what_it_had(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [record(tmp_path / f"{i}.wav", i) for i in range(5)]
    compute = feature_store._features
    done: list[object] = []

    def interrupted(*arguments: object) -> ClipFeatures:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(arguments[1])
        return compute(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(feature_store, "_features", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.originals(clips)
    cache = tmp_path / "cache"
    assert len(list(cache.rglob("*.features"))) == 3
    assert not list(cache.rglob("*.part"))

    monkeypatch.setattr(feature_store, "_features", compute)
    assert len(store.originals(clips)) == 5
    assert len(list(cache.rglob("*.features"))) == 5


def other_arrays(**changes: object) -> bytes:
    file = io.BytesIO()
    arrays = {"features": np.zeros((1, 130, 24), np.float32), "augmentation": [0], "seconds": 1.5}
    np.savez(file, **{**arrays, **changes})  # type: ignore[arg-type]
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK no",
        bytes(32),
        other_arrays(),
        other_arrays(features=np.full((1, 130, 24), np.nan, np.float32)),
        other_arrays(features=np.zeros((0, 130, 24), np.float32), augmentation=[]),
        other_arrays(features=np.zeros((3, 2), np.float64)),
        other_arrays(seconds=[]),
    ],
)
def test_a_damaged_cache_is_computed_anew(
    store: FeatureStore, tmp_path: Path, content: bytes
) -> None:
    clip = record(tmp_path / "a.wav", 1)
    first = computed(store.originals([clip])[0])
    path = store.path(first.digest, clip.speaker, range(1))
    stored = path.read_bytes()
    for damaged in (content, stored[:32] + content):
        path.write_bytes(damaged)
        again = computed(store.originals([clip])[0])
        np.testing.assert_array_equal(again.features, first.features)
        assert path.read_bytes() == stored


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_not_what_was_written_is_computed_anew(
    store: FeatureStore, tmp_path: Path, data: st.DataObject
) -> None:
    clip, other = record(tmp_path / "a.wav", 1, 0.2), record(tmp_path / "b.wav", 2, 0.2)
    first, second = (computed(item) for item in store.originals([clip, other]))
    path = store.path(first.digest, clip.speaker, range(1))
    stored = path.read_bytes()
    start = data.draw(st.integers(0, len(stored)))
    end = data.draw(st.integers(start, len(stored)))
    middle = data.draw(st.binary(max_size=40))
    elsewhere = store.path(second.digest, other.speaker, range(1)).read_bytes()
    changed = data.draw(
        st.sampled_from([stored[:start] + middle + stored[end:], stored[:start], elsewhere])
    )
    path.write_bytes(changed)
    again = computed(store.originals([clip])[0])
    np.testing.assert_array_equal(again.features, first.features)
    assert again.seconds == first.seconds
    assert path.read_bytes() == stored


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_fifo_in_the_cache_is_replaced(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = record(tmp_path / "a.wav", 1)
    path = store.path(computed(store.originals([clip])[0]).digest, clip.speaker, range(1))
    path.unlink()
    os.mkfifo(path)
    read = Path.read_bytes

    def read_file(path: Path) -> bytes:
        assert not path.is_fifo(), "this would block"
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_file)
    computed(store.originals([clip])[0])
    assert path.is_file()


def test_a_cache_that_cannot_be_written(store: FeatureStore, tmp_path: Path) -> None:
    clip = record(tmp_path / "a.wav", 1)
    (tmp_path / "cache").write_text("no folder")
    with raises(SerEdgeError, "Not a directory", "--cache"):
        store.originals([clip])
    (tmp_path / "cache").unlink()
    path = store.path(computed(store.originals([clip])[0]).digest, clip.speaker, range(1))
    path.unlink()
    path.mkdir()
    with raises(SerEdgeError, "stored", "--cache", source=path):
        store.originals([clip])
    assert not list(tmp_path.rglob("*.part"))


def bad_files(folder: Path) -> dict[str, str]:
    record(folder / "short.wav", 3)
    whole = (folder / "short.wav").read_bytes()
    contents = {
        "empty.wav": b"",
        "header.wav": whole[:20],
        "truncated.wav": whole[:-1000],
        "text.wav": b"this is no recording",
        "none.wav": whole[:40] + bytes(4),
        "silent.wav": whole[:44] + bytes(len(whole) - 44),
    }
    (folder / "short.wav").unlink()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {
        "empty.wav": "is empty",
        "header.wav": "",
        "truncated.wav": "",
        "text.wav": "",
        "none.wav": "",
        "silent.wav": "is silent",
    }


def test_bad_files_are_named_with_the_reason(
    store: FeatureStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    for i in range(200):
        record(data / "angry" / "anna" / f"{i}.wav", i, seconds=0.2)
    reasons = bad_files(data / "angry" / "anna")
    dataset = load_dataset([data], store)
    assert len(dataset.clips) == 200
    assert {item.path.name: item.reason for item in dataset.rejected}.keys() == reasons.keys()
    for item in dataset.rejected:
        assert reasons[item.path.name] in item.reason
        assert item.path.name not in item.reason
        assert f"skipped {item.path}: {item.reason}" in caplog.text


def test_too_many_bad_files_fail_the_run(store: FeatureStore, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for i in range(20):
        record(data / "sad" / f"{i}.wav", i, seconds=0.2)
    bad_files(data / "sad")
    with raises(SerEdgeError, "6 of 26", "--keep-going"):
        load_dataset([data], store)
    assert len(load_dataset([data], store, keep_going=True).clips) == 20


def test_the_same_recording_counts_once(store: FeatureStore, tmp_path: Path) -> None:
    for name in ("a", "b"):
        record(tmp_path / "data" / "happy" / f"{name}.wav", 1)
    dataset = load_dataset([tmp_path / "data"], store)
    assert len(dataset.clips) == 1
    assert [item.path.name for item in dataset.left_out] == ["b.wav"]
    assert dataset.notes[0] == "1 file was left out: the same recording under another name (b.wav)."


def test_the_same_recording_with_another_label_is_rejected(
    store: FeatureStore, tmp_path: Path
) -> None:
    for seed in range(20):
        record(tmp_path / "data" / "happy" / f"{seed}.wav", seed, seconds=0.2)
    record(tmp_path / "data" / "sad" / "1.wav", 1, seconds=0.2)
    record(tmp_path / "data" / "sad" / "21.wav", 21, seconds=0.2)
    [rejected] = load_dataset([tmp_path / "data"], store).rejected
    assert rejected.path.parent.name == "sad"
    assert "labelled happy" in rejected.reason


@pytest.mark.parametrize("name", ["9.m4a", "9.raw", "9.wav"])
def test_a_label_without_a_usable_file_fails_the_run(
    store: FeatureStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    data = tmp_path / "data"
    for seed in range(30):
        record(data / "angry" / f"{seed}.wav", seed, seconds=0.2)
    (data / "sad").mkdir()
    (data / "sad" / name).write_bytes(b"this is no recording")
    with raises(SerEdgeError, "sad has no usable file", name, "--keep-going"):
        load_dataset([data], store)
    dataset = load_dataset([data], store, keep_going=True)
    assert len(dataset.clips) == 30
    assert any("sad has no usable file" in note for note in dataset.notes)
    assert "sad has no usable file" in caplog.text


def test_what_libsndfile_reads_is_read(store: FeatureStore, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "sad"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    written = {"1.opus": "OGG", "2.aiff": "AIFF", "3.au": "AU", "4.caf": "CAF", "5.flac": "FLAC"}
    for name, kind in written.items():
        subtype = "OPUS" if name.endswith("opus") else "PCM_16"
        samples = rng.uniform(-0.1, 0.1, 16000)
        soundfile.write(folder / name, samples, 16000, format=kind, subtype=subtype)
    dataset = load_dataset([tmp_path / "data"], store)
    assert {clip.path.name for clip in dataset.clips} == written.keys()
    assert (dataset.rejected, dataset.left_out, dataset.notes) == ((), (), ())


def test_unused_files_are_logged_and_in_the_notes(
    store: FeatureStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record(tmp_path / "data" / "sad" / "1.wav", 1)
    for name in "abcde":
        (tmp_path / "data" / f"{name}.txt").touch()
    dataset = load_dataset([tmp_path / "data"], store)
    assert [item.path.name for item in dataset.left_out] == [f"{name}.txt" for name in "abcde"]
    note, where = dataset.notes
    assert note == "5 files were left out: not a recording (a.txt, b.txt, c.txt, …)."
    assert note in caplog.text
    assert "rejected.csv" in where


def test_windows_are_selected_by_clip_and_augmentation() -> None:
    windows = Windows(
        np.arange(5, dtype=np.float32).reshape(5, 1, 1),
        np.array([0, 0, 0, 1, 1]),
        np.array([0, 1, 1, 0, 1]),
    )
    selected = windows.select(np.array([[0, 1], [1, 0]]))
    np.testing.assert_array_equal(selected.features.ravel(), [1, 2, 3])
