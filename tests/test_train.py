"""Training from end to end, on a small synthetic corpus that the session trains on once."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Trained
from PIL import Image
from raising import raises

from ser_edge import ConfigError, SerEdgeError, choices
from ser_edge.cli.command_line import main
from ser_edge_train.evaluate import evaluate
from ser_edge_train.recipes import RECIPES
from ser_edge_train.run import Run
from ser_edge_train.train import TrainOptions, train

pytestmark = pytest.mark.training


def split_rows(run: Run) -> list[dict[str, str]]:
    with (run.folder / "split.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_run_folder_is_whole(trained: Trained) -> None:
    folder = trained.run.folder
    assert {path.name for path in folder.iterdir()} - {"bundle"} == {
        "run.json",
        "model.keras",
        "windows.npz",
        "split.csv",
        "rejected.csv",
        "history.csv",
        "metrics.json",
        "report.md",
        "classification_report.txt",
        "report.html",
        "confusion_matrix.png",
        "learning_curves.png",
        "calibration.png",
        "selective_prediction.png",
        "speakers.png",
    }
    assert not list(folder.parent.glob(".*"))
    for name in ("confusion_matrix", "learning_curves"):
        with Image.open(folder / f"{name}.png") as image:
            assert min(image.size) > 300
            assert len(set(image.convert("L").tobytes())) > 20
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "protocol **speaker, fold 0, seed 0**" in report
    assert "synthetic" in report


def test_test_speakers_were_not_trained_on(trained: Trained) -> None:
    rows = split_rows(trained.run)
    parts = {part: {r["speaker"] for r in rows if r["part"] == part} for part in ("train", "test")}
    assert parts["test"]
    assert not parts["train"] & parts["test"]
    assert parts["train"] == set(trained.run.settings.about["training_speakers"])
    assert all(r["augmentation1"] == ("train" if r["part"] == "train" else "unused") for r in rows)
    for part in ("validation", "test"):
        held = trained.run.held_out(part)
        spoken = [row["speaker"] for row in rows if row["part"] == part]
        assert sorted(held.speakers) == sorted(spoken)
        assert not parts["train"] & set(spoken)


def test_standardisation_is_fitted_on_training_rows_only(trained: Trained) -> None:
    inputs = trained.run.calibration_inputs()
    # All training windows are in windows.npz: there are fewer than the calibration takes.
    columns = inputs.reshape(-1, inputs.shape[-1]).astype(np.float64)
    np.testing.assert_allclose(columns.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(columns.std(axis=0), 1, atol=1e-3)


def test_the_network_has_learned_something(trained: Trained) -> None:
    scores = trained.run.settings.about["metrics"]["all"]
    assert scores["uar"] > 0.25  # chance is 1 in 7
    history = np.loadtxt(trained.run.folder / "history.csv", delimiter=",", skiprows=1)
    assert len(history) == trained.run.settings.about["epochs"]


def test_the_same_command_gives_the_same_run(trained: Trained, tmp_path: Path) -> None:
    again = train(
        [trained.corpus], tmp_path / "again", trained.options, cache=trained.cache, jobs=1
    )
    assert split_rows(again) == split_rows(trained.run)
    metrics = [(r.folder / "metrics.json").read_text() for r in (again, trained.run)]
    assert metrics[0] == metrics[1]
    assert again.settings.input == trained.run.settings.input


@pytest.fixture(scope="module")
def short(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A training of four epochs that nothing interrupted."""
    options = replace(trained.options, epochs=4, seed=1)
    out = tmp_path_factory.mktemp("short") / "run"
    return train([trained.corpus], out, options, cache=trained.cache, jobs=1)


def start_short(trained: Trained, out: Path) -> Run:
    """Start that training, or continue it."""
    options = replace(trained.options, epochs=4, seed=1)
    return train([trained.corpus], out, options, cache=trained.cache, jobs=1)


def assert_same(run: Run, other: Run) -> None:
    """Compare two runs bit for bit."""
    weights = [one.network().get_weights() for one in (run, other)]
    for mine, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(run.logits("test"), other.logits("test"))
    for name in ("history.csv", "metrics.json", "split.csv"):
        assert (run.folder / name).read_bytes() == (other.folder / name).read_bytes()


