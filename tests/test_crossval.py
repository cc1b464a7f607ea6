"""Cross-validation: a run for each fold and seed, resumed after an interruption."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Trained
from raising import raises

from ser_edge import ConfigError, SerEdgeError
from ser_edge.cli.command_line import main
from ser_edge.cli.parser import parse_arguments
from ser_edge_train import crossval
from ser_edge_train.command import evaluate_command
from ser_edge_train.crossval import cross_validate, find_runs
from ser_edge_train.evaluate import summarise
from ser_edge_train.run import Run
from ser_edge_train.summary import Summary
from ser_edge_train.train import train_split

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def folder(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("crossval") / "edge"
    options = replace(trained.options, epochs=1, ensemble=2)
    cross_validate(
        [trained.corpus], out, options, folds=[0, 1], seeds=2, cache=trained.cache, jobs=1
    )
    return out


def test_there_is_a_run_for_each_fold_and_seed(folder: Path) -> None:
    names = ["fold0-seed0", "fold0-seed1", "fold1-seed0", "fold1-seed1"]
    runs = find_runs(folder)
    assert [run.folder.name for run in runs] == names
    splits = [(run.folder / "split.csv").read_text("utf-8") for run in runs]
    assert splits[0] != splits[2]
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        "calibration.png",
        "confusion_matrix.png",
        "metrics.json",
        "report.html",
        "report.md",
        "selective_prediction.png",
        "speakers.png",
    ]


def test_no_test_speaker_is_in_training(folder: Path) -> None:
    for run in find_runs(folder):
        trained = set(run.settings.about["training_speakers"])
        assert not trained & set(run.predictions("test").speakers)
        assert not trained & set(run.predictions("validation").speakers)


def test_an_ensemble_is_one_network(folder: Path, trained: Trained) -> None:
    run, one = find_runs(folder)[0], trained.run.network()
    network = run.network()
    stems = [layer for layer in network.layers if layer.name.startswith("network1_")]
    assert len(stems) == len(one.layers) - 2  # input and logits are shared
    assert run.settings.about["parameters"] == network.count_params()
    assert run.settings.about["parameters"] > 1.9 * one.count_params()


def test_the_summary_is_of_all_runs(folder: Path) -> None:
    summary = Summary.of(find_runs(folder))
    figures = json.loads((folder / "metrics.json").read_text("utf-8"))
    assert figures == json.loads(json.dumps(summary.to_dict()))
    assert (figures["folds"], figures["seeds"]) == (2, 2)
    each = [run.settings.about["metrics"]["all"]["uar"] for run in find_runs(folder)]
    assert figures["uar"] == pytest.approx(np.mean(each))
    assert figures["uar_sd_seeds"] == pytest.approx(
        np.std([(each[0] + each[2]) / 2, (each[1] + each[3]) / 2], ddof=1)
    )
    whole = figures["scores"]["all"]
    assert whole["n_clips"] == sum(len(run.predictions().y_true) for run in find_runs(folder))
    assert figures["selective_prediction"][0]["risk"] == pytest.approx(1 - whole["wa"])


def test_the_page_refers_to_nothing_outside(folder: Path) -> None:
    page = (folder / "report.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 4
    assert 'src="' not in page.replace('src="data:', "")
    assert "<table>" in page
    assert "<title>edge, speaker</title>" in page


def test_an_interrupted_cross_validation_goes_on(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_now: list[object] = []

    def interrupted(*arguments: object) -> Run:
        trained_now.append(arguments[-1])
        if len(trained_now) == 2:
            raise KeyboardInterrupt
        return train_split(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(crossval, "train_split", interrupted)
    options = replace(trained.options, epochs=1)

    def run() -> list[Run]:
        return cross_validate(
            [trained.corpus],
            tmp_path / "edge",
            options,
            folds=[0, 1],
            cache=trained.cache,
            jobs=1,
        )

    with pytest.raises(KeyboardInterrupt):
        run()
    assert not (tmp_path / "edge").exists()
    assert len(run()) == 2
    assert [Path(str(path)).name for path in trained_now] == [
        "fold0-seed0",
        "fold1-seed0",
        "fold1-seed0",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["edge"]
    report = (tmp_path / "edge" / "report.md").read_text("utf-8")
    assert "protocol **speaker, 2 folds, 1 seed**" in report
    assert "parameters, 1 epoch.\n" in report


def test_folds_of_an_earlier_command_are_left_out(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> Run:
        if Path(str(arguments[-1])).name == "fold1-seed0":
            raise KeyboardInterrupt
        return train_split(*arguments)  # type: ignore[arg-type]

    def run(folds: list[int]) -> list[Run]:
        options = replace(trained.options, epochs=1)
        out, cache = tmp_path / "edge", trained.cache
        return cross_validate([trained.corpus], out, options, folds=folds, cache=cache, jobs=1)

    with monkeypatch.context() as patch:
        patch.setattr(crossval, "train_split", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run([0, 1])
    run([1])
    assert [run.folder.name for run in find_runs(tmp_path / "edge")] == ["fold1-seed0"]
    assert [path.name for path in tmp_path.iterdir()] == ["edge"]


def test_runs_are_compared(
    folder: Path, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(folder), str(trained.run.folder), "--report", str(tmp_path / "page")]
    assert main(words) == 0
    table = capsys.readouterr().out
    assert f"{folder.name}: edge, speaker" in table
    assert "2 x 2" in table
    page = (tmp_path / "page" / "report.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 10
    assert main(words) == 1
    assert "--report" in capsys.readouterr().err
    assert main(["evaluate", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["folds"] == 2
    arguments = parse_arguments([*words[:2], str(trained.run.folder), "--data", "any"])
    with raises(ConfigError, "--data"):
        evaluate_command(arguments)


def test_what_cannot_be_summed_up(folder: Path, trained: Trained, tmp_path: Path) -> None:
    with raises(SerEdgeError, "run.json", source=tmp_path):
        summarise([tmp_path])
    clip = cross_validate(
        [trained.corpus],
        tmp_path / "clip",
        replace(trained.options, epochs=1, protocol="clip"),
        folds=[0],
        cache=trained.cache,
        jobs=1,
    )
    with raises(SerEdgeError, "'clip'", "'speaker'", source=tmp_path / "clip"):
        Summary.of([*clip, *find_runs(folder)])