@pytest.mark.parametrize(("backup_s", "after"), [(0.0, [0, 2, 3]), (60.0, [0, 1, 2, 3])])
def test_an_interrupted_training_goes_on(
    backup_s: float,
    after: list[int],
    trained: Trained,
    short: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ser_edge_train import backup, fit

    begin = fit.Batches.start_epoch
    begun: list[int] = []

    def interrupted(batches: fit.Batches, epoch: int) -> None:
        begun.append(epoch)
        if epoch == 2 and begun.count(2) == 1:
            raise KeyboardInterrupt
        begin(batches, epoch)

    monkeypatch.setattr(fit.Batches, "start_epoch", interrupted)
    monkeypatch.setattr(backup, "BACKUP_S", backup_s)
    with pytest.raises(KeyboardInterrupt):
        start_short(trained, tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == [".run.partial"]
    begun[:] = [2]
    run = start_short(trained, tmp_path / "run")
    assert sorted(set(begun)) == after  # 0 is the draw that counts the batches, too
    with (run.folder / "history.csv").open(encoding="utf-8", newline="") as file:
        assert [float(row["epoch"]) for row in csv.DictReader(file)] == [0, 1, 2, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert_same(run, short)


def test_an_interrupt_in_a_finaliser_ends_the_training(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python prints an exception in `__del__`, and goes on."""
    from ser_edge_train import fit

    class Finalised:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    begin = fit.Batches.start_epoch
    begun: list[int] = []

    def interrupted(batches: fit.Batches, epoch: int) -> None:
        begin(batches, epoch)
        begun.append(epoch)
        if epoch == 1:
            Finalised()

    monkeypatch.setattr(fit.Batches, "start_epoch", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            start_short(trained, tmp_path / "run")
    finally:
        signal.signal(signal.SIGINT, before)
    assert begun[-1] == 1
    assert [path.name for path in tmp_path.iterdir()] == [".run.partial"]


def test_a_kill_before_the_folder_has_its_name(
    trained: Trained, short: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ser_edge_train import train as module
    from ser_edge_train.keras_backend import keras

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "move_into_place", killed)
        with pytest.raises(KeyboardInterrupt):
            start_short(trained, tmp_path / "run")
    monkeypatch.setattr(keras.Model, "fit", killed)
    assert_same(start_short(trained, tmp_path / "run"), short)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_two_trainings_do_not_share_a_folder(trained: Trained, tmp_path: Path) -> None:
    from ser_edge_train.folders import reserved

    with reserved(tmp_path / "run"):
        with raises(SerEdgeError, os.getpid(), "--out", source=tmp_path / "run"):
            start_short(trained, tmp_path / "run")
        assert [path.name for path in tmp_path.iterdir()] == [".run.lock"]


@contextlib.contextmanager
def disk_space(size_bytes: int) -> Iterator[None]:
    """Let no file grow beyond a size."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no RLIMIT_FSIZE")
@pytest.mark.parametrize(
    ("size_bytes", "backup_s", "first"),
    [
        (100_000, 0.0, ".part.backup.npz"),
        (100_000, 60.0, ".part.trained.npz"),
        (360_000, 60.0, "model.keras"),
        (1_000_000, 60.0, "windows.npz"),
    ],
)
def test_a_full_disk(
    size_bytes: int,
    backup_s: float,
    first: str,
    trained: Trained,
    short: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from ser_edge_train import backup

    monkeypatch.setattr(backup, "BACKUP_S", backup_s)
    partial = tmp_path / ".run.partial"
    with (
        raises(SerEdgeError, "File too large", "--out", "run", source=partial),
        disk_space(size_bytes),
    ):
        start_short(trained, tmp_path / "run")
    assert [path.name for path in partial.rglob("*") if path.stat().st_size == size_bytes] == [
        first
    ]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    partial.rename(elsewhere / ".other.partial")
    run = start_short(trained, elsewhere / "other")
    assert_same(run, short)
    assert [path.name for path in elsewhere.iterdir()] == ["other"]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc is glibc's here")
def test_training_leaves_memory_where_it_is(trained: Trained, tmp_path: Path) -> None:
    import resource

    options = replace(trained.options, epochs=1)
    train([trained.corpus], tmp_path / "run", options, cache=trained.cache, jobs=1)
    values = np.zeros(2**20, np.float32)
    total = np.add(values, values)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        total = np.add(values, total)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults < 1024  # of a page each; of 4 MiB all, 20 times: 20 480


def test_retraining_includes_the_validation_speakers(trained: Trained, tmp_path: Path) -> None:
    options = replace(trained.options, retrain=True)
    run = train([trained.corpus], tmp_path / "run", options, cache=trained.cache, jobs=1)
    first, about = trained.run.settings, run.settings.about
    assert run.settings.temperature == first.temperature
    assert run.settings.speakers == first.speakers
    assert run.settings.input.mean != first.input.mean
    spoken = {r["speaker"] for r in split_rows(run) if r["part"] in ("train", "validation")}
    assert set(about["training_speakers"]) == spoken > set(first.about["training_speakers"])
    report = (run.folder / "report.md").read_text(encoding="utf-8")
    assert "retrained on training and validation clips" in report
    held = run.held_out("validation")
    logits = run.network().predict(run.settings.input.network_inputs(held.features), verbose=0)
    np.testing.assert_allclose(logits, run.logits("validation"), atol=1e-4)
    assert np.abs(logits - trained.run.logits("validation")).max() > 0.01


def test_options_replace_values_of_the_recipe() -> None:
    recipe = TrainOptions(recipe="edge").chosen_recipe()
    assert (recipe.ensemble, recipe.retrain) == (2, True)
    options = TrainOptions(recipe="edge", epochs=3, augmentations=1, ensemble=1, retrain=False)
    chosen = options.chosen_recipe()
    assert chosen.wave == replace(recipe.wave, augmentations=1)
    expected = replace(recipe, epochs=3, wave=chosen.wave, ensemble=1, retrain=False)
    assert chosen == expected
    assert not TrainOptions(recipe="edge", protocol="leaky").chosen_recipe().retrain


def test_command_line_and_code_have_the_same_recipes() -> None:
    assert tuple(RECIPES) == choices.RECIPES


def test_an_existing_run_is_not_overwritten_unasked(trained: Trained) -> None:
    before = (trained.run.folder / "run.json").read_bytes()
    with raises(SerEdgeError, "--out", "--overwrite", source=trained.run.folder):
        train([trained.corpus], trained.run.folder, trained.options)
    assert (trained.run.folder / "run.json").read_bytes() == before


@pytest.mark.parametrize("protocol", ["clip", "leaky"])
def test_the_dishonest_protocols_say_so(trained: Trained, tmp_path: Path, protocol: str) -> None:
    options = replace(trained.options, protocol=protocol, epochs=1)
    run = train([trained.corpus], tmp_path / "run", options, cache=trained.cache, jobs=1)
    report = (run.folder / "report.md").read_text(encoding="utf-8")
    assert f"protocol **{protocol}, fold 0, seed 0**" in report
    warning = {"clip": "Test speakers are in training too", "leaky": "This protocol leaks"}
    assert warning[protocol] in report
    measured = re.search(r"of the (\d+) whose clip is also in training", report)
    assert (measured is not None) == (protocol == "leaky")
    parts = [row[column] for row in split_rows(run) for column in ("part", "augmentation1")]
    assert len(run.held_out("test").y_true) == parts.count("test")


def test_evaluate_repeats_the_runs_own_figures(trained: Trained) -> None:
    result = evaluate(trained.run.folder)
    expected = trained.run.settings.about["metrics"]["all"]
    assert result.keras["all"].uar == pytest.approx(expected["uar"])
    assert {(variant.file, variant.backend) for variant in result.variants} >= {
        ("model.int8.tflite", "litert"),
        ("model.int8.onnx", "onnx"),
    }
    assert "protocol speaker, fold 0" in str(result)
    json.dumps(result.to_dict())


def test_evaluate_leaves_out_speakers_that_were_trained_on(trained: Trained) -> None:
    result = evaluate(trained.run.folder, [trained.corpus], cache=trained.cache)
    untrained = [row for row in split_rows(trained.run) if row["part"] != "train"]
    assert result.keras["all"].n_clips == len(untrained)
    folder = next(
        Path(row["path"]).parent
        for row in split_rows(trained.run)
        if row["part"] == "train" and row["corpus"] == "ravdess"
    )
    with raises(SerEdgeError, source=folder):
        evaluate(trained.run.folder, [folder], cache=trained.cache)


def test_runs_that_cannot_be_used(trained: Trained, tmp_path: Path) -> None:
    with raises(SerEdgeError, source=tmp_path / "none"):
        Run.open(tmp_path / "none")
    with raises(SerEdgeError, "run.json", source=tmp_path):
        Run.open(tmp_path)
    damaged = tmp_path / "damaged"
    shutil.copytree(trained.run.folder, damaged)
    (damaged / "model.keras").write_bytes(b"no model")
    with raises(SerEdgeError, source=damaged / "model.keras"):
        Run.open(damaged).network()
    (damaged / "windows.npz").write_bytes(b"no arrays")
    with raises(SerEdgeError, source=damaged / "windows.npz"):
        Run.open(damaged).predictions()
    path = damaged / "run.json"
    settings = json.loads(path.read_text("utf-8"))
    settings["recipe"]["epochs"] = 0
    for content, value in (
        (settings, "epochs=0"),
        ({name: settings[name] for name in ("format", "format_version", "labels")}, "recipe"),
        ({}, "format=None"),
        ([], "format=None"),
        ({"format": "ser-edge-run", "format_version": 1}, "format_version=1"),
    ):
        path.write_text(json.dumps(content))
        with raises(SerEdgeError, value, source=path):
            Run.open(damaged)
    path.write_text("no JSON")
    with raises(SerEdgeError, "JSON", source=path):
        Run.open(damaged)
    (damaged / "model.keras").unlink()
    with raises(SerEdgeError, "model.keras", source=damaged):
        Run.open(damaged)


def test_places_that_cannot_be_written(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    below = str(tmp_path / "file" / "out")
    corpus = str(trained.corpus)
    for words in (
        ["train", corpus, "--out", below],
        ["train", corpus, "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "file")],
        ["export", str(trained.run.folder), "--out", below],
    ):
        assert main(words) == 1
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert str(tmp_path / "file") in message
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_illegal_options(tmp_path: Path) -> None:
    with raises(ConfigError, "jobs=0"):
        train([tmp_path], tmp_path / "run", TrainOptions(), jobs=0)
    with raises(SerEdgeError, source=tmp_path):
        train([tmp_path], tmp_path / "run", TrainOptions())
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.fsencode("é") != b"\xc3\xa9", reason="file names are not bytes here")
def test_the_command_with_a_users_settings_and_names(trained: Trained, tmp_path: Path) -> None:
    """On a pipe, with another Keras backend, a notebook's plots, and names in Latin-1."""
    from ser_edge_train.corpora import find_clips
    from ser_edge_train.tables import plain

    corpus = tmp_path / os.fsdecode(b"K\xf6ln")
    clips = find_clips([trained.corpus]).clips
    for number, clip in enumerate(clips):
        speaker = os.fsdecode(clip.speaker.replace("/", "-").encode() + b"\xe4")
        folder = corpus / speaker / clip.label
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.wav").symlink_to(clip.path)
    keras_home = tmp_path / ".keras"
    keras_home.mkdir()
    settings = {"floatx": "float16", "image_data_format": "channels_first", "epsilon": "no number"}
    (keras_home / "keras.json").write_text(json.dumps(settings))
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    environment = {
        "HOME": str(tmp_path),
        "KERAS_HOME": str(keras_home),
        "KERAS_BACKEND": "torch",
        "KERAS_MAX_EPOCHS": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
    }
    out = tmp_path / os.fsdecode(b"L\xe4ufe")
    words: list[str | Path] = [
        "train",
        corpus,
        "--out",
        out,
        "--epochs",
        "2",
        "--ensemble",
        "1",
        "--no-retrain",
    ]
    words += ["--augmentations", "0", "--jobs", "1", "--licence", os.fsdecode(b"f\xfcr uns")]
    done = subprocess.run(
        [sys.executable, "-m", "ser_edge", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"features: {len(clips)} of {len(clips)}\n" in done.stderr
    assert "training network 1 of 1: epoch 2 of 2, validation loss" in done.stderr
    assert "95 % interval" in done.stdout
    assert not any(mark in done.stdout for mark in ("| ", "**", "# "))
    run = Run.open(out)
    assert run.settings.about["epochs"] == 2
    assert {str(weight.dtype) for weight in run.network().weights} == {"float32"}
    assert run.settings.name == r"L\xe4ufe"
    assert set(run.settings.about["corpora"]) == {r"K\xf6ln"}
    report = (out / "report.md").read_text(encoding="utf-8")
    assert plain(r"K\xf6ln") in report
    assert plain(r"f\xfcr uns") in report
    path = out / "split.csv"
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        assert all(Path(row["path"]).is_file() for row in csv.DictReader(file))
